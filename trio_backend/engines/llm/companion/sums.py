"""Sums of two numbers, as people ask for them: "what is 3 + 4", "seven times six", "三加四等于几"."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction

import attrs

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

    def __attrs_post_init__(self) -> None:
        number, sign = _either([*self.numbers], _NUMBER), _either([*self.signs])
        around = rf"(?:{_either([*self.around])} ?){{0,3}}" if self.around else ""
        regex = rf"{around}({number}) ?({sign}) ?({number}) ?{around}"
        object.__setattr__(self, "_regex", re.compile(regex))

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
