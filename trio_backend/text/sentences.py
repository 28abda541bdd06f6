"""Tokens in, whole sentences out: `SentenceSplitter`, a machine that is fed."""

from __future__ import annotations

import re

import attrs

from .boundaries import (
    CLAUSE_MARKS,
    MARKS,
    NONE,
    WAIT,
    Window,
    clause_end,
    early_sentence_end,
    has_words,
    run_end,
    sentence_end,
)

# Speech synthesis needs a second or more for this much, and some servers refuse more. People do not write
# longer sentences; models do when they go wrong.
LONGEST_SENTENCE = 400

# Code is shown, not spoken, so this only bounds the memory.
LONGEST_CODE = 4000

_CLOSES = {")": "(", "]": "[", "）": "（", "】": "【", "］": "［"}
_BRACKETS = re.escape("".join([*_CLOSES, *_CLOSES.values()]))

_EVENT = re.compile(rf"[{MARKS}{CLAUSE_MARKS}\n\r\"{_BRACKETS}]|`+|\*+")
_EVENT_IN_SPAN = re.compile(r"[\n\r]|`+")
_EVENT_IN_BLOCK = re.compile(r"`+")

_INK = re.compile(r"\S")
_CLAUSE = re.compile(r"[,;:](?=\s)|[，、；：]")
_LAST_SPACE = re.compile(r"(?s).*\S(?=\s)")


@attrs.frozen
class Piece:
    """A sentence, or a block of code, as it was written, with the white space before it."""

    text: str
    code: bool = False


