"""Thoughts: `<think>` tags in a stream."""

from __future__ import annotations

from itertools import groupby

import pytest
from hypothesis import given

from trio_backend.text.thoughts import Part, ThoughtReader

from .streams import torn_texts


def read(tokens: list[str]) -> list[tuple[str, bool]]:
    """What is thought and what is said, in turn."""
    reader = ThoughtReader()
    parts = [part for token in tokens for part in reader.feed(token)] + reader.flush()
    by_kind = groupby((part for part in parts if part.text), key=lambda part: part.thought)
    return [("".join(part.text for part in group), thought) for thought, group in by_kind]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hi.", [("Hi.", False)]),
        ("<think>Hm.</think>Hi.", [("Hm.", True), ("Hi.", False)]),
        ("A<THINK>b</Think>c", [("A", False), ("b", True), ("c", False)]),
        ("A<think>b", [("A", False), ("b", True)]),
        ("A</think>b", [("Ab", False)]),
        ("A<think>b<think>c</think>d", [("A", False), ("bc", True), ("d", False)]),
        ("a <th b <thin", [("a <th b <thin", False)]),
        ("a < b </thinker> <<think>c", [("a < b </thinker> <", False), ("c", True)]),
    ],
)
def test_tags_tell_thoughts_from_what_is_said(text: str, expected: list[tuple[str, bool]]) -> None:
    """Tags of any case, unclosed ones, stray ones and what only looks like one."""
    assert read([text]) == expected
    assert read(list(text)) == expected


def test_only_what_may_be_a_tag_waits() -> None:
    """A lone "<" costs one token's wait, a plain token none."""
    reader = ThoughtReader()

    assert reader.feed("3 <") == [Part("3 ", thought=False)]
    assert reader.feed(" 5") == [Part("< 5", thought=False)]


@given(torn_texts())
def test_tearing_the_stream_elsewhere_gives_the_same_thoughts(torn: tuple[str, list[str]]) -> None:
    """Tags may come in pieces."""
    text, tokens = torn

    assert read(tokens) == read([text])
