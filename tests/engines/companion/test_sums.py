"""Sums as the delivered languages say them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from .dialogue import delivered

EN, ZH, JA = (language.sums for language in delivered().languages)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("what is 3+4?", "7"),
        ("stop, what is 3+4?", "7"),
        ("And 12 plus 31?", "43"),
        ("+3 + 4", "7"),
        ("No wait. What's 2 - 5", "-3"),
        ("3 + 4 * 2", "11"),
        ("(3+4)*2", "14"),
        ("2^3^2", "512"),
        ("12% of 250", "30"),
        ("200 + 10%", "220"),
        ("200 - 10 percent", "180"),
        ("50% + 10%", "0.6"),
        ("the square root of 144", "12"),
        ("sqrt 2", "1.41421"),
        ("√(9+16)", "5"),
        ("5 squared", "25"),
        ("half of ninety", "45"),
        ("twenty five plus three hundred", "325"),
        ("10 / 4", "2.5"),
        ("7 - -7", "14"),
        ("what's 12% of 250 and who are you", "30"),
        ("who are you and what's 3 * 4?", "12"),
    ],
)
def test_a_sum_is_worked_out(text: str, result: str) -> None:
    """Signs bind as at school; the last sentence of a message counts."""
    found = EN.find(text)
    assert found is not None
    assert found.result == result


@pytest.mark.parametrize(
    "text",
    [
        *(
            "hello",
            "I am 34",
            "12",
            "3 4",
            "3 +",
            "(3+4",
            "the year 2024-05-06",
            "2024-05-06",
            "555-1234-678",
            "I have 2 cats and 50% of a dog",
            "between 3 and 5 of us",
        ),
        *("12/25/2026", "at 3:45", "2^2.5", "2^999", "√-4", "9^9^9 + 1", "(" * 30 + "1", "x"),
    ],
)
def test_what_is_no_sum_is_left_alone(text: str) -> None:
    """Dates, telephone numbers, what is unfinished, and what is too large."""
    assert EN.find(text) is None


def test_nobody_divides_by_zero() -> None:
    """A sum without a result."""
    for text in ("1/0", "5 / (3 - 3)", "0 ^ -1"):
        found = EN.find(text)
        assert found is not None
        assert not found.result


@pytest.mark.parametrize(
    ("text", "result"),
    [
        *(
            ("三加四等于几", "7"),
            ("三百二十五加十五", "340"),
            ("250的12%是多少", "30"),
            ("一万加一", "10001"),
        ),
        *(("百分之十乘以50", "5"), ("144的平方根", "12"), ("等等，3加4等于多少？", "7")),
    ],
)
def test_chinese_sums(text: str, result: str) -> None:
    """Numbers in characters, and per cents before their number."""
    found = ZH.find(text)
    assert found is not None
    assert found.result == result


@pytest.mark.parametrize(
    ("text", "result"),
    [
        *(("3足す4は？", "7"), ("ちょっと待って、12かける12は？", "144"), ("250の12%は", "30")),
        *(("144のルートは", "12"), ("十二割る四", "3")),
    ],
)
def test_japanese_sums(text: str, result: str) -> None:
    """The longest word counts: か may stand around a sum, かける is a sign."""
    found = JA.find(text)
    assert found is not None
    assert found.result == result


@given(st.text(alphabet="0123456789+-*/^%√()x. ", max_size=80))
def test_any_row_of_signs_is_a_sum_or_none(text: str) -> None:
    """Never an error, and never a number too long to be said."""
    found = EN.find(text)
    assert found is None or len(found.result) <= 24
