"""Names: what a character may be called, and the file that it gets for it."""

from __future__ import annotations

import re
from pathlib import PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_backend.setup.answers import can_be_called, cleaned_name, file_stem, new_access_token

ODD = [
    'Ann "the cat" O\'Neil',
    "a: b #c",
    "- x",
    "null",
    "true",
    "3.14",
    "~",
    "*anchor",
    "&a",
    "!tag",
    "{a: b}",
    "[x]",
    "@home",
    "%d {} {name} \\n",
    "${HOME}",
    "$${HOME}",
    "${NOT_SET_ANYWHERE:-x}",
    "../../etc/passwd",
    "C:\\con",
    "CON",
    "conf",
    ".hidden",
    "米娅",
    "ひな",
    "Ünïcödé",
    "👩‍💻 Ada 🎉",
    "🤖",
    "x" * 80,
    "米" * 80,
    "عائشة",
    "a\u00a0b",
    "'",
    '"',
    "|",
    ">",
    "#",
    "<script>alert(1)</script>",
]


@pytest.mark.parametrize("name", ODD)
def test_a_name_gives_a_file_that_every_system_has(name: str) -> None:
    """One name of letters, digits and hyphens, which is no device of Windows, and no path."""
    cleaned = cleaned_name(name)
    assert cleaned
    stem = file_stem(cleaned)
    assert re.fullmatch(r"[^\W_]+(-[^\W_]+)*", stem.replace("character-", "character"))
    assert stem == PureWindowsPath(stem).name == PurePosixPath(stem).name
    assert len(stem.encode()) <= 80
    assert (
        not PureWindowsPath(f"{stem}.yaml").is_reserved() if hasattr(PureWindowsPath, "is_reserved") else True
    )
    assert stem not in ("con", "conf")


@pytest.mark.parametrize(
    "name",
    [
        "",
        "   ",
        "x" * 81,
        "a\nb",
        "\x1b[2J",
        "a\u2028b",
        "a\x85b",
        "\u202eabc",
        "\ud800",
        "\ufeffx",
        "\u200b",
        "a\x00",
        "\ufffe",
        "\U0001ffff",
        "\u0301",
    ],
)
def test_what_cannot_be_shown_is_no_name(name: str) -> None:
    """Nothing, too much, line breaks, control characters, and marks that turn the line around."""
    assert cleaned_name(name) is None


@given(st.text(max_size=90))
def test_whatever_is_typed_is_refused_or_gives_a_file(name: str) -> None:
    """And never a path, nor an empty name."""
    cleaned = cleaned_name(name)
    if cleaned is not None:
        stem = file_stem(cleaned)
        assert stem
        assert not set(stem) & set('/\\:*?"<>|. \0')
        assert len(stem.encode()) <= 80
        assert stem.isprintable()


def test_who_has_no_letters_cannot_be_called() -> None:
    """A wake word must be something that can be said."""
    assert can_be_called("米娅")
    assert not can_be_called("🤖")


def test_tokens_are_long_and_easy_to_type() -> None:
    """Without letters that are taken for digits, and never the same."""
    tokens = {new_access_token() for _ in range(100)}
    assert len(tokens) == 100
    assert all(re.fullmatch(r"[a-z2-7]{26}", token) for token in tokens)
