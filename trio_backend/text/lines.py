"""Pieces of a reply in, lines out: as it is shown, spoken and acted."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence

import attrs

from .markup import SpeechFilters as SpeechFilters
from .markup import spoken, take_keywords
from .scripts import WIDE
from .sentences import LONGEST_SENTENCE, Piece, SentenceSplitter
from .thoughts import ThoughtReader

# Chinese and Japanese put no space between sentences.
_ENDS_UNSPACED = re.compile(rf"[{WIDE}]\Z")
_BEGINS_UNSPACED = re.compile(rf"[{WIDE}]")


@attrs.frozen
class Line:
    """One sentence of a reply.

    ``source`` is the text as the model wrote it, with the white space before it, ``display`` what the
    client shows (emotion keywords removed, thoughts in parentheses), ``spoken`` what is synthesized
    (empty where nothing can be spoken), ``emotions`` the keywords found, in lower case and in order.
    """

    source: str
    display: str
    spoken: str
    emotions: tuple[str, ...] = ()
    thought: bool = False


def joined(texts: Iterable[str]) -> str:
    """Sentences as one text, with a space between them where their language has one."""
    whole: list[str] = []
    for text in texts:
        if whole and _needs_space(whole[-1], text):
            whole.append(" ")
        if text:
            whole.append(text)
    return "".join(whole).strip()


def spaced_as(whole: str, beginning: str) -> str:
    """The ``beginning`` of ``whole``, which may have other white space, with the white space of ``whole``.

    What is no beginning of it comes back as it is.
    """
    wanted = sum(map(len, beginning.split()))
    if not "".join(whole.split()).startswith("".join(beginning.split())):
        return beginning
    for word in re.finditer(r"\S+", whole):
        if wanted <= len(word[0]):
            return whole[: word.start() + wanted] if wanted else ""
        wanted -= len(word[0])
    return ""


def _needs_space(before: str, text: str) -> bool:
    if not text or text[0].isspace() or before[-1].isspace():
        return False
    return not (_ENDS_UNSPACED.search(before) or _BEGINS_UNSPACED.match(text))


# Characters that a `LineReader` reads in less than 10 ms, whatever they are.
SLICE = 256


def slices(text: str) -> Sequence[str]:
    """``text`` in pieces of `SLICE`, between which others may have their turn; nothing of an empty one."""
    # Nearly every token is short, and each is asked about twice: 0.1 µs instead of 0.8.
    if 0 < len(text) <= SLICE:
        return (text,)
    return [text[start : start + SLICE] for start in range(0, len(text), SLICE)]


def lines_of(text: str, filters: SpeechFilters) -> list[Line]:
    """The lines of a whole text, in which thoughts stand between `<think>` tags; no keyword is an emotion."""
    tags, reader = ThoughtReader(), LineReader((), filters, first_early=False)
    lines: list[Line] = []
    for part in (*tags.feed(text), *tags.flush()):
        lines += reader.feed(part.text, thought=part.thought)
    return lines + reader.flush()


class LineReader:
    """Reads a reply in pieces, cut anywhere, and makes lines of it. Callers say which pieces are thoughts.

    ``emotions`` are the keywords that the character's face knows, in any case. With ``first_early`` the
    first sentence may end at a comma, so that sound starts sooner. A line that holds nothing but
    keywords is put in front of the next one; if none comes, or they get long, it is a line without text.

    A piece costs time in proportion to its length: feed `slices` of it, where somebody else may have made it.
    """

    def __init__(self, emotions: Collection[str], filters: SpeechFilters, *, first_early: bool) -> None:
        self._emotions = frozenset(emotion.lower() for emotion in emotions)
        self._filters = filters
        self._thinking = False
        self._said = SentenceSplitter(first_early=first_early)
        self._thought = SentenceSplitter()
        self._keywords = ""  # what stood alone, as it was written

    def feed(self, text: str, *, thought: bool = False) -> list[Line]:
        """The lines that ``text`` completes. Where a thought begins or ends, so does a line."""
        if not text:
            return []
        lines = self._lines(self._splitter.flush_pieces()) if thought != self._thinking else []
        self._thinking = thought
        pieces = self._splitter.feed_pieces(text)
        return lines + self._lines(pieces) if pieces else lines

    def flush(self) -> list[Line]:
        """The lines that are left, now that the reply is over."""
        lines = self._lines(self._splitter.flush_pieces())
        if self._keywords:
            _, emotions = take_keywords(self._keywords, self._emotions)
            lines.append(Line(self._keywords, "", "", emotions))
            self._keywords = ""
        return lines

    @property
    def _splitter(self) -> SentenceSplitter:
        return self._thought if self._thinking else self._said

    def _lines(self, pieces: list[Piece]) -> list[Line]:
        make = self._thought_line if self._thinking else self._line
        return [line for piece in pieces if piece.text.strip() and (line := make(piece))]

    def _thought_line(self, piece: Piece) -> Line | None:
        """A face does not follow thoughts: their keywords are left out; None if there is nothing else."""
        display, _ = take_keywords(piece.text, self._emotions)
        return Line(piece.text, f"({display.strip()})", "", thought=True) if display.strip() else None

    def _line(self, piece: Piece) -> Line | None:
        """The line of ``piece``, with the keywords that waited for it; None if it has but keywords."""
        source = self._keywords + piece.text
        self._keywords = ""
        if piece.code:
            _, emotions = take_keywords(source[: -len(piece.text)], self._emotions)
            return Line(source, piece.text.strip(), "", emotions)
        display, emotions = take_keywords(source, self._emotions)
        if not display.strip() and len(source) < LONGEST_SENTENCE:
            self._keywords = source
            return None
        return Line(source, display.strip(), spoken(display, self._filters), emotions)
