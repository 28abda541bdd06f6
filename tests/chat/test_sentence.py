"""What of a reply had been heard at a moment."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_backend.chat.sentence import SpokenSentence, cut_at_word, heard


@pytest.mark.parametrize(
    ("text", "share", "cut"),
    [
        ("One two three.", 0.0, ""),
        ("One two three.", 0.15, ""),
        ("One two three.", 0.25, "One"),
        ("One two three.", 0.5, "One two"),
        ("One two three.", 0.99, "One two"),
        ("One two three.", 1.0, "One two three."),
        ("One two three.", 1.7, "One two three."),
        ("你好，我是米娅。", 0.5, "你好，我"),
        ("我叫Mia，你呢？", 0.4, "我叫"),
    ],
)
def test_a_sentence_is_cut_at_a_word(text: str, share: float, cut: str) -> None:
    """A word that was not heard to its end was not heard; Chinese is cut at any character."""
    assert cut_at_word(text, share) == cut


@given(st.text(), st.floats(0, 2), st.floats(0, 2))
def test_more_time_never_means_less_heard(text: str, one: float, other: float) -> None:
    """What was heard is a beginning of the text, and grows."""
    shorter, longer = cut_at_word(text, min(one, other)), cut_at_word(text, max(one, other))
    assert text.startswith(longer)
    assert longer.startswith(shorter)


def test_heard_are_the_finished_sentences_and_a_share_of_the_current_one() -> None:
    """Thoughts are not heard, and what has not begun neither."""
    thought = SpokenSentence("(She seems sad.)")
    first = SpokenSentence("Hello there.", b"wav", 2.0)
    second = SpokenSentence("How are you?", b"wav", 3.0)
    third = SpokenSentence("Tell me.", b"wav", 1.0)
    reply = [thought, first, second, third]
    assert heard(reply, 10) == ""

    thought.finish()
    first.begin(10)
    first.finish()
    second.begin(12)

    assert heard(reply, 12) == "Hello there."
    assert heard(reply, 13) == "Hello there. How"
    assert heard(reply, 14) == "Hello there. How are"


def test_what_stands_in_parentheses_and_sounds_is_no_thought() -> None:
    """Only what comes without sound is thought."""
    assert SpokenSentence("(Hm.)").thought
    assert SpokenSentence("（嗯。）").thought
    assert not SpokenSentence("(Hm.)", b"wav", 1.0).thought
    assert not SpokenSentence("(Hm.) Well.").thought
