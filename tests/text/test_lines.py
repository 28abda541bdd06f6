"""Lines: a reply as it is shown, spoken and acted."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_backend.text.lines import Line, LineReader, SpeechFilters, joined, lines_of, spaced_as
from trio_backend.text.thoughts import ThoughtReader

from .streams import ink, texts, torn_texts


def read(tokens: Iterable[str], *, first_early: bool = False) -> list[Line]:
    """The lines of ``tokens``, for a face that knows joy and sadness."""
    tags = ThoughtReader()
    reader = LineReader(["joy", "Sadness"], SpeechFilters(), first_early=first_early)
    parts = [part for token in tokens for part in tags.feed(token)] + tags.flush()
    return [line for part in parts for line in reader.feed(part.text, thought=part.thought)] + reader.flush()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[joy] Hello there!", [Line("[joy] Hello there!", "Hello there!", "Hello there!", ("joy",))]),
        (
            "Hi! [SADNESS] Bye. No. [laughs]",
            [
                Line("Hi!", "Hi!", "Hi!"),
                Line(" [SADNESS] Bye.", "Bye.", "Bye.", ("sadness",)),
                Line(" No.", "No.", "No."),
                Line(" [laughs]", "[laughs]", ""),
            ],
        ),
        (
            "[joy]\n\n[sadness]\nHi.\n[joy]\n",
            [
                Line("[joy]\n\n[sadness]\nHi.", "Hi.", "Hi.", ("joy", "sadness")),
                Line("\n[joy]", "", "", ("joy",)),
            ],
        ),
        ("Great! [joy]", [Line("Great!", "Great!", "Great!"), Line(" [joy]", "", "", ("joy",))]),
        (
            "太好了！[joy]我来。",
            [Line("太好了！", "太好了！", "太好了！"), Line("[joy]我来。", "我来。", "我来。", ("joy",))],
        ),
        (
            "<think>Hm. [joy] What?</think>Yes<think>no",
            [
                Line("Hm.", "(Hm.)", "", thought=True),
                Line(" [joy] What?", "(What?)", "", thought=True),
                Line("Yes", "Yes", "Yes"),
                Line("no", "(no)", "", thought=True),
            ],
        ),
        (
            "[joy] <think>[joy]</think> <think>a</think> Hi",
            [Line("a", "(a)", "", thought=True), Line("[joy]  Hi", "Hi", "Hi", ("joy",))],
        ),
        (
            "[joy]\n```\n[joy] x. y\n```\n...",
            [
                Line("[joy]\n```\n[joy] x. y\n```", "```\n[joy] x. y\n```", "", ("joy",)),
                Line("\n...", "...", ""),
            ],
        ),
        ("*waves* (Hi.) 😊", [Line("*waves* (Hi.)", "*waves* (Hi.)", ""), Line(" 😊", "😊", "")]),
        (" \n ", []),
    ],
)
def test_a_reply_is_read_as_lines(text: str, expected: list[Line]) -> None:
    """Keywords go with the text after them, thoughts are lines of their own, code is not spoken."""
    assert read([text]) == expected
    assert read(text) == expected


def test_the_first_line_may_come_early() -> None:
    """Sound starts at the first comma, also after a thought."""
    lines = read(["<think>Oh well, ok, fine.</think>[joy] Oh well then, let me see, ok."], first_early=True)

    assert [line.display for line in lines] == ["(Oh well, ok, fine.)", "Oh well then,", "let me see, ok."]


def test_a_whole_text_is_read_as_its_pieces_are() -> None:
    """With its thoughts, and without emotions."""
    assert lines_of("Hi! <think>Hm.</think>[joy] Bye.", SpeechFilters()) == [
        Line("Hi!", "Hi!", "Hi!"),
        Line("Hm.", "(Hm.)", "", thought=True),
        Line("[joy] Bye.", "[joy] Bye.", "Bye."),
    ]


def test_a_line_ends_where_a_thought_begins() -> None:
    """And a piece without text is no piece."""
    reader = LineReader([], SpeechFilters(), first_early=False)
    assert reader.feed("Well") == []
    assert reader.feed("", thought=True) == []
    assert reader.feed("Hm", thought=True) == [Line("Well", "Well", "Well")]
    assert reader.feed("", thought=False) == []
    assert reader.feed(", I see.", thought=True) == []
    assert reader.flush() == [Line("Hm, I see.", "(Hm, I see.)", "", thought=True)]


def test_a_token_without_keywords_of_this_face_leaves_them_to_be_read() -> None:
    """What another face could show is but a bracket to this one."""
    reader = LineReader([], SpeechFilters(ignore_brackets=False), first_early=False)

    assert reader.feed("[joy] Hi. ") == [Line("[joy] Hi.", "[joy] Hi.", "[joy] Hi.")]


@given(torn_texts(), st.booleans())
def test_tearing_the_stream_elsewhere_gives_the_same_lines(
    torn: tuple[str, list[str]], first_early: bool
) -> None:
    """Neither what is shown, nor what is spoken, nor the face depends on a model's tokens."""
    text, tokens = torn

    assert read(tokens, first_early=first_early) == read([text], first_early=first_early)
    assert read(text, first_early=first_early) == read([text], first_early=first_early)


@given(texts.filter(lambda text: "<" not in text))
def test_sources_make_up_what_the_model_wrote(text: str) -> None:
    """Memory gets the reply with nothing but white space lost."""
    sources = [line.source for line in read([text])]

    assert ink("".join(sources)) == ink(text)
    assert ink(joined(sources)) == ink(text)


@pytest.mark.parametrize(
    ("parts", "whole"),
    [
        (["Hello.", "How are you?"], "Hello. How are you?"),
        (["Hello.", " How", "\nare you?"], "Hello. How\nare you?"),
        (["你好！", "我是小明。", "OK.", "好"], "你好！我是小明。OK.好"),
        (["“Hi.”", "", "“Bye.”"], "“Hi.” “Bye.”"),
        ([" Hi. ", "there "], "Hi. there"),
        ([], ""),
    ],
)
def test_sentences_join_as_their_language_does(parts: list[str], whole: str) -> None:
    """A space where English wants one, none in Chinese and Japanese, and what was written as it was."""
    assert joined(parts) == whole


@pytest.mark.parametrize(
    ("beginning", "expected"),
    [
        ("One two.Three", "One two. Three"),
        ("One two. Three", "One two. Three"),
        (" One  two.\nThree ", "One two. Three"),
        ("One two.Thr", "One two. Thr"),
        ("One two.Three four.", "One two. Three four."),
        ("", ""),
        ("Two.Three", "Two.Three"),
        ("One two.Three four. And five.", "One two.Three four. And five."),
    ],
)
def test_a_beginning_has_the_spaces_of_the_whole(beginning: str, expected: str) -> None:
    """And what is none stays as it is."""
    assert spaced_as("One two. Three four.", beginning) == expected


@given(st.text(alphabet="ab \n", max_size=20), st.integers(0, 20))
def test_a_beginning_without_spaces_finds_its_own(whole: str, length: int) -> None:
    """Whatever it is cut at."""
    beginning = whole[:length].rstrip()
    assert spaced_as(whole, ink(beginning)) == (beginning if ink(beginning) else "")
