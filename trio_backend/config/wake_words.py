"""``wake_word_config``: by which words a character wakes up, and goes back to sleep."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import attrs

from ..text.phrases import plain, words
from .bounds import Within

Phrases: TypeAlias = Mapping[str, tuple[str, ...]]


def _check_phrases(_instance: object, _attribute: attrs.Attribute[Any], value: Phrases) -> None:
    for phrases in value.values():
        for phrase in phrases:
            if not words(plain(phrase)):
                raise ValueError(f"{phrase!r} must have letters: it is listened for")


@attrs.frozen
class WakeWordConfig:
    """Off by default. Phrases are by language, a word of the file's own choice that clients are told.

    Without ``wake_words`` the character listens for its own name. ``idle_timeout`` is in seconds.
    """

    enabled: bool = False
    wake_words: Phrases = attrs.field(factory=dict, validator=_check_phrases)
    end_words: Phrases = attrs.field(factory=dict, validator=_check_phrases)
    greeting: str = "Yes?"
    farewell: str = "See you later."
    idle_timeout: float = attrs.field(default=60.0, validator=Within(1, 86_400, "s"))