@attrs.define(eq=False)
class SentenceSplitter:
    """Finds the sentences of English, Chinese and Japanese text that comes in tokens.

    A sentence is given out as soon as no further text can change where it ends. Tearing the text
    into tokens at other places gives the same sentences, and nothing but white space is lost. Numbers,
    abbreviations, file names, list markers and what stands in brackets, asterisks or backticks are
    not torn; a line break always ends a sentence, ``LONGEST_SENTENCE`` characters always suffice.
    With ``first_early`` the first sentence may end at a comma, so that sound starts sooner; and where a
    comma or a 。 can be nothing else, it comes with the mark, not with the character behind it.

    A token costs time in proportion to its length, since what is kept between tokens is bounded.
    """

    first_early: bool = attrs.field(default=False, kw_only=True)
    _text: str = attrs.field(default="", init=False)
    _start: int = attrs.field(default=0, init=False)  # of the sentence
    _at: int = attrs.field(default=0, init=False)  # up to where it has been looked at
    _open: list[str] = attrs.field(factory=list, init=False)  # brackets and asterisks
    _aside: bool = attrs.field(default=False, init=False)  # the outermost of them is not what came first
    _quoted: bool = attrs.field(default=False, init=False)
    _ticks: str = attrs.field(default="", init=False)  # the backticks that opened code
    _inner: int = attrs.field(default=0, init=False)  # the last sentence end inside open brackets

    def feed(self, token: str) -> list[str]:
        """The sentences that ``token`` completes, without white space around them."""
        return _stripped(self.feed_pieces(token))

    def flush(self) -> list[str]:
        """The sentences that are left, now that the text is over; another text may follow."""
        return _stripped(self.flush_pieces())

    def feed_pieces(self, token: str) -> list[Piece]:
        """As `feed`, with white space and code marked; a piece may be nothing but white space."""
        self._text += token
        if len(self._text) < LONGEST_SENTENCE and not self._events().search(self._text, self._at):
            self._at = len(self._text)  # as it is with most tokens
            return []
        pieces = self._cut(final=False)
        self._text, self._at = self._text[self._start :], self._at - self._start
        self._inner, self._start = self._inner - self._start, 0
        return pieces

    def flush_pieces(self) -> list[Piece]:
        """As `flush`, with white space and code marked."""
        pieces = self._cut(final=True)
        if self._start < len(self._text):
            pieces.append(self._take(len(self._text)))
        self._text, self._start, self._at, self._inner, self._quoted = "", 0, 0, 0, False
        return pieces

    def _cut(self, *, final: bool) -> list[Piece]:
        pieces = []
        while True:
            longest = LONGEST_CODE if self._in_block else LONGEST_SENTENCE
            end = min(len(self._text), self._start + longest)
            window = Window(self._text, self._start, end, final=final and end == len(self._text))
            cut = self._scan(window)
            if cut > NONE:
                pieces.append(self._take(cut))
            elif self._in_block and longest == LONGEST_SENTENCE:
                pass  # code has just begun, and may be longer
            elif end - self._start == longest:
                pieces.append(self._take(self._forced_cut(window), goes_on=self._in_block))
            else:
                return pieces

    @property
    def _in_block(self) -> bool:
        return len(self._ticks) >= 3

    def _take(self, cut: int, *, goes_on: bool = False) -> Piece:
        """The piece up to ``cut``; ``goes_on`` says that the next one begins in the same code."""
        piece = Piece(self._text[self._start : cut], code=self._in_block)
        self._start = self._at = self._inner = cut
        self._open.clear()
        if not goes_on:
            self._ticks = ""
        if self.first_early and not piece.code and has_words(piece.text):
            self.first_early = False
        return piece

    def _forced_cut(self, window: Window) -> int:
        """The best place for a cut where there was no good one."""
        text, start, end = window.text, window.start, window.end
        if self._in_block:
            return text.rfind("\n", start + 1, end) + 1 or end
        if self._inner > start:
            return self._inner
        clauses = [match.end() for match in _CLAUSE.finditer(text, (start + end) // 2, end)]
        if clauses:
            return clauses[-1]
        space = _LAST_SPACE.match(text, start, end)
        return space.end() if space else end

    def _scan(self, window: Window) -> int:
        """Look on from where the last look ended; where to cut, or `WAIT`, or `NONE`."""
        while event := self._events().search(window.text, self._at, window.end):
            cut = self._meet(window, event)
            if cut != NONE:
                return cut
        self._at = window.end
        return NONE

    def _events(self) -> re.Pattern[str]:
        if not self._ticks:
            return _EVENT
        return _EVENT_IN_BLOCK if self._in_block else _EVENT_IN_SPAN

    def _meet(self, window: Window, event: re.Match[str]) -> int:
        """What becomes of one event. On `WAIT` nothing has changed; else the look goes on after it."""
        what, at = event.group(), event.start()
        match what[0]:
            case "\n" | "\r":
                cut = self._meet_line_end(window, at)
            case "`":
                cut = self._meet_ticks(window, event)
            case "*":
                cut = self._meet_asterisks(window, event)
            case mark if mark in MARKS:
                cut = self._meet_mark(window, at)
            case mark if mark in CLAUSE_MARKS:
                cut = self._meet_clause(window, at)
            case '"':
                cut, self._quoted = NONE, not self._quoted
            case bracket:
                cut = self._meet_bracket(window, at, bracket)
        if cut == NONE:
            self._at = max(self._at, event.end())
        elif cut == WAIT:
            self._at = at
        return cut

    def _meet_line_end(self, window: Window, at: int) -> int:
        self._ticks, self._quoted = "", False
        return at if _INK.search(window.text, window.start, at) else NONE

    def _meet_ticks(self, window: Window, event: re.Match[str]) -> int:
        """Code ends at as many backticks as it began with. Three begin a block: a piece of its own."""
        if event.end() == window.end and not window.final:
            return WAIT
        ticks = event.group()
        if self._in_block:
            return event.end() if len(ticks) >= 3 else NONE
        if len(ticks) >= 3 and _INK.search(window.text, window.start, event.start()):
            return event.start()
        if not self._ticks:
            self._ticks = ticks
        elif ticks == self._ticks:
            self._ticks = ""
        return NONE

    def _meet_asterisks(self, window: Window, event: re.Match[str]) -> int:
        """Asterisks that hug a word from the left open, from the right close; 2 * 3 and 2*3 do neither."""
        if event.end() == window.end:
            return window.unknown
        before = window.text[event.start() - 1] if event.start() > window.start else " "
        if "*" in self._open and not before.isspace():
            _close(self._open, "*")
        elif not window.text[event.end()].isspace() and not (before.isascii() and before.isalnum()):
            self._push(window, event.start(), "*")
        return NONE

    def _meet_mark(self, window: Window, at: int) -> int:
        if self._may_be_early and (early := early_sentence_end(window, at)):
            return early
        cut = sentence_end(window, at, starred="*" in self._open, quoted=self._quoted)
        if cut > NONE and self._open and self._goes_on(window.text, at, cut):
            self._inner, cut = cut, NONE
        if cut == NONE:
            self._at = run_end(window, at)
        elif cut > NONE:
            self._quoted ^= window.text.count('"', at, cut) % 2 == 1
        return cut

    def _goes_on(self, text: str, at: int, cut: int) -> bool:
        """Whether a bracket or asterisk is still open at ``cut``, or was but an aside: 你好（吗？）啊。"""
        left = list(self._open)
        for character in text[at:cut]:
            _close(left, _CLOSES.get(character, character))
        return bool(left) or (self._aside and not text[cut].isspace())

    def _meet_clause(self, window: Window, at: int) -> int:
        return clause_end(window, at) if self._may_be_early else NONE

    @property
    def _may_be_early(self) -> bool:
        """Whether this is the sentence that sound waits for, and no bracket is open in it."""
        return self.first_early and not self._open

    def _meet_bracket(self, window: Window, at: int, bracket: str) -> int:
        if bracket in _CLOSES:
            _close(self._open, _CLOSES[bracket])
        elif bracket != "(" or at == window.start or window.text[at - 1] not in ":;=":  # a sad face
            self._push(window, at, bracket)
        return NONE

    def _push(self, window: Window, at: int, opener: str) -> None:
        if not self._open:
            self._aside = _INK.search(window.text, window.start, at) is not None
        self._open.append(opener)


def _close(opened: list[str], opener: str) -> None:
    """Close the innermost ``opener`` and all that was opened inside it, if there is one."""
    if opener in opened:
        while opened.pop() != opener:
            pass


def _stripped(pieces: list[Piece]) -> list[str]:
    return [sentence for piece in pieces if (sentence := piece.text.strip())]
