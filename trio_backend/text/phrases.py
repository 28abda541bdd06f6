"""Phrases in what somebody said: found as whole words, whatever their case, width and punctuation."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence

import attrs

# Part of a word, but often left out in writing: don't, l’eau.
_APOSTROPHES = frozenset("'’ʼ＇`´")

# Scripts that put no space between words: there each letter is a word of its own. Code points, inclusive.
_UNSPACED = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x0F00, 0x0FFF),  # Tibetan
    (0x1000, 0x109F),  # Burmese
    (0x1780, 0x17FF),  # Khmer
    (0x3005, 0x3007),  # marks of repetition, Han zero
    (0x3040, 0x309F),  # Hiragana
    (0x3400, 0x9FFF),  # Han
    (0xF900, 0xFAFF),
    (0x20000, 0x3FFFF),
)
_KATAKANA = ((0x30A1, 0x30FA), (0x30FC, 0x30FF), (0x31F0, 0x31FF))


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
        glued = katakana and bool(found) and found[-1].end == start and _is_in(_KATAKANA, text[start - 1])
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
        start, katakana = at, _is_in(_KATAKANA, text[at])
        if not _is_letter(text[at]):
            at += 1
            continue
        alone = katakana or _is_in(_UNSPACED, text[at])
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
    return _is_letter(letter) and not _is_in(_UNSPACED, letter) and not _is_in(_KATAKANA, letter)


def _is_letter(letter: str) -> bool:
    return letter.isalnum()


def _is_in(ranges: Sequence[tuple[int, int]], letter: str) -> bool:
    return any(low <= ord(letter) <= high for low, high in ranges)
