"""``character_config`` in the file, key by key, and the `CharacterConfig` that it makes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from ..text.lines import SpeechFilters
from .character import CharacterConfig, EngineChoice, EngineKind, WakeWordConfig
from .diagnostics import Findings, Place, did_you_mean
from .references import Model, Prompts
from .structure import Others, report_unknown, structured, unknown_keys
from .tree import Scalar, Table, Values, as_written, walk

AGENT = "basic_memory_agent"


def _required(*, secret: bool = False) -> Any:
    return attrs.field(default="", metadata={"required": True}, repr=not secret)


@attrs.frozen
class MemoryAgent:
    """``basic_memory_agent``: the one way in which characters converse here."""

    llm_provider: str = "scripted_llm"
    faster_first_response: bool = True


@attrs.frozen
class AgentSettings:
    basic_memory_agent: MemoryAgent = attrs.field(factory=MemoryAgent)


@attrs.frozen
class Agent:
    conversation_agent_choice: str = AGENT
    agent_settings: AgentSettings = attrs.field(factory=AgentSettings)


@attrs.frozen
class Voice:
    tts_model: str = "espeak_tts"


@attrs.frozen
class Ears:
    asr_model: str | None = None


@attrs.frozen
class Attention:
    vad_model: str | None = None


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
    agent_config: Agent = attrs.field(factory=Agent)
    asr_config: Ears = attrs.field(factory=Ears)
    tts_config: Voice = attrs.field(factory=Voice)
    vad_config: Attention = attrs.field(factory=Attention)
    tts_preprocessor_config: SpeechFilters = attrs.field(factory=SpeechFilters)
    wake_word_config: WakeWordConfig = attrs.field(factory=WakeWordConfig)


OTHERS: Mapping[type, Others] = {
    # For segmenting there is one splitter, and tools have no part here yet.
    MemoryAgent: Others(frozenset({"segment_method", "use_mcpp", "mcp_enabled_servers"})),
    AgentSettings: Others(engines=True),
    Agent: Others(frozenset({"llm_configs"})),
    Voice: Others(engines=True),
    Ears: Others(engines=True),
    Attention: Others(engines=True),
    SpeechFilters: Others(frozenset({"translator_config"})),
}
TOP_LEVEL = ("system_config", "character_config")
TOP_LEVEL_OTHERS = ("live_config",)


@attrs.frozen
class Props:
    """What a character's file refers to: prompts, models, and the folder that all paths start from."""

    folder: Path
    prompts: Prompts
    models: Mapping[str, Model]


def character_of(file: str, table: Table, props: Props, values: Values) -> CharacterConfig:
    """The character; defaults stand in for what is wrong, with the errors in ``values.findings``."""
    report_unknown(CharacterSection, table, values.findings, OTHERS)
    section = structured(CharacterSection, table, values)
    _report_unused(section, table, values.findings)
    _report_avatar(section.avatar, table, props.folder / "avatars", values.findings)
    model = _model(section.live2d_model_name, table, props.models, values.findings)
    pick = _Picker(table, props.folder, values)
    agent = section.agent_config.agent_settings.basic_memory_agent
    asr, vad = section.asr_config.asr_model, section.vad_config.vad_model
    return CharacterConfig(
        file=file,
        conf_name=section.conf_name,
        conf_uid=section.conf_uid,
        llm=pick.engine("llm", agent.llm_provider, "agent_config.llm_configs"),
        tts=pick.engine("tts", section.tts_config.tts_model, "tts_config"),
        asr=pick.engine("asr", asr, "asr_config") if asr else None,
        vad=pick.engine("vad", vad, "vad_config") if vad else None,
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
        system_prompt=props.prompts.system_prompt(section.persona_prompt, model.emotions),
        nudge_prompt=props.prompts.nudge,
        unknown={
            key: as_written(table.entries[key]) for key in unknown_keys(CharacterSection, table, OTHERS)
        },
    )


CHOSEN_AT = {
    "llm": "agent_config.agent_settings.basic_memory_agent.llm_provider",
    "tts": "tts_config.tts_model",
    "asr": "asr_config.asr_model",
    "vad": "vad_config.vad_model",
}


@attrs.frozen
class _Picker:
    """Finds the settings that belong to an engine's name."""

    table: Table
    folder: Path
    values: Values

    def engine(self, kind: EngineKind, name: str, section: str) -> EngineChoice:
        blocks = self.table.table(section)
        found = next((n for n in (name, name.lower()) if blocks and n in blocks.entries), name)
        block = blocks.entries.get(found) if blocks else None
        if isinstance(block, Scalar) and block.is_null:
            block = None
        key = f"{self.table.place.key}.{section}.{found}"
        chosen = block or self.table.find(CHOSEN_AT[kind]) or self.table
        places = {"": chosen.place}
        settings: object = {}
        if isinstance(block, Table):
            settings = self.values.of(block)
            places |= {n.place.key.removeprefix(f"{key}."): n.place for n in walk(block) if n is not block}
        elif block:
            self.values.findings.error(block.place, "must be a section with keys of its own")
        assert isinstance(settings, dict)
        return EngineChoice(kind, name, settings, self.folder, key, places)


def _wake_word(section: CharacterSection) -> WakeWordConfig:
    """The configuration, with the character's own name where it has no words."""
    config = section.wake_word_config
    if config.enabled and not any(config.wake_words.values()):
        return attrs.evolve(config, wake_words={"": (section.character_name or section.conf_name,)})
    return config


def _report_unused(section: CharacterSection, table: Table, findings: Findings) -> None:
    choice = table.find("agent_config.conversation_agent_choice")
    if choice and section.agent_config.conversation_agent_choice != AGENT:
        name = section.agent_config.conversation_agent_choice
        findings.warning(choice.place, f"there is no agent {name!r} here", f"{AGENT} is used instead")
    translate = table.find("tts_preprocessor_config.translator_config.translate_audio")
    if isinstance(translate, Scalar) and translate.text.lower() in ("true", "yes", "on"):
        findings.warning(translate.place, "speech is not translated here", "it is spoken as it is shown")


def _report_avatar(avatar: str, table: Table, folder: Path, findings: Findings) -> None:
    node = table.find("avatar")
    if node and avatar and "://" not in avatar and not (folder / avatar).is_file():
        findings.warning(node.place, f"there is no file {avatar!r} in avatars/", "the first letter is shown")


def _model(name: str, table: Table, models: Mapping[str, Model], findings: Findings) -> Model:
    node = table.find("live2d_model_name")
    if name in models or not name:
        return models.get(name, Model({}, {}))
    # Without any model the dictionary has its own finding.
    if models:
        remedy = did_you_mean(name, models) or f"it has {', '.join(models)}"
        place = node.place if node else Place(table.place.file)
        findings.warning(place, f"model_dict.json has no model {name!r}", remedy)
    return Model({}, {})
