"""How long a text takes to say, before it was said; and how far one came in it."""

from __future__ import annotations

import re

from .scripts import UNSPACED

# Speech of 165 words a minute, as espeak-ng and most voices have it, is 16 characters a second, spaces
# included. Mandarin has five syllables a second, each of which is a character.
_PER_CHARACTER = 0.06
_PER_SYLLABLE = 0.2
# What a voice takes to begin and to end, whatever it says.
_BESIDE = 0.2

_SYLLABLE = re.compile(f"[{UNSPACED}]")


def seconds_to_say(text: str) -> float:
    """About how many seconds of sound ``text`` will be; 0 for nothing. Voices differ by a third."""
    text = text.strip()
    if not text:
        return 0.0
    syllables = len(_SYLLABLE.findall(text))
    return _BESIDE + syllables * _PER_SYLLABLE + (len(text) - syllables) * _PER_CHARACTER


def beginning(text: str, share: float) -> str:
    """The words of ``text`` that are over when a ``share`` of it, in 0..1, was said.

    Each character is taken to last equally long. A word that is not over is left out; in a script without
    spaces each character counts as a word.
    """
    if share >= 1:
        return text
    end = max(0, int(len(text) * share))
    while end and not _at_a_word(text, end):
        end -= 1
    return text[:end].rstrip()


def _at_a_word(text: str, at: int) -> bool:
    """Whether a word begins or ends before character ``at``, which is inside of ``text``."""
    before, after = text[at - 1], text[at]
    return (
        before.isspace() or after.isspace() or bool(_SYLLABLE.match(before)) or bool(_SYLLABLE.match(after))
    )
