"""``character_config`` in the file, key by key, and the `CharacterConfig` that it makes."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import zip_longest

# Of a name that is too long, or holds a NUL, these say no, where the methods of `Path` raise.
from os.path import isfile
from pathlib import Path
from typing import Any

import attrs

from ..text.lines import SpeechFilters
from .character import CharacterConfig, EngineChoice, EngineKind, WakeWordConfig
from .diagnostics import Findings, Location, did_you_mean
from .references import ModelEntry, Prompts
from .structure import EngineNames, OtherKeys, report_unknown, structured
from .tree import Listing, Node, Scalar, Table, Values, walk
from .wyoming import WyomingEngines, WyomingSettings

AGENT = "basic_memory_agent"

_SCRIPTED, _ESPEAK = EngineNames(("scripted_llm",)), EngineNames(("espeak_tts",))


def _required(*, secret: bool = False) -> Any:
    return attrs.field(default="", metadata={"required": True}, repr=not secret)


@attrs.frozen
class MemoryAgentSection:
    """``basic_memory_agent``: the one way in which characters converse here."""

    llm_provider: EngineNames = _SCRIPTED
    faster_first_response: bool = True


@attrs.frozen
class AgentSettingsSection:
    """``agent_settings``: a section for each agent; those of agents that are not here are ignored."""

    basic_memory_agent: MemoryAgentSection = attrs.field(factory=MemoryAgentSection)


@attrs.frozen
class AgentSection:
    """``agent_config``: which agent converses, and by which language model."""

    conversation_agent_choice: str = AGENT
    agent_settings: AgentSettingsSection = attrs.field(factory=AgentSettingsSection)


@attrs.frozen
class TtsSection:
    """``tts_config``: the name of the speech synthesis, with a section of settings under each name."""

    tts_model: EngineNames = _ESPEAK


@attrs.frozen
class AsrSection:
    """``asr_config``: as `TtsSection`, for speech recognition; null: the embedded one."""

    asr_model: EngineNames | None = None


@attrs.frozen
class VadSection:
    """``vad_config``: as `TtsSection`, for voice activity detection; null: the embedded one.

    ``turn_model`` is the file of a model by which the end of a turn is heard; null: there is none.
    """

    vad_model: str | None = None
    turn_model: str | None = None


@attrs.frozen
class CharacterSection:
    """``character_config``, without what lies under the names of engines."""

    conf_name: str = _required()
    conf_uid: str = _required()
    persona_prompt: str = _required(secret=True)
    live2d_model_name: str = ""
    character_name: str = ""
    avatar: str = ""
    human_name: str = "Human"
    agent_config: AgentSection = attrs.field(factory=AgentSection)
    asr_config: AsrSection = attrs.field(factory=AsrSection)
    tts_config: TtsSection = attrs.field(factory=TtsSection)
    vad_config: VadSection = attrs.field(factory=VadSection)
    tts_preprocessor_config: SpeechFilters = attrs.field(factory=SpeechFilters)
    wake_word_config: WakeWordConfig = attrs.field(factory=WakeWordConfig)


_NO_TOOLS = "characters have no tools yet"
# Keys of existing files that change nothing here, and must not be warned of.
OTHER_KEYS: Mapping[type, OtherKeys] = {
    MemoryAgentSection: OtherKeys(
        {
            "segment_method": "sentences are found in one way, for all languages",
            "use_mcpp": _NO_TOOLS,
            "mcp_enabled_servers": _NO_TOOLS,
        }
    ),
    AgentSettingsSection: OtherKeys(engines=True),
    AgentSection: OtherKeys({"llm_configs": ""}),
    TtsSection: OtherKeys(engines=True),
    AsrSection: OtherKeys(engines=True),
    VadSection: OtherKeys(engines=True),
    SpeechFilters: OtherKeys({"translator_config": ""}),
}
TOP_LEVEL = ("system_config", "character_config")
# Written for another program that reads the same file.
TOP_LEVEL_OTHER_KEYS = {"live_config": "has no effect: messages of live streams are not read here"}


@attrs.frozen
class References:
    """What a character's file refers to. ``folder`` is that of ``conf.yaml``: relative paths start there."""

    folder: Path
    prompts: Prompts
    models: Mapping[str, ModelEntry]


