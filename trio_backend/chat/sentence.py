"""What of a reply was heard: whole sentences, and the part of the current one that was played. No I/O."""

from __future__ import annotations

import re
from collections.abc import Iterable

import attrs

from ..text.lines import joined
from ..text.scripts import WIDE

# A word with the space before it; scripts without spaces are cut at any character.
_WORD = re.compile(rf"\s*(?:[{WIDE}]|[^\s{WIDE}]+)")
_IN_PARENTHESES = re.compile(r"\s*[(（].*[)）]\s*", re.DOTALL)


@attrs.define(eq=False)
class SpokenSentence:
    """One sentence of a reply, from being shown to having been heard.

    ``sound`` is a WAV file of ``seconds``; without it the sentence counts as heard when it is played.
    Times are of any steady clock.
    """

    text: str
    sound: bytes | None = attrs.field(default=None, repr=False)
    seconds: float = 0.0
    thought: bool = attrs.field(init=False)
    """Whether it is a thought: those come in parentheses, and without sound."""
    _began: float | None = attrs.field(default=None, init=False)
    _done: bool = attrs.field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self.thought = self.sound is None and _IN_PARENTHESES.fullmatch(self.text) is not None

    def begin(self, now: float) -> None:
        """Its playback begins."""
        self._began = now

    def finish(self) -> None:
        """It has been played to its end, or shown where nothing is played."""
        self._done = True
        self.sound = None

    def heard(self, now: float) -> str:
        """As much of the text as has been heard at ``now``; nothing of a thought."""
        if self.thought:
            return ""
        if self._done:
            return self.text
        if self._began is None or self.seconds <= 0:
            return ""
        return cut_at_word(self.text, (now - self._began) / self.seconds)


def heard(sentences: Iterable[SpokenSentence], now: float) -> str:
    """What has been heard of a reply at ``now``, as one text."""
    return joined(part for sentence in sentences if (part := sentence.heard(now)))


def cut_at_word(text: str, share: float) -> str:
    """The first ``share`` (0 to 1) of ``text``, without a word that is cut."""
    if share >= 1:
        return text
    reach = len(text) * share
    ends = [word.end() for word in _WORD.finditer(text) if word.end() <= reach]
    return text[: ends[-1]] if ends else ""
