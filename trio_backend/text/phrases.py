"""Phrases in what somebody said: found as whole words, whatever their case, width and punctuation."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence

import attrs

from .scripts import KATAKANA, UNSPACED

# Part of a word, but often left out in writing: don't, l’eau.
_APOSTROPHES = frozenset("'’ʼ＇`´")

_UNSPACED_LETTER = re.compile(f"[{UNSPACED}]")
_KATAKANA_LETTER = re.compile(f"[{KATAKANA}]")


@attrs.frozen
class Word:
    """A word of a text, in a form that can be compared; it is ``text[start:end]`` of the text.

    ``glued`` says that it goes on with the word before: so do the letters of a Katakana word.
    """

    form: str
    start: int
    end: int
    glued: bool = False


# Of a message. Compatible forms of one character may be eighteen, marks on a letter are sorted in quadratic
# time, and words are looked for in the event loop: this much takes a few milliseconds at worst.
LONGEST_HEARD = 1_000


def plain(text: str) -> str:
    """``text``, of a long one the first `LONGEST_HEARD` characters, with one width for each letter."""
    return unicodedata.normalize("NFKC", text[:LONGEST_HEARD])


def words(text: str) -> Sequence[Word]:
    """The words of ``text``, which is `plain`; of a script without spaces, its letters.

    Of a long text those in the first `LONGEST_HEARD` characters.
    """
    text = text[:LONGEST_HEARD]
    found: list[Word] = []
    for start, end, katakana in _runs(text):
        letters = "".join(letter for letter in text[start:end] if letter not in _APOSTROPHES)
        glued = (
            katakana
            and bool(found)
            and found[-1].end == start
            and _KATAKANA_LETTER.match(text[start - 1]) is not None
        )
        found.append(Word(letters.casefold(), start, end, glued))
    return found


def find(phrase: Sequence[Word], text: Sequence[Word]) -> int | None:
    """Where in ``text`` the words of ``phrase`` stand in a row: the number of the first; None if nowhere."""
    forms = [word.form for word in phrase]
    if not forms:
        return None
    for first in range(len(text) - len(forms) + 1):
        last = first + len(forms)
        whole = not text[first].glued and not (last < len(text) and text[last].glued)
        if whole and [word.form for word in text[first:last]] == forms:
            return first
    return None


def is_all(phrase: Sequence[Word], text: Sequence[Word]) -> bool:
    """Whether ``text`` is these words and nothing else."""
    return bool(phrase) and [word.form for word in phrase] == [word.form for word in text]


def _runs(text: str) -> Iterator[tuple[int, int, bool]]:
    """Where each word starts and ends, and whether it is a letter of Katakana."""
    at = 0
    while at < len(text):
        start, katakana = at, _KATAKANA_LETTER.match(text[at]) is not None
        if not _is_letter(text[at]):
            at += 1
            continue
        alone = katakana or _UNSPACED_LETTER.match(text[at]) is not None
        at += 1
        while at < len(text) and _goes_on(text, at, alone=alone):
            at += 1
        yield start, at, katakana


def _goes_on(text: str, at: int, *, alone: bool) -> bool:
    """Whether the letter at ``at`` belongs to the word before it."""
    letter = text[at]
    if unicodedata.category(letter).startswith("M"):
        return True
    if alone:
        return False
    if letter in _APOSTROPHES:
        return at + 1 < len(text) and _is_letter(text[at + 1])
    return _is_letter(letter) and not _UNSPACED_LETTER.match(letter) and not _KATAKANA_LETTER.match(letter)


def _is_letter(letter: str) -> bool:
    return letter.isalnum()