def build_character(file: str, table: Table, references: References, values: Values) -> CharacterConfig:
    """The character in ``table``, which is the base's ``character_config`` with that of ``file`` over it.

    Where a value is wrong, its default is used, and the error is in ``values.findings``.
    """
    report_unknown(CharacterSection, table, values.findings, OTHER_KEYS)
    section = structured(CharacterSection, table, values)
    _report_unused(section, table, values.findings)
    _report_avatar(section.avatar, table, references.folder / "avatars", values.findings)
    model = _model(section.live2d_model_name, table, references.models, values.findings)
    pick = _EngineChooser(table, references.folder, values)
    agent = section.agent_config.agent_settings.basic_memory_agent
    asr, vad = section.asr_config.asr_model, section.vad_config.vad_model
    return CharacterConfig(
        file=file,
        conf_name=section.conf_name,
        conf_uid=section.conf_uid,
        llm=pick.engines("llm", agent.llm_provider, "agent_config.llm_configs"),
        tts=pick.engines("tts", section.tts_config.tts_model, "tts_config"),
        asr=pick.engines("asr", asr, "asr_config") if asr and asr[0] else None,
        vad=pick.engine("vad", vad, "vad_config") if vad else None,
        turn=pick.turn_model(section.vad_config.turn_model),
        live2d_model_name=section.live2d_model_name,
        character_name=section.character_name or section.conf_name,
        avatar=section.avatar,
        human_name=section.human_name,
        persona_prompt=section.persona_prompt,
        faster_first_response=agent.faster_first_response,
        speech_filters=section.tts_preprocessor_config,
        wake_word=_wake_word(section),
        model_info=model.info,
        emotions=model.emotions,
        system_prompt=references.prompts.system_prompt(section.persona_prompt, model.emotions),
        nudge_prompt=references.prompts.nudge,
    )


# Where an engine is chosen, by its kind: what is wrong with an engine that has no settings is told there.
CHOSEN_AT = {
    "llm": "agent_config.agent_settings.basic_memory_agent.llm_provider",
    "tts": "tts_config.tts_model",
    "asr": "asr_config.asr_model",
    "vad": "vad_config.vad_model",
    "turn": "vad_config.turn_model",
}


SECTION_ALIASES = {"gpt_sovits_tts": "gpt_sovits"}
"""Other names that Open-LLM-VTuber reads the sections of engines by."""


@attrs.frozen
class _EngineChooser:
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
    pick, own = _EngineChooser(table, character.tts.folder, values), WyomingEngines.of(character)

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


def _wake_word(section: CharacterSection) -> WakeWordConfig:
    """The section; where it is enabled and has no words, the character's own name is the wake word."""
    config = section.wake_word_config
    if config.enabled and not any(config.wake_words.values()):
        return attrs.evolve(config, wake_words={"": (section.character_name or section.conf_name,)})
    return config


def _report_unused(section: CharacterSection, table: Table, findings: Findings) -> None:
    choice = table.find("agent_config.conversation_agent_choice")
    if choice and section.agent_config.conversation_agent_choice != AGENT:
        name = section.agent_config.conversation_agent_choice
        model = ", ".join(section.agent_config.agent_settings.basic_memory_agent.llm_provider)
        findings.warning(
            choice.location,
            f"there is no agent {name!r} here, and its settings are not used",
            f"{AGENT} answers, with its llm_provider {model}",
        )
    translate = table.find("tts_preprocessor_config.translator_config.translate_audio")
    if isinstance(translate, Scalar) and translate.text.lower() in ("true", "yes", "on"):
        findings.warning(translate.location, "speech is not translated here", "it is spoken as it is shown")


def _report_avatar(avatar: str, table: Table, folder: Path, findings: Findings) -> None:
    node = table.find("avatar")
    if node and avatar and "://" not in avatar and not isfile(folder / avatar):
        findings.warning(
            node.location, f"there is no file {avatar!r} in avatars/", "the first letter is shown"
        )


def _model(name: str, table: Table, models: Mapping[str, ModelEntry], findings: Findings) -> ModelEntry:
    node = table.find("live2d_model_name")
    if name in models or not name:
        return models.get(name, ModelEntry({}, {}))
    # An empty dictionary has a finding of its own, which is the cause of this one.
    if models:
        remedy = did_you_mean(name, models) or f"it has {', '.join(models)}"
        location = node.location if node else Location(table.location.file)
        findings.warning(location, f"model_dict.json has no model {name!r}", remedy)
    return ModelEntry({}, {})
