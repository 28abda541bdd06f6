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
    door = WakeWord(CONFIG)
    assert door.hear("iris", 0).action == "wake_up"
    return door


@pytest.mark.parametrize("text", ["he said so", "thanks for asking, go on", "stop sign", "irises", "", "…"])
def test_what_only_looks_like_a_phrase_wakes_nobody(text: str) -> None:
    """Parts of words, and other words."""
    door = WakeWord(CONFIG)
    assert door.hear(text, 0) == IGNORED
    assert not door.awake


@pytest.mark.parametrize("text", ["he said so", "thanks for asking, go on", "stop sign", "I stop", "iris"])
def test_what_only_contains_an_end_phrase_is_answered(text: str) -> None:
    """Only the whole utterance puts it to sleep; all else goes to the model as it is."""
    door = woken()
    assert door.hear(text, 1) == Heard(request=text)
    assert door.awake


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
    door = WakeWord(CONFIG)
    assert door.hear(text, 0) == Heard("wake_up", "Yes?", request_, phrase, language)
    assert door.awake


@pytest.mark.parametrize(
    ("text", "phrase"), [("Thanks!", "thanks"), ("go to sleep.", "go to sleep"), ("再见", "再见")]
)
def test_an_end_phrase_puts_it_to_sleep(text: str, phrase: str) -> None:
    """With a farewell, and then it has to be woken again."""
    door = woken()
    heard = door.hear(text, 1)
    assert (heard.action, heard.answer, heard.request, heard.phrase) == ("sleep", "Bye.", None, phrase)
    assert door.hear("are you there?", 2) == IGNORED


def test_it_falls_asleep_when_nothing_is_said() -> None:
    """So long after the last word of anybody; asleep it never does."""
    door = WakeWord(CONFIG)
    assert door.idle_at() is None
    door.hear("iris", 10)
    assert door.idle_at() == 40
    door.hear("tell me", 20)
    assert door.idle_at() == 50
    door.keep_awake(25)
    assert door.idle_at() == 55
    assert door.fall_asleep() == Heard("sleep")
    assert door.idle_at() is None
    assert not door.awake


def test_all_is_counted_and_the_counts_outlive_the_character() -> None:
    """They belong to the session."""
    counts = Counts()
    door = WakeWord(CONFIG, counts)
    for text in ("hello?", "iris", "what?", "stop", "hello?", "hey iris"):
        door.hear(text, 0)
    assert counts == Counts(wake_count=2, end_count=1, ignored_count=2)
    WakeWord(CONFIG, counts).hear("iris", 0)
    assert counts.wake_count == 3


def test_without_wake_words_everything_is_meant_for_it() -> None:
    """Off by default."""
    door = WakeWord(WakeWordConfig())
    assert door.hear("stop", 0) == Heard(request="stop")
    assert door.idle_at() is None
    assert door.counts == Counts()
