"""`CharacterConfig`: one character, its file laid over the base, its prompts and model looked up."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

import attrs

from ..text.lines import SpeechFilters
from ..text.phrases import plain, words
from .bounds import Within
from .diagnostics import Location

Phrases: TypeAlias = Mapping[str, tuple[str, ...]]


def _check_phrases(_instance: object, _attribute: attrs.Attribute[Any], value: Phrases) -> None:
    for phrases in value.values():
        for phrase in phrases:
            if not words(plain(phrase)):
                raise ValueError(f"{phrase!r} must have letters: it is listened for")


@attrs.frozen
class WakeWordConfig:
    """The words that wake a character up, and those that send it back to sleep. Off by default.

    Phrases are by language; its name is any text, and is sent to clients as it stands in the file.

    Without ``wake_words`` the character listens for its own name. ``idle_timeout`` is in seconds.
    """

    enabled: bool = False
    wake_words: Phrases = attrs.field(factory=dict, validator=_check_phrases)
    end_words: Phrases = attrs.field(factory=dict, validator=_check_phrases)
    greeting: str = "Yes?"
    farewell: str = "See you later."
    idle_timeout: float = attrs.field(default=60.0, validator=Within(1, 86_400, "s"))


EngineKind = Literal["llm", "tts", "asr", "vad", "turn", "translator"]

NUDGE = (
    "(Nobody has said anything for a while. Say something of your own accord that fits the conversation "
    "so far: one or two sentences.)"
)

# Read-only, since all choices share them.
_NOTHING: Mapping[str, object] = MappingProxyType({})
_NOWHERE: Mapping[str, Location] = MappingProxyType({})


def _as_dict(mapping: Mapping[str, object]) -> Mapping[str, object]:
    """What clients are sent as it stands: JSON can be made of a dict, but not of any mapping."""
    return dict(mapping)


@attrs.frozen
class EngineChoice:
    """Which engine a character uses, and the settings under its name, as they are in the file.

    ``folder`` is the one of ``conf.yaml``: relative paths in the settings start there. ``then`` are the
    engines that are used while this one fails, in this order. Two choices are equal when they would open the
    same engine, wherever they were written.
    """

    kind: EngineKind
    name: str
    # Not in the repr, which logs show: keys of providers are among them.
    settings: Mapping[str, object] = attrs.field(default=_NOTHING, repr=False, hash=False)
    folder: Path = attrs.field(default=Path(), repr=False)
    key: str = attrs.field(default="", repr=False, eq=False)
    """Path of the settings in the file: ``character_config.tts_config.espeak_tts``."""
    locations: Mapping[str, Location] = attrs.field(default=_NOWHERE, repr=False, eq=False)
    """Where each setting stands, by dotted key; ``""`` is where the engine is chosen."""
    then: tuple[EngineChoice, ...] = ()

    def where(self, key: str = "") -> Location:
        """The location of ``key``; of what would hold it, where the file does not have it."""
        holder = key
        while holder and holder not in self.locations:
            holder = holder.rpartition(".")[0]
        path = ".".join(part for part in (self.key or self.name, key) if part)
        found = self.locations.get(holder, Location(""))
        if not key and found.key:
            return found  # Where it is chosen, if there are no settings under its name.
        return Location(found.file, found.line, path)

    def locate(self, key: str = "") -> str:
        """`where` in words: ``characters/ann.yaml:12: character_config.tts_config.espeak_tts.voice``."""
        location = self.where(key)
        return f"{location}: {location.key}" if location.file else location.key


@attrs.frozen
class CharacterConfig:
    """One character. ``file`` is its file's name, as clients know it; names are those of the file's keys.

    ``character_name`` is what it is called when it speaks: ``conf_name``, where nothing else is said.
    ``emotions`` maps the keywords that its face knows, in lower case, to what the client shows for
    them. ``system_prompt`` is the persona with the prompts of the tools behind it, or the persona alone;
    ``nudge_prompt`` asks the character to speak of its own accord.
    """

    file: str
    conf_name: str
    conf_uid: str
    llm: EngineChoice
    tts: EngineChoice
    asr: EngineChoice | None = None
    vad: EngineChoice | None = None
    turn: EngineChoice | None = None
    translator: EngineChoice | None = None
    live2d_model_name: str = ""
    character_name: str = attrs.field()
    avatar: str = ""
    human_name: str = "Human"
    persona_prompt: str = attrs.field(default="", repr=False)
    faster_first_response: bool = True
    speech_filters: SpeechFilters = attrs.field(factory=SpeechFilters)
    wake_word: WakeWordConfig = attrs.field(factory=WakeWordConfig, hash=False)
    model_info: Mapping[str, object] = attrs.field(factory=dict, converter=_as_dict, repr=False, hash=False)
    emotions: Mapping[str, int | str] = attrs.field(factory=dict, repr=False, hash=False)
    system_prompt: str = attrs.field(repr=False)
    nudge_prompt: str = attrs.field(default=NUDGE, repr=False)

    @character_name.default
    def _its_conf_name(self) -> str:
        return self.conf_name

    @system_prompt.default
    def _its_persona(self) -> str:
        return self.persona_prompt.strip()
