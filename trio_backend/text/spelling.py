"""A number or a name that is being spelled: digit after digit, in groups with pauses between them."""

from __future__ import annotations

import re

import attrs

# "double five" is two digits; a group of digits is as many as it has.
_EN_DIGITS = "zero|oh|o|nought|one|two|three|four|five|six|seven|eight|nine|double|triple"
# Digit by digit, as numbers are read out: 幺 is the "one" of telephone numbers, 两 never stands in them.
_ZH_DIGITS = "[零〇一二三四五六七八九幺]"
# Readings in which numbers are dictated. Not し and く: they are よん and きゅう then, and end other words.
_JA_DIGITS = "ゼロ|れい|まる|いち|さん|よん|ろく|なな|はち|きゅう|に|ご"

_TOKEN = re.compile(
    rf"(?P<figures>\d+)|(?P<name>(?<![a-z])(?:{_EN_DIGITS}|[a-z])(?![a-z'])|{_ZH_DIGITS}|{_JA_DIGITS})",
    re.IGNORECASE,
)
_BETWEEN = re.compile(r"[\s,.、，。:/の-]*")

# What says that a number is about to be told. "number is", not "number": room number 42 is complete.
_CUE = re.compile(
    r"\b(?:phone|telephone|cell|mobile|zip|postcode|serial|spell|spelled|numbers are"
    r"|(?:name|number|code|pin|password) is)\b|号码|电话|手机|密码|验证码|番号|電話|暗証|コード",
    re.IGNORECASE,
)

# As long as a text's end has to be for any number that people dictate: a card's has 16 digits.
_LONGEST = 120


@attrs.frozen
class Spelled:
    """The end of a text that is a row of digits or letters: how many groups, and how many signs in them."""

    groups: int
    signs: int
    first: str
    """The first two digits, where they are written as figures."""


def is_spelling(text: str) -> bool:
    """Whether ``text`` ends in the middle of a number or a word that is being spelled.

    Three digits or letters, one by one; or two groups with five; or two after words such as “my number is”. A
    number that is as long as a telephone number is not in the middle any more.
    """
    spelled = _at_end(text[-_LONGEST:])
    if spelled is None or _is_whole_number(spelled):
        return False
    if _CUE.search(text):
        return spelled.signs >= 2
    return (spelled.groups >= 3 and spelled.signs >= 3) or (spelled.groups >= 2 and spelled.signs >= 5)


def _is_whole_number(spelled: Spelled) -> bool:
    """Ten digits are a number in North America, eleven a mobile number in China (1…) and Japan (0…)."""
    return spelled.signs >= (11 if spelled.first[:1] in ("0", "1") else 10)


def _at_end(text: str) -> Spelled | None:
    """The row of digits and letters with which ``text`` ends, if it ends so."""
    groups, signs, first, at = 0, 0, "", 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            at += 1
            groups, signs, first = 0, 0, ""
            continue
        figures = found["figures"] or ""
        first = first if groups else figures[:2]
        groups, signs = groups + 1, signs + max(1, len(figures))
        at = _skip(text, found.end())
    return Spelled(groups, signs, first) if groups else None


def _skip(text: str, at: int) -> int:
    found = _BETWEEN.match(text, at)
    return found.end() if found else at
