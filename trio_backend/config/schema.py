"""``character_config`` in the file, key by key, and the `CharacterConfig` that it makes."""

from __future__ import annotations

from collections.abc import Mapping

# Of a name that is too long, or holds a NUL, these say no, where the methods of `Path` raise.
from os.path import isfile
from pathlib import Path
from typing import Any

import attrs

from ..text.lines import SpeechFilters
from .character import CharacterConfig, WakeWordConfig
from .choices import CHOSEN_AT, EngineChooser
from .diagnostics import Findings, Location, did_you_mean
from .references import ModelEntry, Prompts
from .structure import EngineNames, OtherKeys, report_unknown, structured
from .system import SystemConfig
from .tree import Listing, Scalar, Table, Values

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
class TranslatorSection:
    """``translator_config``: whether text is spoken in another language, and who translates it.

    There is a section of settings under the name of each translator.
    """

    translate_audio: bool = False
    translate_provider: str = "deeplx"


@attrs.frozen
class SpeechSection(SpeechFilters):
    """``tts_preprocessor_config``: what is left out when a text is spoken, and its translation."""

    translator_config: TranslatorSection = attrs.field(factory=TranslatorSection)

    @property
    def filters(self) -> SpeechFilters:
        """What is left out."""
        return SpeechFilters(**{one.name: getattr(self, one.name) for one in attrs.fields(SpeechFilters)})


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
    tts_preprocessor_config: SpeechSection = attrs.field(factory=SpeechSection)
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
    CharacterSection: OtherKeys(elsewhere={key.name: "system_config" for key in attrs.fields(SystemConfig)}),
    AgentSettingsSection: OtherKeys(engines=True),
    AgentSection: OtherKeys({"llm_configs": ""}),
    TtsSection: OtherKeys(engines=True),
    AsrSection: OtherKeys(engines=True),
    VadSection: OtherKeys(engines=True),
    TranslatorSection: OtherKeys(engines=True),
}
# Of a conf.yaml's other section.
SYSTEM_OTHER_KEYS: Mapping[type, OtherKeys] = {
    SystemConfig: OtherKeys(
        elsewhere={key.name: "character_config" for key in attrs.fields(CharacterSection)}
    )
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
    pick = EngineChooser(table, references.folder, values)
    agent = section.agent_config.agent_settings.basic_memory_agent
    spoken = section.tts_preprocessor_config.translator_config
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
        translator=pick.translator(spoken.translate_provider) if spoken.translate_audio else None,
        live2d_model_name=section.live2d_model_name,
        character_name=section.character_name or section.conf_name,
        avatar=section.avatar,
        human_name=section.human_name,
        persona_prompt=section.persona_prompt,
        faster_first_response=agent.faster_first_response,
        speech_filters=section.tts_preprocessor_config.filters,
        wake_word=_wake_word(section),
        model_info=model.info,
        emotions=model.emotions,
        system_prompt=references.prompts.system_prompt(section.persona_prompt, model.emotions),
        nudge_prompt=references.prompts.nudge,
    )


def _wake_word(section: CharacterSection) -> WakeWordConfig:
    """The section; where it is enabled and has no words, the character's own name is the wake word."""
    config = section.wake_word_config
    if config.enabled and not any(config.wake_words.values()):
        return attrs.evolve(config, wake_words={"": (section.character_name or section.conf_name,)})
    return config


def _is_empty(words: Table) -> bool:
    """Whether no language in it has any. What is wrong in it is none of this: that is an error."""
    return all(
        (isinstance(node, Listing) and not node.items) or (isinstance(node, Scalar) and node.is_null)
        for node in words.entries.values()
    )


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
    words = table.table("wake_word_config.wake_words")
    if words and section.wake_word_config.enabled and _is_empty(words):
        names = ", ".join(_wake_word(section).wake_words[""])
        message = f"is empty: {section.conf_name} wakes up by its own name, {names}"
        findings.warning(words.location, message, "write some, or remove the key")
    translated = section.tts_preprocessor_config.translator_config
    provider = table.find(CHOSEN_AT["translator"])
    embedded = section.agent_config.agent_settings.basic_memory_agent.llm_provider == _SCRIPTED
    if provider and translated.translate_audio and translated.translate_provider == "llm" and embedded:
        message = f"{_SCRIPTED[0]} answers by rules, and cannot translate"
        findings.warning(provider.location, message, "choose another llm_provider, or another translator")


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
