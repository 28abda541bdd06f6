"""What clients are told of wake words: what they are, and what the character did about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

import attrs


@attrs.frozen
class WakeWordCounts:
    """How often it happened in this session."""

    wake_count: int
    end_count: int
    ignored_count: int


@attrs.frozen
class WakeWordState:
    """What the character did about its wake words; ``listening`` is asleep."""

    type: ClassVar = "wake-word-state"
    action: Literal["wake_up", "sleep", "ignored"]
    current_state: Literal["active", "listening"]
    matched_word: str
    language: str
    client_uid: str
    stats: WakeWordCounts


@attrs.frozen
class WakeWords:
    """By which words the active character wakes up, by language, and whether it is awake now.

    Without ``words`` it never sleeps. Sent as an answer to `Hello`, and when a character becomes active.
    """

    type: ClassVar = "wake-words"
    words: Mapping[str, Sequence[str]]
    current_state: Literal["active", "listening"]
