"""The messages by which a client looks at engines, tries them and chooses one: the addition ``engines``.

And `SpeechRecognition`, which says of the engine in use what a person should know before they speak.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal, TypeAlias

import attrs
from attrs import validators

ChoosableKind: TypeAlias = Literal["llm", "tts", "asr"]

MAX_TRIAL_TEXT = 200
"""Characters that a voice is tried with: a sentence or two, in seconds of sound and cents of a service."""
MAX_TRIAL_SECONDS = 3
"""Of sound that a recogniser is tried with; pages send two."""
# 16-bit samples at 16 kHz, and base64 has four letters for three bytes.
_MAX_AUDIO = MAX_TRIAL_SECONDS * 32_000 // 3 * 4


@attrs.frozen
class FetchEngines:
    """List the engines that the present character could have."""

    type: ClassVar = "fetch-engines"


@attrs.frozen
class TryEngine:
    """Open an engine, and let it do one thing: speak ``text``, understand ``audio``, or answer "Hello".

    ``audio`` is base64 of 16 kHz mono samples, 16-bit little-endian. A trial that runs is stopped first.
    """

    type: ClassVar = "try-engine"
    kind: ChoosableKind
    name: str = attrs.field(validator=validators.max_len(100))
    text: str = attrs.field(default="", validator=validators.max_len(MAX_TRIAL_TEXT))
    audio: str = attrs.field(
        default="", validator=validators.max_len(_MAX_AUDIO), repr=lambda audio: f"<{len(audio)} letters>"
    )


@attrs.frozen
class StopTrying:
    """Stop the trial that runs; it is not answered."""

    type: ClassVar = "stop-trying"


@attrs.frozen
class ChooseEngine:
    """Use that engine for this character, in this session, from the next turn on."""

    type: ClassVar = "choose-engine"
    kind: ChoosableKind
    name: str = attrs.field(validator=validators.max_len(100))


EngineRequest: TypeAlias = FetchEngines | TryEngine | StopTrying | ChooseEngine


@attrs.frozen
class EngineEntry:
    """One engine. ``in_use``: this session has it now; ``configured``: the character's file chooses it.

    ``usable`` ones can be tried and chosen. ``missing`` says what the others lack, each with its remedy, and
    ``needs`` what they want of a user: both are for operators, and others are not told of unusable ones.
    """

    kind: ChoosableKind
    name: str
    usable: bool
    in_use: bool
    configured: bool
    needs: str = ""
    missing: Sequence[str] = ()


@attrs.frozen
class EngineList:
    """The engines of a character, by kind and name; ``operator``: whether the client is told everything."""

    type: ClassVar = "engines"
    engines: Sequence[EngineEntry]
    operator: bool


@attrs.frozen
class EngineTried:
    """What became of a trial. ``problem`` is why it failed, or empty.

    ``text`` is what a recogniser understood or a model answered, ``audio`` what a voice said, as base64 of a
    WAV file. ``loaded_in`` and ``took`` are seconds: until it was open, and from then to its first sound, its
    transcript or its first word.
    """

    type: ClassVar = "engine-tried"
    kind: ChoosableKind
    name: str
    problem: str = ""
    text: str = ""
    audio: str | None = attrs.field(default=None, repr=False)
    loaded_in: float = 0.0
    took: float = 0.0


@attrs.frozen
class EngineChosen:
    """The engine is in use, or ``problem`` says why not; then the one before stays.

    For operators ``file`` and ``key`` are where its name would have to stand for it to be used always.
    """

    type: ClassVar = "engine-chosen"
    kind: ChoosableKind
    name: str
    problem: str = ""
    file: str = ""
    key: str = ""


@attrs.frozen
class BetterRecogniser:
    """A recogniser that understands more. ``remedy`` is what to do before it is usable; empty if it is."""

    name: str
    needs: str
    remedy: str


@attrs.frozen
class SpeechRecognition:
    """What the character's recogniser is like. ``limited``: it understands only simple English.

    ``better`` ones are told to operators.
    """

    type: ClassVar = "speech-recognition"
    limited: bool
    better: Sequence[BetterRecogniser] = ()


EngineMessage: TypeAlias = EngineList | EngineTried | EngineChosen | SpeechRecognition
