"""What in a line is shown and not spoken: emotion keywords, actions, brackets, Markdown, symbols."""

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


# A model may write anything, and what it writes is read in the event loop: none of these patterns looks at a
# place more than a few times. So a run of what may repeat ends where another match could begin.
_KEYWORD = re.compile(r"\[([^\[\]]*)\]")

_IMAGE = re.compile(r"!\[(?:[^\[\]\n]|(?<!!)\[)*\]\([^()\s]*\)")
_LINK = re.compile(r"\[([^\[\]\n]+)\]\([^()\s]*\)")
_ADDRESS = re.compile(
    r"(?<![A-Za-z0-9])https?://(?:www\.)?([A-Za-z0-9.:-]+)(?:[/?#][^\s<>()，。！？、）]*)?(?<![.,!?;:'\"])"
)
_LINE_HEAD = re.compile(r"^[^\S\n]*(?:(?:(?:#{1,6}|[-*+>])(?=\s)|[•·])\s*)+", re.MULTILINE)
_LINE_HEAD_MARK = re.compile(r"[-#*+>•·]")
_UNDERSCORES = re.compile(r"(?<!\w)_{1,3}(?=\S)([^_\n]+)(?<=\S)_{1,3}(?!\w)")
_SMILEY = re.compile(r"(?<![\w])(?:[:;]['’^-]?[()DP]+|<3+)(?!\w)")

# The old backend leaves out what is between asterisks of any number, bold words too; users' personas
# are written for that. A star before a space, or after a number, is none of these: 2 * 3.
_STARRED = re.compile(r"(?<![0-9A-Za-z*])(\*+)(?![\s*])[^*\n]*?(?<!\s)\*+")
_TAG = re.compile(r"<[^\W\d_/!?][^<>\n]*>|</[^<>\n]*>|<[!?][^<>\n]*>")

_ANY_BRACKET = re.compile(r"[\[［\]］(（)）]")
_TIMES = re.compile(r"(?<=\d) *\* *(?=\d)")

# Of a line of some 400 characters: one of them may be short for eighteen, in forms of which few make a text.
_LONGEST_SPOKEN = 1_000
# Groups in groups that are looked for: each level takes a look at the whole.
_DEEPEST = 10
# Marks on one letter; 30 is what Unicode's stream-safe text has (UAX 15). To sort more takes quadratic time.
_MOST_MARKS = 30

_SYMBOLS_READ_ALOUD = frozenset("+=<>×÷±−°℃℉№")
# Punctuation by its category, which speech synthesis spells out.
_SPELT_OUT = frozenset("*_\\")
_SPACE_BEFORE_MARK = re.compile(r"\s+(?=[,.!?;:…、，。！？；：](?!\w))")
_LEADING_MARKS = " ,;:!?、，。；：！？…"


def take_keywords(text: str, emotions: Collection[str]) -> tuple[str, tuple[str, ...]]:
    """``text`` without its emotion keywords, and these in lower case and in order.

    A keyword is one of ``emotions`` (lower case) in square brackets, in any case; it goes with the
    white space before it. Other brackets stay.
    """
    kept, found, at = [], [], 0
    for match in _KEYWORD.finditer(text):
        keyword = match[1].strip().lower()
        if keyword in emotions:
            kept.append(_without_gap(text[at : match.start()]))
            found.append(keyword)
            at = match.end()
    return "".join([*kept, text[at:]]), tuple(found)


def _without_gap(text: str) -> str:
    """``text`` without the white space at its end, as far as that is in one line."""
    end = len(text)
    while end and text[end - 1] != "\n" and text[end - 1].isspace():
        end -= 1
    return text[:end]


def spoken(text: str, filters: SpeechFilters) -> str:
    """What is to be synthesized of ``text``; empty where there is no letter and no digit to say."""
    # Of all that is looked for most lines have nothing, and one sign tells: 9 µs instead of 22.
    text = _without_markdown(text)
    if filters.remove_special_char and (":" in text or ";" in text or "<" in text):
        text = _SMILEY.sub(" ", text)
    if filters.ignore_asterisks and "*" in text:
        text = _without(_STARRED, _TIMES.sub(" × ", text))
    if filters.ignore_angle_brackets and "<" in text:
        text = _without(_TAG, text)
    if filters.ignore_brackets:
        text = _without_groups(text, "[［", "]］")
    if filters.ignore_parentheses:
        text = _without_groups(text, "(（", ")）")
    text = _without_symbols(text) if filters.remove_special_char else text.replace("*", " ")
    text = _SPACE_BEFORE_MARK.sub("", " ".join(text.split())).lstrip(_LEADING_MARKS)
    text = text[:_LONGEST_SPOKEN]
    return text if any(character.isalnum() for character in text) else ""


def _without_markdown(text: str) -> str:
    """Words without what sets them: of a link its text, of a bare address its host."""
    if "](" in text:
        text = _LINK.sub(r"\1", _IMAGE.sub(" ", text))
    if "://" in text:
        text = _ADDRESS.sub(r"\1", text)
    if _LINE_HEAD_MARK.search(text):
        text = _LINE_HEAD.sub("", text)
    return _UNDERSCORES.sub(r"\1", text).replace("`", "") if "_" in text else text.replace("`", "")


def _without(group: re.Pattern[str], text: str) -> str:
    """``text`` without what ``group`` matches, and without what it then matches: nested groups."""
    for _ in range(_DEEPEST):
        text, count = group.subn(" ", text)
        if not count:
            break
    return text


def _without_groups(text: str, openers: str, closers: str) -> str:
    """``text`` without what stands in brackets, nested ones too.

    Of a bracket that nothing closes or opens, only the bracket goes: a forgotten one must not silence
    the rest of the line.
    """
    if _ANY_BRACKET.search(text) is None:
        return text
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
    """``text`` with letters of any script, digits, punctuation, and the signs that are read aloud."""
    if text.isascii():
        # No marks, nothing to join, and nothing that could be written otherwise.
        return text.translate(_ASCII_READ_ALOUD)
    kept = []
    before, marks = " ", 0
    for character in text:
        marks = marks + 1 if unicodedata.combining(character) else 0
        if marks > _MOST_MARKS:
            continue
        if character in "\u200c\u200d":  # they shape letters in Persian and Indic scripts, and join emoji
            kept.append(character if before.isalpha() or unicodedata.combining(before) else "")
        else:
            kept.append(_read_aloud(character))
        before = character
    return unicodedata.normalize("NFC", "".join(kept))


@lru_cache(maxsize=4096)
def _read_aloud(character: str) -> str:
    """``character`` as speech synthesis knows it: 𝓗 as H, Ａ as A; a space for what it does not."""
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


_ASCII_READ_ALOUD = str.maketrans({chr(code): _read_aloud(chr(code)) for code in range(128)})
