"""Patterns over the words of a clause, found without backtracking.

A pattern is a row of words. ``(a|b c)`` stands for one of these, ``[a]`` may be missing, ``<class>`` is
a word class, ``*`` any words or none, ``{slot}`` one word or more to be kept, ``{slot:2}`` at most two,
``{Slot}`` only words with a capital, ``{slot=a b|c}`` one of these. ``^`` is the beginning of the
clause, ``$`` its end (also that of one choice, ``(a|b$)``), ``?`` at the end means that it was asked. A
pattern may stand anywhere in a clause.

What lies between two gaps has no repetition in it, and is looked for once, from the left: so the
time is linear in the length of the clause, whatever the pattern (as with shell globs).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

import attrs

from ....errors import PatternError
from .words import Clause, TypedWord

_END = r"\Z"

Captures = Mapping[str, tuple[TypedWord, ...]]

_ELEMENT = re.compile(
    r"\s*(?:(?P<open>[(\[]|\{(?P<kept>\w+)=)|(?P<close>[)\]}])|(?P<bar>\|)|(?P<gap>\*|\{(?P<slot>\w+)(?::(?P<most>\d+))?\})"
    r"|<(?P<cls>[\w-]+)>|(?P<literal>[^()\[\]|*{}<>\s]+))\s*"
)


@attrs.frozen
class Gap:
    """Words between two fixed parts. Without a name they are skipped, and may be none."""

    name: str = ""
    most: int = 0
    capital: bool = False

    def takes(self, words: Sequence[TypedWord]) -> bool:
        """Whether these words may stand in the gap."""
        if not self.name:
            return True
        fits = len(words) > 0 and (not self.most or len(words) <= self.most)
        return fits and not (self.capital and not all(word.shown[:1].isupper() for word in words))


@attrs.frozen
class PatternPart:
    """A fixed part as a regular expression.

    One of ``keys`` is in every clause that has the part; None where no word must be. So is one of each of
    ``required``. ``weight`` is the least number of words in it. ``kept`` are the names of its slots.
    """

    regex: str = ""
    keys: frozenset[str] | None = None
    weight: int = 0
    kept: tuple[str, ...] = ()
    required: tuple[frozenset[str], ...] = ()

    def __add__(self, other: PatternPart) -> PatternPart:
        return PatternPart(
            self.regex + other.regex,
            other.keys if self.keys is None else self.keys,
            self.weight + other.weight,
            self.kept + other.kept,
            self.required + other.required,
        )


@attrs.frozen
class Pattern:
    """``gaps`` has one more than ``parts``, around them; None where there is no gap (``^`` and ``$``).

    A clause that it fits has one word at least of each set of ``required``.
    """

    source: str
    regexes: tuple[str, ...]
    gaps: tuple[Gap | None, ...]
    asked: bool
    keys: frozenset[str] | None
    weight: int
    slots: frozenset[str]
    """The names of what it keeps."""
    required: tuple[frozenset[str], ...] = ()

    @cached_property
    def parts(self) -> tuple[re.Pattern[str], ...]:
        """Compiled when they are first asked for: for all 900 that are delivered that takes 0.15 s."""
        return tuple(map(re.compile, self.regexes))

    def compile(self) -> None:
        """Have `parts` compiled before they are asked for. May be called in any thread."""
        _ = self.parts

    def match(self, clause: Clause, text: str) -> Captures | None:
        """What the slots hold, or None. ``text`` is ``clause.text``."""
        # 0.2 µs instead of 2: of the delivered patterns that are tried, 87 of 100 get no further.
        for words in self.required:
            if words.isdisjoint(clause.matched):
                return None
        return self.captures(clause, text)

    def captures(self, clause: Clause, text: str) -> Captures | None:
        """As `match`, for a ``clause`` that has what is ``required``."""
        if self.asked and not clause.asked:
            return None
        spans: list[tuple[Gap, int, int]] = []
        end = 0
        for gap, part in zip(self.gaps, self.parts, strict=False):
            found = part.match(text, end) if gap is None else part.search(text, end + bool(gap.name))
            if found is None:
                return None
            spans += [(gap, end, found.start())] if gap else []
            if part.groupindex:
                spans += [(Gap(name), *found.span(name)) for name, kept in found.groupdict().items() if kept]
            end = found.end()
        last = self.gaps[-1]
        spans += [(last, end, len(text))] if last else []
        return _captured(clause, text, spans)


def _captured(clause: Clause, text: str, spans: Sequence[tuple[Gap, int, int]]) -> Captures | None:
    captures: dict[str, tuple[TypedWord, ...]] = {}
    for gap, start, end in spans:
        if gap.name:
            first = text.count(" ", 0, start)
            words = clause.words[first : first + text.count(" ", start, end)]
            if not gap.takes(words):
                return None
            captures[gap.name.lower()] = words
    return captures


def compile_pattern(
    source: str,
    words_of: Callable[[str], tuple[str, ...]],
    classes: Mapping[str, str],
    parsed: dict[str, PatternPart] | None = None,
) -> Pattern:
    """Raises `PatternError`. ``words_of`` gives a literal's words, ``classes`` what ``<name>`` stands for.

    Patterns that share both may share ``parsed``, in which their classes are kept: without it reading the
    delivered rules takes 0.43 s instead of 0.32.
    """
    body = source.strip()
    asked, body = body.endswith("?"), body.removesuffix("?").rstrip()
    start, body = body.startswith("^"), body.removeprefix("^")
    end, body = body.endswith("$"), body.removesuffix("$")
    pieces, own = _Row(body, words_of, classes, {} if parsed is None else parsed).read()
    _check_order(pieces, own)
    _check_slots(pieces)
    parts, gaps = _without_empty_ends(pieces, [None if start else Gap(), *own, None if end else Gap()])
    regexes = [f"(?<![^ ]){part.regex}" for part in parts]
    if gaps[-1] is None:
        regexes[-1] += _END
    keys = next((part.keys for part in parts if part.keys is not None), None)
    weight = sum(part.weight for part in parts) + asked
    slots = {gap.name.lower() for gap in gaps if gap and gap.name}.union(*(part.kept for part in parts))
    required = tuple(dict.fromkeys(words for part in parts for words in part.required))
    return Pattern(source, tuple(regexes), tuple(gaps), asked, keys, weight, frozenset(slots), required)


def _check_order(pieces: Sequence[PatternPart | None], gaps: Sequence[Gap]) -> None:
    if any(piece is None for piece in pieces[1:-1]):
        raise PatternError("two gaps stand side by side: put a word between them")
    names = [gap.name.lower() for gap in gaps if gap.name]
    if len(names) != len(set(names)):
        raise PatternError("two slots have the same name")


def _check_slots(pieces: Sequence[PatternPart | None]) -> None:
    """Whether the pieces can be compiled: that is done later, when it is too late to say what is wrong."""
    for kept in (piece.kept for piece in pieces if piece):
        if len(kept) != len(set(kept)):
            raise PatternError("two slots have the same name")
        if bad := [name for name in kept if not name.isidentifier()]:
            raise PatternError(f"{bad[0]!r} is no name for a slot: it must begin with a letter")


def _without_empty_ends(
    parts: list[PatternPart | None], gaps: list[Gap | None]
) -> tuple[list[PatternPart], list[Gap | None]]:
    """Where the pattern begins or ends with a gap of its own, that one stands for the rest of the clause."""
    if len(parts) > 1 and parts[0] is None:
        parts, gaps = parts[1:], gaps[1:]
    if parts[-1] is None:
        parts, gaps = parts[:-1], gaps[:-1]
    return [part for part in parts if part is not None], gaps


@attrs.define(eq=False)
class _Row:
    """Reads one pattern from left to right."""

    _source: str
    _words_of: Callable[[str], tuple[str, ...]]
    _classes: Mapping[str, str]
    _parsed: dict[str, PatternPart]
    _at: int = 0

    def read(self) -> tuple[list[PatternPart | None], list[Gap]]:
        """The fixed parts (None for an empty one) and the gaps between them."""
        pieces, gaps = [self._sequence()], []
        while (element := self._take()) is not None:
            if not element["gap"]:
                raise PatternError(f"unexpected {element[0].strip()!r}")
            slot = element["slot"] or ""
            gaps.append(Gap(slot, int(element["most"] or 0), slot[:1].isupper()))
            pieces.append(self._sequence())
        return [piece if piece.regex else None for piece in pieces], gaps

    def _sequence(self) -> PatternPart:
        """Up to the next gap, bar, closing bracket or the end."""
        row = PatternPart()
        while (element := self._peek()) is not None and not element["gap"]:
            if element["bar"] or element["close"]:
                break
            self._at = element.end()
            row += self._one(element)
        return row

    def _one(self, element: re.Match[str]) -> PatternPart:
        if element["open"]:
            return self._group(element)
        if name := element["cls"]:
            if name not in self._classes:
                raise PatternError(f"there is no word class <{name}>")
            if name not in self._parsed:
                row = _Row(f"({self._classes[name]})", self._words_of, self._classes, self._parsed)
                self._parsed[name] = row._sequence()
            return self._parsed[name]
        written = element["literal"]
        text = written.removesuffix("$")
        if not text:
            return PatternPart(_END)
        literal = self._words_of(text)
        if not literal:
            raise PatternError(f"there is no word in {written!r}")
        regex = "".join(re.escape(word) + " " for word in literal) + _END * written.endswith("$")
        required = tuple(frozenset([word]) for word in literal)
        return PatternPart(regex, frozenset(literal[:1]), len(literal), (), required)

    def _group(self, opened: re.Match[str]) -> PatternPart:
        bracket, name = opened["open"][0], opened["kept"]
        choices = [self._sequence()]
        while (element := self._take()) is not None and element["bar"]:
            choices.append(self._sequence())
        if element is None or element["close"] != {"(": ")", "[": "]", "{": "}"}[bracket]:
            raise PatternError(f"{opened['open']!r} is never closed")
        start = f"(?P<{name}>" if name else "(?:"
        regex = start + "|".join(choice.regex for choice in choices) + ")"
        kept = (*((name,) if name else ()), *(slot for choice in choices for slot in choice.kept))
        if bracket == "[":
            return PatternPart(regex + "?", None, 0, kept)
        known = [choice.keys for choice in choices if choice.keys is not None]
        keys = frozenset[str]().union(*known) if len(known) == len(choices) else None
        required = (keys,) if keys is not None else ()
        return PatternPart(regex, keys, min(choice.weight for choice in choices), kept, required)

    def _peek(self) -> re.Match[str] | None:
        if self._at >= len(self._source):
            return None
        element = _ELEMENT.match(self._source, self._at)
        if element is None:
            raise PatternError(f"cannot read {self._source[self._at :]!r}")
        return element

    def _take(self) -> re.Match[str] | None:
        element = self._peek()
        if element is not None:
            self._at = element.end()
        return element
