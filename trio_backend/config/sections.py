"""The shape of ``character_config`` in the file, key by key, and which other keys are known there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from ..text.lines import SpeechFilters
from .wake_words import WakeWordConfig

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


@attrs.frozen
class Others:
    """Keys that a section may hold besides its own: by name, or any that hold an engine's settings."""

    names: frozenset[str] = frozenset()
    engines: bool = False


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
