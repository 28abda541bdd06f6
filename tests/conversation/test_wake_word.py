"""Wake words: who is addressed, who is not, and what is counted."""

from __future__ import annotations

import pytest

from trio_backend.config.character import WakeWordConfig
from trio_backend.conversation.wake_word import Counts, Heard, WakeWord

CONFIG = WakeWordConfig(
    enabled=True,
    wake_words={"en": ("Iris", "hey Iris", "AI"), "zh": ("你好小星",)},
    end_words={"en": ("thanks", "stop", "go to sleep"), "zh": ("再见",)},
    greeting="Yes?",
    farewell="Bye.",
    idle_timeout=30,
)
IGNORED = Heard("ignored")


def woken() -> WakeWord:
    """Awake since second 0."""
    wake_word = WakeWord(CONFIG)
    assert wake_word.hear("iris", 0).action == "wake_up"
    return wake_word


@pytest.mark.parametrize("text", ["he said so", "thanks for asking, go on", "stop sign", "irises", "", "…"])
def test_what_only_looks_like_a_phrase_wakes_nobody(text: str) -> None:
    """Parts of words, and other words."""
    wake_word = WakeWord(CONFIG)
    assert wake_word.hear(text, 0) == IGNORED
    assert not wake_word.awake


@pytest.mark.parametrize("text", ["he said so", "thanks for asking, go on", "stop sign", "I stop", "iris"])
def test_what_only_contains_an_end_phrase_is_answered(text: str) -> None:
    """Only the whole utterance puts it to sleep; all else goes to the model as it is."""
    wake_word = woken()
    assert wake_word.hear(text, 1) == Heard(request=text)
    assert wake_word.awake


@pytest.mark.parametrize(
    ("text", "phrase", "language", "request_"),
    [
        ("Hey, IRIS!", "hey Iris", "en", None),
        ("Well, hey Iris: what time is it?", "hey Iris", "en", "what time is it?"),
        ("iris", "Iris", "en", None),
        ("你好，小星！今天好吗？", "你好小星", "zh", "今天好吗？"),
        ("ＩＲＩＳ tell me more", "Iris", "en", "tell me more"),
    ],
)
def test_a_wake_phrase_is_greeted_and_what_follows_it_is_handled(
    text: str, phrase: str, language: str, request_: str | None
) -> None:
    """The greeting needs no model; what comes before the phrase was not meant for anybody."""
    wake_word = WakeWord(CONFIG)
    assert wake_word.hear(text, 0) == Heard("wake_up", "Yes?", request_, phrase, language)
    assert wake_word.awake


@pytest.mark.parametrize(
    ("text", "phrase"), [("Thanks!", "thanks"), ("go to sleep.", "go to sleep"), ("再见", "再见")]
)
def test_an_end_phrase_puts_it_to_sleep(text: str, phrase: str) -> None:
    """With a farewell, and then it has to be woken again."""
    wake_word = woken()
    heard = wake_word.hear(text, 1)
    assert (heard.action, heard.answer, heard.request, heard.phrase) == ("sleep", "Bye.", None, phrase)
    assert wake_word.hear("are you there?", 2) == IGNORED


def test_it_falls_asleep_when_nothing_is_said() -> None:
    """So long after the last word of anybody; asleep it never does."""
    wake_word = WakeWord(CONFIG)
    assert wake_word.idle_at() is None
    wake_word.hear("iris", 10)
    assert wake_word.idle_at() == 40
    wake_word.hear("tell me", 20)
    assert wake_word.idle_at() == 50
    wake_word.keep_awake(25)
    assert wake_word.idle_at() == 55
    assert wake_word.fall_asleep() == Heard("sleep")
    assert wake_word.idle_at() is None
    assert not wake_word.awake


def test_all_is_counted_and_the_counts_outlive_the_character() -> None:
    """They belong to the session."""
    counts = Counts()
    wake_word = WakeWord(CONFIG, counts)
    for text in ("hello?", "iris", "what?", "stop", "hello?", "hey iris"):
        wake_word.hear(text, 0)
    assert counts == Counts(wake_count=2, end_count=1, ignored_count=2)
    WakeWord(CONFIG, counts).hear("iris", 0)
    assert counts.wake_count == 3


def test_without_wake_words_everything_is_meant_for_it() -> None:
    """Off by default."""
    wake_word = WakeWord(WakeWordConfig())
    assert wake_word.hear("stop", 0) == Heard(request="stop")
    assert wake_word.idle_at() is None
    assert wake_word.counts == Counts()
