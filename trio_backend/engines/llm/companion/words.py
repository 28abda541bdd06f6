"""Text as a person typed it: clauses and words in a normal form."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

import attrs

from ....text.scripts import CJK, HAN, HIRAGANA, KATAKANA

MOST_CLAUSES = 24
"""Clauses of a message that are read."""

MOST_WORDS = 80
"""Words of a clause that are read."""

SCRIPTS = ("latin", "han", "kana")
"""The scripts by which languages are told apart."""

_KANA = HIRAGANA + KATAKANA
_LATIN_LIKE = rf"[^\W{CJK}]"
# A space between Chinese or Japanese characters is written where others write a comma.
_PIECE = re.compile(
    rf"(?P<han>[{HAN}])|(?P<kana>[{_KANA}])"
    rf"|(?P<word>{_LATIN_LIKE}+(?:['’&-]{_LATIN_LIKE}+|\.\d+)*[+#]*)"
    r"|(?P<face>[:;=]['’]?-?[()DPpO3](?![\w/])|<3|\^_?\^|[\u2600-\u27bf\u2b50\U0001f000-\U0001faff])"
    r"|(?P<ask>[?？])"
    rf"|(?P<stop>[.!,;:…\n。！，；：、()（）\[\]~～—“”「」『』]|(?<=[{CJK}])\s(?=\s*[{CJK}]))"
)
_CJK_FIRST = re.compile(f"[{CJK}]")
# Characters that hardly ever stand in a Japanese message without kana.
_CHINESE = re.compile("[你您吗嗎呢吧們们这這么麽麼什怎哪很没沒说說给給让谢欢歡咱她它叫]")
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
class ClauseBreak:
    """Words at which a clause ends before the sentence does.

    The clause has the first ``ends`` of them; the next one begins with those from ``begins`` on, and with
    ``resumed`` before them: "and live" goes on as "i live", where the clause before has ``subject`` in it.
    """

    words: tuple[str, ...]
    ends: int
    begins: int
    resumed: tuple[TypedWord, ...] = ()
    subject: str = ""

    def resumes(self, before: Sequence[TypedWord]) -> bool:
        """Whether the clause ``before`` may end so."""
        return not self.subject or any(word.matched == self.subject for word in before)


@attrs.frozen
class Tokenizer:
    """How the words of one language are told apart.

    ``same`` says which words are read as which others, ``breaks`` where a clause ends within a sentence,
    ``trims`` what is no part of what was meant when it stands at the end.
    """

    same: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict)
    breaks: Sequence[ClauseBreak] = ()
    trims: Sequence[tuple[str, ...]] = ()
    _breaks_at: Mapping[str, Sequence[ClauseBreak]] = attrs.field(init=False, repr=False, eq=False)

    @_breaks_at.default
    def _by_first_word(self) -> Mapping[str, Sequence[ClauseBreak]]:
        by_word: dict[str, list[ClauseBreak]] = {}
        for found in sorted(self.breaks, key=lambda entry: len(entry.words), reverse=True):
            by_word.setdefault(found.words[0], []).append(found)
        return by_word

    def clauses(self, text: str) -> tuple[Clause, ...]:
        """The clauses of ``text`` that have words, in order."""
        if text.isupper() and script_of(text) == "latin":
            text = text.lower()
        spans = (span for span in self._between_stops(text) if span[0])
        whole = (Clause(tuple(words[:MOST_WORDS]), asked) for words, asked in islice(spans, MOST_CLAUSES))
        return tuple(part for clause in whole for part in self._broken(clause))

    def words(self, text: str) -> tuple[str, ...]:
        """The words of ``text`` in their normal form, for a pattern."""
        return tuple(word.matched for words, _ in self._between_stops(text) for word in words)

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
                TypedWord(word, piece if len(matched) == 1 and _is_cjk(piece) else word) for word in matched
            ]
        # A capital at the start of a sentence says nothing; elsewhere it is part of a name.
        return [TypedWord(plain, piece.lower() if first and piece.istitle() else piece)]

    def _broken(self, clause: Clause) -> Iterator[Clause]:
        start, words = 0, list(clause.words)
        at = 1
        while at < len(words):
            found = self._break_at(words, start, at)
            if found:
                yield Clause(tuple(words[start : at + found.ends]))
                start = at + found.ends
                words[start : at + found.begins] = found.resumed
                at = start + len(found.resumed)
            at += 1
        if start < len(words):
            yield Clause(tuple(words[start:]), clause.asked)

    def _break_at(self, words: Sequence[TypedWord], start: int, at: int) -> ClauseBreak | None:
        for found in self._breaks_at.get(words[at].matched, ()):
            if (
                _stands(found.words, words, at)
                and (found.ends or at > start)
                and found.resumes(words[start:at])
            ):
                return found
        return None


def join(words: Sequence[str]) -> str:
    """``words`` as they are written: with spaces, but with none beside a Chinese character."""
    text = ""
    for word in words:
        gap = " " if text and not _is_cjk(text[-1]) and not _is_cjk(word[0]) else ""
        text += gap + word
    return text


def script_of(text: str, before: str = "") -> str:
    """Which script ``text`` is written in: one of `SCRIPTS`, ``other``, or nothing if it has no letters.

    Japanese is ``kana``, with the Chinese characters in it; "東京" alone is, too, if what was said ``before``
    it is Japanese. Korean counts as other, although Chinese characters may be among it.
    """
    pieces = [piece for piece in _PIECE.finditer(text) if piece.lastgroup in ("han", "kana", "word")]
    letters = [piece for piece in pieces if piece[0][0].isalpha()]
    han = sum(1 for piece in letters if piece.lastgroup == "han")
    kana = sum(1 for piece in letters if piece.lastgroup == "kana")
    foreign = sum(1 for piece in letters if piece.lastgroup == "word" and piece[0][0] >= "\u0250")
    latin = len(letters) - han - kana - foreign
    if foreign and foreign >= (len(letters) - foreign) / 4:
        return "other"
    # Words are compared with characters: a Japanese word has two or three. "¯\\_(ツ)_/¯" is no Japanese.
    if kana and kana * 4 >= han and han + kana > 2 * latin:
        return "kana"
    if han:
        chinese = han > latin
        japanese = chinese and before and not _CHINESE.search(text) and script_of(before) == "kana"
        return "kana" if japanese else "han" if chinese else "latin"
    return "latin" if letters else ""


def _stands(sequence: tuple[str, ...], words: Sequence[TypedWord], at: int) -> bool:
    return (
        words[at].matched == sequence[0]
        and tuple(word.matched for word in words[at : at + len(sequence)]) == sequence
    )


def _normal(piece: str) -> str:
    """Lower case, straight apostrophes, and "heeello" as "helo", "hahahaha" as "haha"."""
    plain = _DRAWN_OUT.sub(r"\1", piece.lower().replace("’", "'"))
    return _LAUGHTER.sub(r"\1\1", plain)


def _is_cjk(text: str) -> bool:
    return _CJK_FIRST.match(text) is not None
