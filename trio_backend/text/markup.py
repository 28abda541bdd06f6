"""What in a line is not meant for the ear: emotion keywords, actions, brackets, Markdown, symbols."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from functools import lru_cache

import attrs


@attrs.frozen
class SpeechFilters:
    """What is shown but not spoken: the switches of ``tts_preprocessor_config``."""

    remove_special_char: bool = True
    ignore_brackets: bool = True
    ignore_parentheses: bool = True
    ignore_asterisks: bool = True
    ignore_angle_brackets: bool = True


_KEYWORD = re.compile(r"[^\S\n]*\[\s*([^\[\]\n]+?)\s*\]")

_IMAGE = re.compile(r"!\[[^\]\n]*\]\([^()\s]*\)")
_LINK = re.compile(r"\[([^\[\]\n]+)\]\([^()\s]*\)")
_ADDRESS = re.compile(
    r"(?<![A-Za-z0-9])https?://(?:www\.)?([A-Za-z0-9.:-]+)(?:[/?#][^\s<>()，。！？、）]*)?(?<![.,!?;:'\"])"
)
_LINE_HEAD = re.compile(r"^\s*(?:(?:(?:#{1,6}|[-*+>])(?=\s)|[•·])\s*)+", re.MULTILINE)
_UNDERSCORES = re.compile(r"(?<!\w)_{1,3}(?=\S)([^_\n]+)(?<=\S)_{1,3}(?!\w)")
_SMILEY = re.compile(r"(?<![\w])(?:[:;]['’^-]?[()DP]+|<3+)(?!\w)")

# The old backend leaves out what is between asterisks of any number, bold words too; users' personas
# are written for that. A star before a space, or after a number, is none of these: 2 * 3.
_STARRED = re.compile(r"(?<![0-9A-Za-z*])(\*+)(?![\s*])[^*\n]*?(?<!\s)\*+")
_TAG = re.compile(r"<[^\W\d_/!?][^<>\n]*>|</[^<>\n]*>|<[!?][^<>\n]*>")

_TIMES = re.compile(r"(?<=\d) *\* *(?=\d)")

_SYMBOLS_READ_ALOUD = frozenset("+=<>×÷±−°℃℉№")
# Punctuation by its category, which voices spell out.
_SPELT_OUT = frozenset("*_\\")
_SPACE_BEFORE_MARK = re.compile(r"\s+(?=[,.!?;:…、，。！？；：](?!\w))")
_SPACES = re.compile(r"\s+")
_LEADING_MARKS = " ,;:!?、，。；：！？…"


def take_keywords(text: str, emotions: Collection[str]) -> tuple[str, tuple[str, ...]]:
    """``text`` without its emotion keywords, and these in lower case and in order.

    A keyword is one of ``emotions`` (lower case) in square brackets, in any case; it goes with the
    white space before it. Other brackets stay.
    """
    found = []

    def take(match: re.Match[str]) -> str:
        keyword = match.group(1).lower()
        if keyword not in emotions:
            return match.group()
        found.append(keyword)
        return ""

    return _KEYWORD.sub(take, text), tuple(found)


def spoken(text: str, filters: SpeechFilters) -> str:
    """What a voice is to say of ``text``; empty where there is no letter and no digit to say."""
    text = _without_markdown(text)
    if filters.remove_special_char:
        text = _SMILEY.sub(" ", text)
    if filters.ignore_asterisks:
        text = _without(_STARRED, _TIMES.sub(" × ", text))
    if filters.ignore_angle_brackets:
        text = _without(_TAG, text)
    if filters.ignore_brackets:
        text = _without_groups(text, "[［", "]］")
    if filters.ignore_parentheses:
        text = _without_groups(text, "(（", ")）")
    text = _without_symbols(text) if filters.remove_special_char else text.replace("*", " ")
    text = _SPACE_BEFORE_MARK.sub("", _SPACES.sub(" ", text)).strip().lstrip(_LEADING_MARKS)
    return text if any(character.isalnum() for character in text) else ""


def _without_markdown(text: str) -> str:
    """Words without what sets them: of a link its text, of a bare address its host."""
    text = _LINK.sub(r"\1", _IMAGE.sub(" ", text))
    text = _ADDRESS.sub(r"\1", text)
    text = _LINE_HEAD.sub("", text)
    return _UNDERSCORES.sub(r"\1", text).replace("`", "")


def _without(group: re.Pattern[str], text: str) -> str:
    """``text`` without what ``group`` matches, and without what it then matches: nested groups."""
    count = 1
    while count:
        text, count = group.subn(" ", text)
    return text


def _without_groups(text: str, openers: str, closers: str) -> str:
    """``text`` without what stands in brackets, nested ones too.

    Of a bracket that nothing closes or opens, only the bracket goes: a forgotten one must not silence
    the rest of the line.
    """
    kept: list[str] = []
    opened: list[int] = []  # how much was kept when each open bracket came
    for character in text:
        if character in openers:
            opened.append(len(kept))
            kept.append(" ")
        elif character not in closers:
            kept.append(character)
        elif opened:
            del kept[opened.pop() :]
            kept.append(" ")
    return "".join(kept)


def _without_symbols(text: str) -> str:
    """``text`` with letters of any script, digits, punctuation, and the signs that voices know."""
    kept = []
    before = " "
    for character in text:
        if character in "\u200c\u200d":  # they shape letters in Persian and Indic scripts, and join emoji
            kept.append(character if before.isalpha() or unicodedata.combining(before) else "")
        else:
            kept.append(_read_aloud(character))
        before = character
    return unicodedata.normalize("NFC", "".join(kept))


@lru_cache(maxsize=4096)
def _read_aloud(character: str) -> str:
    """``character`` as voices know it: 𝓗 as H, Ａ as A; a space for what they do not."""
    category = unicodedata.category(character)
    if category[0] == "L" or category == "Nd":
        return unicodedata.normalize("NFKC", character)
    if category[0] == "N" or category == "Sc" or character in _SYMBOLS_READ_ALOUD:
        return character
    if category[0] == "P" and character not in _SPELT_OUT:
        return character
    if category in ("Mn", "Mc") and not "\ufe00" <= character <= "\ufe0f":
        return character
    return "" if category[0] == "M" else " "
