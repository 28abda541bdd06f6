"""`EngineChooser`: which engines a configuration names, with their settings and where those stand."""

from __future__ import annotations

from itertools import zip_longest
from pathlib import Path

import attrs

from .character import CharacterConfig, EngineChoice, EngineKind
from .structure import EngineNames
from .tree import Listing, Node, Scalar, Table, Values, walk
from .wyoming import WyomingEngines, WyomingSettings

# Where an engine is chosen, by its kind: what is wrong with an engine that has no settings is told there.
CHOSEN_AT = {
    "llm": "agent_config.agent_settings.basic_memory_agent.llm_provider",
    "tts": "tts_config.tts_model",
    "asr": "asr_config.asr_model",
    "vad": "vad_config.vad_model",
    "turn": "vad_config.turn_model",
    "translator": "tts_preprocessor_config.translator_config.translate_provider",
}

SECTION_ALIASES = {"gpt_sovits_tts": "gpt_sovits"}
"""Other names that Open-LLM-VTuber reads the sections of engines by."""


@attrs.frozen
class EngineChooser:
    """Finds the settings of an engine: the section that has its name, in the section of its kind."""

    table: Table
    folder: Path
    values: Values

    def engines(self, kind: EngineKind, names: EngineNames, section: str) -> EngineChoice:
        """The first of ``names``, and the others behind it."""
        chosen = self.table.find(CHOSEN_AT[kind])
        places = chosen.items if isinstance(chosen, Listing) else ()
        first, *others = (
            self.engine(kind, name, section, place)
            for name, place in zip_longest(names, places[: len(names)])
        )
        return attrs.evolve(first, then=tuple(others))

    def engine(self, kind: EngineKind, name: str, section: str, place: Node | None = None) -> EngineChoice:
        """``place`` is where it is named, in a list."""
        blocks = self.table.table(section)
        # Existing files write Edge_TTS here and edge_tts there.
        names = (name, name.lower(), SECTION_ALIASES.get(name.lower(), name))
        found = next((n for n in names if blocks and n in blocks.entries), name)
        block = blocks.entries.get(found) if blocks else None
        if isinstance(block, Scalar) and block.is_null:
            block = None
        key = f"{self.table.location.key}.{section}.{found}"
        chosen = block or place or self.table.find(CHOSEN_AT[kind]) or self.table
        locations = {"": chosen.location}
        settings: object = {}
        if isinstance(block, Table):
            settings = self.values.of(block)
            locations |= {
                n.location.key.removeprefix(f"{key}."): n.location for n in walk(block) if n is not block
            }
        elif block:
            self.values.findings.error(block.location, "must be a section with keys of its own")
        assert isinstance(settings, dict)
        return EngineChoice(kind, name, settings, self.folder, key, locations)

    def translator(self, name: str) -> EngineChoice:
        """Who translates what is spoken."""
        return self.engine("translator", name.lower(), "tts_preprocessor_config.translator_config")

    def turn_model(self, file: str | None) -> EngineChoice | None:
        """What hears the end of a turn, by the one thing that can be said about it."""
        if not file:
            return None
        chosen = self.table.find(CHOSEN_AT["turn"]) or self.table
        key = f"{self.table.location.key}.{CHOSEN_AT['turn']}"
        locations = {"": chosen.location}
        return EngineChoice("turn", "smart_turn", {"model": file}, self.folder, key, locations)


def wyoming_engines(
    character: CharacterConfig, settings: WyomingSettings, document: Table, values: Values
) -> WyomingEngines | None:
    """The engines that ``settings`` name, with their settings in the ``character_config`` of ``document``.

    None where nothing is served.
    """
    table = document.table("character_config")
    if settings.port is None or table is None:
        return None
    pick, own = EngineChooser(table, character.tts.folder, values), WyomingEngines.of(character)

    def chosen(kind: EngineKind, name: str, section: str) -> EngineChoice:
        choice = pick.engine(kind, name, section)
        node = document.find(f"system_config.wyoming.{kind}")
        if node is None or table.find(f"{section}.{name}"):
            return choice
        return attrs.evolve(choice, key=node.location.key, locations={"": node.location})

    return WyomingEngines(
        chosen("tts", settings.tts, "tts_config") if settings.tts else own.tts,
        chosen("asr", settings.asr, "asr_config") if settings.asr else own.asr,
    )
