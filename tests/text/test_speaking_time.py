"""How long a text takes to say, and how far one came in it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_backend.text.speaking_time import beginning, seconds_to_say


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("", 0),
        (" \n", 0),
        # As long as espeak-ng says it at 165 words a minute, 3.1 s, and a slow voice, 3.6 s.
        ("The quick brown fox jumps over the lazy dog near the river.", 3.7),
        ("今天天气很好，我们去公园散步吧。", 3.1),
        ("きょうはいいてんきですね。", 2.7),
    ],
)
def test_a_text_lasts_about_as_long_as_a_voice_takes(text: str, seconds: float) -> None:
    """In scripts without spaces each character is a syllable."""
    assert seconds_to_say(text) == pytest.approx(seconds, abs=0.2)


@pytest.mark.parametrize(
    ("text", "share", "said"),
    [
        ("Hello there, my friend.", 0, ""),
        ("Hello there, my friend.", 0.1, ""),
        ("Hello there, my friend.", 0.25, "Hello"),
        ("Hello there, my friend.", 0.5, "Hello"),
        ("Hello there, my friend.", 0.55, "Hello there,"),
        ("Hello there, my friend.", 0.99, "Hello there, my"),
        ("Hello there, my friend.", 1, "Hello there, my friend."),
        ("Hello there, my friend.", 7, "Hello there, my friend."),
        ("今天天气很好。", 0.5, "今天天"),
        ("", 0.5, ""),
    ],
)
def test_a_sentence_that_was_cut_is_cut_at_a_word(text: str, share: float, said: str) -> None:
    """A word counts when it is over."""
    assert beginning(text, share) == said


@given(st.text(), st.floats(0, 2))
def test_what_was_said_is_a_beginning(text: str, share: float) -> None:
    """Of any text, and never longer than its share."""
    said = beginning(text, share)
    assert text.startswith(said)
    assert share >= 1 or len(said) <= len(text) * share


@given(st.text(), st.text())
def test_more_text_takes_longer(text: str, more: str) -> None:
    """Or as long."""
    assert seconds_to_say(text.strip() + more.strip()) >= seconds_to_say(text)
