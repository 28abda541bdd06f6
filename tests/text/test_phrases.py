"""Phrases: whole words of any script."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_backend.text.phrases import find, is_all, plain, words


def contains(text: str, phrase: str) -> bool:
    """Whether the phrase is in the text."""
    return find(words(plain(phrase)), words(plain(text))) is not None


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("Hey, Iris! What time is it?", "hey iris"),
        ("well HEY IRIS", "Hey Iris"),
        ("ｈｅｙ　ｉｒｉｓ", "hey iris"),
        ("hey-iris", "hey iris"),
        ("hey\n iris...", "hey, iris"),
        ("I don’t care", "dont care"),
        ("dont care", "don't care"),
        ("STRASSE 5", "straße"),
        ("cafe\u0301 noir", "café"),
        ("你好，小星！今天好吗", "你好小星"),
        ("小星你好", "你好"),
        ("ねえ、アイリス、起きて", "アイリス"),
        ("ﾍｲ ｶﾞｲﾄﾞ", "ヘイガイド"),
        ("ヘイ・アイリス", "ヘイ アイリス"),
        ("Привет, Ирис!", "привет ирис"),
        ("안녕 아이리스", "아이리스"),
        ("สวัสดีไอริส", "ไอริส"),
        ("OK小星", "小星"),
        ("go to sleep 2", "sleep 2"),
    ],
)
def test_it_is_found(text: str, phrase: str) -> None:
    """Case, width, punctuation and the way an accent is written do not matter."""
    assert contains(text, phrase)


@pytest.mark.parametrize(
    ("text", "phrase"),
    [
        ("he said so", "ai"),
        ("thanks for asking, go on", "go"[:1]),
        ("the irises", "iris"),
        ("hey there iris", "hey iris"),
        ("he yiris", "hey iris"),
        ("アイスクリーム", "アイス"),
        ("ソフトアイス", "アイス"),
        ("привета", "привет"),
        ("你小星好", "你好"),
        ("cafés", "café"),
        ("", "iris"),
        ("iris", ""),
        ("iris", "?!"),
        ("route66", "66"),
    ],
)
def test_it_is_not_found(text: str, phrase: str) -> None:
    """Parts of words are no words."""
    assert not contains(text, phrase)


@given(st.text(), st.text())
def test_a_text_contains_itself_wherever_it_stands_between_spaces(text: str, around: str) -> None:
    """Of every text that has a word, in every environment."""
    if words(plain(text)):
        assert contains(text, text)
        assert contains(f"{around} | {text} | {around}", text)
        assert is_all(words(plain(text)), words(plain(f"«{text}» …")))


@given(st.text())
def test_words_lie_in_the_text_in_order(text: str) -> None:
    """None is empty, and they do not overlap."""
    at, normal = 0, plain(text)
    for word in words(normal):
        assert at <= word.start < word.end <= len(normal)
        at = word.end


def test_the_whole_utterance_is_more_than_a_part() -> None:
    """An end phrase says nothing else."""
    assert is_all(words("stop"), words("Stop!"))
    assert not is_all(words("stop"), words("stop sign"))
    assert not is_all(words(""), words(""))
