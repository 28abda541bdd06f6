"""Text as a person typed it: clauses and words in a normal form, and sums of two numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from itertools import islice

import attrs

from ....text.scripts import HAN

MOST_CLAUSES = 24
"""Clauses of a message that are read."""

MOST_WORDS = 80
"""Words of a clause that are read."""

SCRIPTS = ("latin", "han")
"""The scripts by which languages are told apart."""

_LATIN_LIKE = rf"[^\W{HAN}]"
# A space between Chinese characters is written where others write a comma.
_PIECE = re.compile(
    rf"(?P<han>[{HAN}])"
    rf"|(?P<word>{_LATIN_LIKE}+(?:['’&-]{_LATIN_LIKE}+|\.\d+)*[+#]*)"
    r"|(?P<face>[:;=]['’]?-?[()DPpO3](?![\w/])|<3|\^_?\^|[\u2600-\u27bf\u2b50\U0001f000-\U0001faff])"
    r"|(?P<ask>[?？])"
    rf"|(?P<stop>[.!,;:…\n。！，；：、()（）\[\]~～—“”]|(?<=[{HAN}])\s(?=\s*[{HAN}]))"
)
_HAN_FIRST = re.compile(f"[{HAN}]")
_DRAWN_OUT = re.compile(r"([^\W\d])\1{2,}")
_LAUGHTER = re.compile(r"^(ha|he|hi|ja|lo)\1+[hl]?$")


@attrs.frozen
class TypedWord:
    """One word, or one Chinese character, or one emoji: as it is matched, and as it was written."""

    matched: str
    shown: str


@attrs.frozen
class Clause:
    """A part of a message that is matched as a whole; ``asked`` if a question mark ended it."""

    words: tuple[TypedWord, ...]
    asked: bool = False
    matched: frozenset[str] = attrs.field(init=False, eq=False, repr=False)
    """Its words as they are matched: most patterns are ruled out by what is not among them."""

    @matched.default
    def _each(self) -> frozenset[str]:
        return frozenset(word.matched for word in self.words)

    @property
    def text(self) -> str:
        """Every word with one space behind it."""
        return "".join(f"{word.matched} " for word in self.words)


@attrs.frozen
class Tokenizer:
    """How the words of one language are told apart.

    ``same`` says which words are read as which others, ``breaks`` before which words a clause ends
    (of which the first, a conjunction, is dropped), ``trims`` what is no part of what was meant when
    it stands at the end.
    """

    same: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict)
    breaks: Sequence[tuple[str, ...]] = ()
    trims: Sequence[tuple[str, ...]] = ()

    def clauses(self, text: str) -> tuple[Clause, ...]:
        """The clauses of ``text`` that have words, in order."""
        if text.isupper() and script_of(text) == "latin":
            text = text.lower()
        spans = (span for span in self._between_stops(text) if span[0])
        whole = (Clause(tuple(words[:MOST_WORDS]), asked) for words, asked in islice(spans, MOST_CLAUSES))
        return tuple(part for clause in whole for part in self._broken(clause))

    def words(self, text: str) -> tuple[str, ...]:
        """The words of ``text`` in their normal form, for a pattern."""
        return tuple(word.matched for clause in self.clauses(text) for word in clause.words)

    def trimmed(self, words: Sequence[TypedWord]) -> tuple[TypedWord, ...]:
        """``words`` without the fillers at their end, unless nothing else is there."""
        matched, end = tuple(word.matched for word in words), len(words)
        while filler := self._filler_before(matched, end):
            end -= filler
        return tuple(words[:end])

    def _filler_before(self, matched: tuple[str, ...], end: int) -> int:
        """How many words before ``end`` are a filler, with others left before them."""
        for trim in self.trims:
            if end > len(trim) and matched[end - len(trim) : end] == trim:
                return len(trim)
        return 0

    def _between_stops(self, text: str) -> Iterator[tuple[list[TypedWord], bool]]:
        words: list[TypedWord] = []
        for piece in _PIECE.finditer(text):
            if piece.lastgroup in ("ask", "stop"):
                yield words, piece.lastgroup == "ask"
                words = []
            elif len(words) < MOST_WORDS:
                words += self._matched(piece[0], first=not words)
        yield words, False

    def _matched(self, piece: str, *, first: bool) -> list[TypedWord]:
        plain = _normal(piece)
        matched = self.same.get(plain, (plain,))
        if matched != (plain,):
            return [
                TypedWord(word, piece if len(matched) == 1 and _is_han(piece) else word) for word in matched
            ]
        # A capital at the start of a sentence says nothing; elsewhere it is part of a name.
        return [TypedWord(plain, piece.lower() if first and piece.istitle() else piece)]

    def _broken(self, clause: Clause) -> Iterator[Clause]:
        start, words = 0, clause.words
        for at in range(1, len(words)):
            if any(_stands(sequence, words, at) for sequence in self.breaks):
                yield Clause(words[start:at])
                start = at + 1
        yield Clause(words[start:], clause.asked)


def join(words: Sequence[str]) -> str:
    """``words`` as they are written: with spaces, but with none beside a Chinese character."""
    text = ""
    for word in words:
        gap = " " if text and not _is_han(text[-1]) and not _is_han(word[0]) else ""
        text += gap + word
    return text


def script_of(text: str) -> str:
    """Which script ``text`` is written in: ``latin``, ``han``, ``other``, or nothing if it has no letters.

    Japanese and Korean count as other, although Chinese characters may be among them.
    """
    pieces = [piece for piece in _PIECE.finditer(text) if piece.lastgroup in ("han", "word")]
    letters = [piece for piece in pieces if piece[0][0].isalpha()]
    han = sum(1 for piece in letters if piece.lastgroup == "han")
    foreign = sum(1 for piece in letters if piece.lastgroup == "word" and piece[0][0] >= "\u0250")
    if foreign and foreign >= (len(letters) - foreign) / 4:
        return "other"
    if han:
        return "han" if han >= len(letters) - han else "latin"
    return "latin" if letters else ""


def _stands(sequence: tuple[str, ...], words: tuple[TypedWord, ...], at: int) -> bool:
    return (
        words[at].matched == sequence[0]
        and tuple(word.matched for word in words[at : at + len(sequence)]) == sequence
    )


def _normal(piece: str) -> str:
    """Lower case, straight apostrophes, and "heeello" as "helo", "hahahaha" as "haha"."""
    plain = _DRAWN_OUT.sub(r"\1", piece.lower().replace("’", "'"))
    return _LAUGHTER.sub(r"\1\1", plain)


def _is_han(text: str) -> bool:
    return _HAN_FIRST.match(text) is not None


# Characters of a message that may be a sum: two numbers, a sign, and a few words around them.
_LONGEST = 80
_NUMBER = r"-?\d{1,12}(?:\.\d{1,6})?"
_END = " =?？.。!！"


@attrs.frozen
class Sum:
    """A sum and what comes out; no ``result`` where it would be divided by zero."""

    text: str
    result: str


@attrs.frozen
class Sums:
    """How one language says numbers and signs, and which words may stand ``around`` a sum."""

    numbers: Mapping[str, str] = attrs.field(factory=dict)
    signs: Mapping[str, str] = attrs.field(factory=dict)
    around: tuple[str, ...] = ()
    _regex: re.Pattern[str] = attrs.field(init=False, repr=False, eq=False)

    @_regex.default
    def _sum(self) -> re.Pattern[str]:
        number, sign = _either([*self.numbers], _NUMBER), _either([*self.signs])
        around = rf"(?:{_either([*self.around])} ?){{0,3}}" if self.around else ""
        regex = rf"{around}({number}) ?({sign}) ?({number}) ?{around}"
        return re.compile(regex)

    def find(self, text: str) -> Sum | None:
        """The sum that ``text`` consists of, or None."""
        plain = " ".join(text.lower().split()).rstrip(_END)
        found = self._regex.fullmatch(plain) if self.signs and len(text) <= _LONGEST else None
        if found is None:
            return None
        left, right = (self.numbers.get(word, word) for word in (found[1], found[3]))
        sign = self.signs[found[2]]
        result = _worked_out(Fraction(left), sign, Fraction(right))
        shown = sign.replace("*", "×").replace("/", "÷")
        return Sum(f"{left} {shown} {right}", result)


def _worked_out(left: Fraction, sign: str, right: Fraction) -> str:
    if sign == "/" and not right:
        return ""
    results = {"+": left + right, "-": left - right, "*": left * right}
    result = results[sign] if sign in results else left / right
    return str(result) if result.denominator == 1 else f"{float(result):.6g}"


def _either(words: list[str], *more: str) -> str:
    longest_first = sorted(words, key=len, reverse=True)
    return f"(?:{'|'.join([*more, *map(re.escape, longest_first)])})"
