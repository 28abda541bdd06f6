"""The table of scripts: held against Unicode's own names, and against all who use it."""

from __future__ import annotations

import re
import sys
import unicodedata

import pytest

from trio_backend.text import scripts
from trio_backend.text.lines import joined
from trio_backend.text.phrases import words

LETTERS = [chr(code) for code in range(sys.maxunicode + 1) if chr(code).isalpha()]


def named(*beginnings: str) -> set[str]:
    """The letters whose names in Unicode begin so."""
    return {letter for letter in LETTERS if unicodedata.name(letter, "").startswith(beginnings)}


def matched(characters: str) -> set[str]:
    """The letters that the table has in ``characters``."""
    member = re.compile(f"[{characters}]")
    return {letter for letter in LETTERS if member.match(letter)}


def test_all_chinese_characters_are_han() -> None:
    """Those of the supplementary planes too: people's names are written with them."""
    assert named("CJK UNIFIED", "CJK COMPATIBILITY IDEOGRAPH") <= matched(scripts.HAN)


def test_no_letters_of_scripts_with_spaces_are_in_the_table() -> None:
    """Korean puts spaces between words, as Latin, Greek, Cyrillic and Arabic do."""
    spaced = named("HANGUL SYLLABLE", "HANGUL LETTER", "LATIN SMALL", "GREEK", "CYRILLIC", "ARABIC LETTER")

    assert not spaced & (matched(scripts.WIDE) | matched(scripts.UNSPACED))


@pytest.mark.parametrize(
    ("script", "beginning"),
    [
        (scripts.HIRAGANA, "HIRAGANA LETTER SMALL"),
        (scripts.KATAKANA, "KATAKANA LETTER SMALL"),
        (scripts.WIDE, "HALFWIDTH KATAKANA"),
        (scripts.UNSPACED, "THAI CHARACTER"),
        (scripts.UNSPACED, "LAO LETTER"),
        (scripts.UNSPACED, "TIBETAN LETTER"),
        (scripts.UNSPACED, "KHMER LETTER"),
    ],
)
def test_scripts_are_whole(script: str, beginning: str) -> None:
    """No letter of a script is missing. Hentaigana, outside the first plane, nobody types."""
    assert {letter for letter in named(beginning) if letter < "\U00010000"} <= matched(script)


@pytest.mark.parametrize("rare", ["𠮷", "々", "〇"])
def test_rare_characters_are_words_and_need_no_space(rare: str) -> None:
    """One table: what is a word by itself for wake words is joined without a space, too."""
    assert len(words(rare + rare)) == 2
    assert rare + rare == joined([rare, rare])


def test_half_width_katakana_is_joined_without_a_space() -> None:
    """As full-width Katakana is."""
    assert joined(["ﾊｲ｡", "ｿｳﾃﾞｽ｡"]) == "ﾊｲ｡ｿｳﾃﾞｽ｡"
