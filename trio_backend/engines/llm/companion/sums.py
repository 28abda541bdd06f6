"""Sums that a message asks for: read in one language's words, and worked out exactly.

An operator-precedence parser over at most `MOST_TOKENS` tokens: ``+ -`` bind least, then ``* /``, then
powers; per cents and roots stand before or behind their number, as languages have it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from math import isqrt, sqrt

import attrs

MOST_TOKENS = 24
"""Numbers, signs and brackets of a sum."""

SIGNS = "+-*/^%√²³"
"""What a word of a language may mean. ``%`` and ``√`` may stand before or behind a number."""

# Characters of a message, or of one of its sentences, that may be a sum with a few words around it.
_LONGEST = 80
# Sentences of a message that are looked at, the last ones: "no, wait. What is 3 + 4?"
_MOST_PIECES = 4
# Bits of a result: 2^10^2 is fine, 9^9^9 would keep the event loop for hours.
_MOST_BITS = 4_000
_MOST_EXPONENT = 64

_PIECES = re.compile(r"[,;:!?…]\s+|\.\s+|[，。；：！？、…]+")
_END = " =?？.。!！,，、"
# Dates, times and telephone numbers, which nobody wants to have worked out.
_NO_SUM = re.compile(r"\d+-\d+-\d+|\d+/\d+/\d+|\d{1,2}:\d\d(?!\d)")
_HAN_DIGITS = {digit: value for value, digit in enumerate("〇一二三四五六七八九")} | {"零": 0, "两": 2}
_HAN_TENS = {"十": 10, "百": 100, "千": 1000}
_HAN_NUMBER = f"[{''.join([*_HAN_DIGITS, *_HAN_TENS])}万]+"
_DIGIT = re.compile(f"[0-9{''.join(_HAN_DIGITS)}十百]")
_DIGITS = r"\d{1,12}(?:\.\d{1,6})?"


@attrs.frozen
class Sum:
    """A sum and what comes out; no ``result`` where it would be divided by zero."""

    text: str
    result: str


@attrs.frozen
class Sums:
    """How one language says numbers and signs, and which words may stand ``around`` a sum.

    Words of ``joins`` stand between a sum and another question: "what is 3 + 4 and who are you".
    """

    numbers: Mapping[str, str] = attrs.field(factory=dict)
    signs: Mapping[str, str] = attrs.field(factory=dict)
    around: tuple[str, ...] = ()
    joins: tuple[str, ...] = ()
    _kinds: Mapping[str, str] = attrs.field(init=False, repr=False, eq=False)
    """Of each word: whether it is a number, a sign, or may stand around a sum."""
    _first_words: frozenset[str] = attrs.field(init=False, repr=False, eq=False)
    _token: re.Pattern[str] = attrs.field(init=False, repr=False, eq=False)
    _join: re.Pattern[str] = attrs.field(init=False, repr=False, eq=False)

    @_first_words.default
    def _first_words_of_numbers(self) -> frozenset[str]:
        return frozenset(number.split()[0] for number in self.numbers)

    @_kinds.default
    def _kinds_of_words(self) -> Mapping[str, str]:
        return {
            **dict.fromkeys(self.around, "around"),
            **dict.fromkeys(self.numbers, "number"),
            **dict.fromkeys(self.signs, "sign"),
        }

    @_token.default
    def _a_token(self) -> re.Pattern[str]:
        # The longest word wins, whatever its kind: Japanese has か around a sum, and かける for a sign.
        words = "|".join(map(re.escape, sorted(self._kinds, key=len, reverse=True)))
        return re.compile(
            rf"(?P<word>{words or '(?!)'})|(?P<han>{_HAN_NUMBER})|(?P<digits>{_DIGITS})"
            r"|(?P<bracket>[()（）])|\s+"
        )

    @_join.default
    def _a_join(self) -> re.Pattern[str]:
        # Words with spaces around them; Japanese and Chinese have none.
        return re.compile(
            "|".join(rf"\b{word}\b" if word.isascii() else word for word in self.joins) or "(?!)"
        )

    def find(self, text: str) -> Sum | None:
        """The sum that ``text`` is, or the last of its sentences, or of their halves, that is one."""
        # Most messages have no number, and are not looked at any closer: 2 µs instead of 70.
        numbers = _DIGIT.search(text) or not self._first_words.isdisjoint(text.lower().split())
        if not self.signs or not numbers:
            return None
        pieces = [piece for piece in _PIECES.split(text) if piece.strip()]
        # "3 and 4" is a sum, so halves come last.
        halves = self._join.split(" ".join(pieces[-_MOST_PIECES:]).lower())
        halves = halves[-_MOST_PIECES:] if len(halves) > 1 else []
        for piece in (text, *reversed(pieces[-_MOST_PIECES:]), *reversed(halves)):
            plain = " ".join(piece.lower().split()).rstrip(_END)
            tokens = self._tokens(plain) if 0 < len(plain) <= _LONGEST else None
            if tokens and (found := _SumReader(tokens).sum()):
                return found
        return None

    def _tokens(self, text: str) -> list[str] | None:
        """Numbers, signs and brackets; None where ``text`` has other words, also between them."""
        if _NO_SUM.search(text):
            return None
        tokens: list[str] = []
        numeral, at, ended = False, 0, False
        while at < len(text):
            found = self._token.match(text, at)
            if found is None or len(tokens) > MOST_TOKENS:
                return None
            at, kind, piece = found.end(), found.lastgroup, found[0]
            if kind is None:
                continue
            kind = self._kinds[piece] if kind == "word" else kind
            # "And 12 plus 31?": the word for a sign stands before the first number, too.
            if kind == "around" or (kind == "sign" and not tokens and self.signs[piece] == "+"):
                ended = bool(tokens)
                continue
            if ended:
                return None
            if kind == "number" and numeral:
                tokens[-1] = _joined(tokens[-1], self.numbers[piece])
            else:
                tokens.append(self._value(kind, piece))
            numeral = kind == "number"
        return tokens

    def _value(self, kind: str, piece: str) -> str:
        match kind:
            case "sign":
                return self.signs[piece]
            case "number":
                return self.numbers[piece]
            case "han":
                return str(_han_number(piece))
            case "bracket":
                return "(" if piece in "(（" else ")"
            case _:
                return piece


@attrs.frozen
class _Value:
    """A number, how it is written, and whether it is a bare per cent."""

    number: Fraction
    text: str
    percent: bool = False


class _NoSum(Exception):
    """These tokens are no sum."""


@attrs.define(eq=False)
class _SumReader:
    """Reads one sum from left to right."""

    _tokens: Sequence[str]
    _at: int = 0
    _worked: int = 0
    """Signs that were worked out: a mere number is no sum."""

    def sum(self) -> Sum | None:
        try:
            value = self._added()
        except ZeroDivisionError:
            return Sum(" ".join(self._tokens), "")
        except _NoSum:
            return None
        if self._at < len(self._tokens) or not self._worked:
            return None
        return Sum(value.text, _shown(value.number))

    def _added(self) -> _Value:
        left = self._multiplied()
        for sign in self._signs("+-"):
            right = self._multiplied()
            # 250 + 10 % is 275 for everybody who asks.
            number = left.number * right.number if right.percent and not left.percent else right.number
            number = left.number + number if sign == "+" else left.number - number
            left = self._bounded(number, f"{left.text} {sign} {right.text}")
        return left

    def _multiplied(self) -> _Value:
        left = self._raised()
        for sign in self._signs("*/"):
            right = self._raised()
            number = left.number * right.number if sign == "*" else left.number / right.number
            left = self._bounded(number, f"{left.text} {'×' if sign == '*' else '÷'} {right.text}")
        return left

    def _raised(self) -> _Value:
        base = self._signed()
        for _ in self._signs("^"):
            exponent = self._raised()
            if exponent.number.denominator != 1 or abs(exponent.number) > _MOST_EXPONENT:
                raise _NoSum
            base = self._bounded(base.number ** int(exponent.number), f"{base.text}^{exponent.text}")
        return base

    def _signed(self) -> _Value:
        """A number with what stands before and behind it."""
        for sign in self._signs("-√%"):
            value = self._signed()
            if sign == "-":
                return _Value(-value.number, f"-{value.text}")
            return self._rooted(value) if sign == "√" else self._percent(value)
        value = self._number()
        for sign in self._signs("%√²³"):
            if sign == "%":
                value = self._percent(value)
            elif sign == "√":
                value = self._rooted(value)
            else:
                value = self._bounded(value.number ** (2 if sign == "²" else 3), f"{value.text}{sign}")
        return value

    def _number(self) -> _Value:
        token = self._tokens[self._at] if self._at < len(self._tokens) else ""
        self._at += 1
        if token == "(":
            value = self._added()
            if self._at >= len(self._tokens) or self._tokens[self._at] != ")":
                raise _NoSum
            self._at += 1
            return _Value(value.number, f"({value.text})")
        if not token[:1].isdigit():
            raise _NoSum
        return _Value(Fraction(token), token)

    def _rooted(self, value: _Value) -> _Value:
        if value.number < 0:
            raise _NoSum
        over, under = isqrt(value.number.numerator), isqrt(value.number.denominator)
        exact = Fraction(over, under)
        return self._bounded(
            exact if exact**2 == value.number else Fraction(sqrt(value.number)), f"√{value.text}"
        )

    def _percent(self, value: _Value) -> _Value:
        self._worked += 1
        return _Value(value.number / 100, f"{value.text}%", percent=True)

    def _bounded(self, number: Fraction, text: str) -> _Value:
        self._worked += 1
        if number.numerator.bit_length() + number.denominator.bit_length() > _MOST_BITS:
            raise _NoSum
        return _Value(number, text)

    def _signs(self, among: str) -> Iterator[str]:
        """The next signs, one by one as they are asked for, as long as they are of these."""
        while self._at < len(self._tokens) and self._tokens[self._at] in among:
            self._at += 1
            yield self._tokens[self._at - 1]


def _shown(number: Fraction) -> str:
    if number.denominator == 1 and abs(number) < 10**15:
        return str(number)
    try:
        return f"{float(number):.6g}"
    except OverflowError:
        raise _NoSum from None


def _joined(before: str, word: str) -> str:
    """Two number words as one number: "twenty" "five", "three" "hundred"."""
    first, second = Fraction(before), Fraction(word)
    return str(first * second if second >= 100 else first + second)


def _han_number(text: str) -> int:
    """三百二十五 → 325."""
    total = section = digit = 0
    for character in text:
        if character in _HAN_DIGITS:
            digit = digit * 10 + _HAN_DIGITS[character]
        elif character == "万":
            total, section, digit = (total + section + digit) * 10_000, 0, 0
        else:
            section, digit = section + (digit or 1) * _HAN_TENS[character], 0
    return total + section + digit
