"""Microphones: each sentence once, whoever found it, and in memory only while it is needed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_backend.audio.endpointing import Edge, Rules
from trio_backend.conversation.microphone import Microphone, Stream
from trio_backend.engines.asr.scripted import read, write
from trio_backend.errors import ProtocolError

RULES = Rules(required_misses=10)
HANG_OVER = 0.32


def speech(text: str, seconds: float = 0.5) -> bytes:
    """Somebody says ``text``."""
    return write(text, seconds=seconds).samples


def quiet(seconds: float) -> bytes:
    """Nobody says anything."""
    return bytes(2 * round(16_000 * seconds))


class Listener:
    """A microphone with a stream, fed on a clock of its own."""

    def __init__(self, limit: float = 60) -> None:
        self.microphone = Microphone(limit)
        self.microphone.stream = Stream.of(RULES, limit=limit)
        self.now = 0.0

    def hear(self, sound: bytes) -> list[Edge]:
        """The edges in ``sound``, which takes as long as it is."""
        stream, edges = self.microphone.stream, []
        assert stream is not None
        for window in stream.windows(sound):
            self.now += 0.032
            edge = stream.judge(window, 1.0, self.now)
            edges += [edge] if edge is not None else []
        return edges

    def end(self) -> str | None:
        """What the utterance says that is complete now."""
        spoken = self.microphone.end(self.now)
        return None if spoken is None else read(spoken.sound)


@given(st.lists(st.integers(1, 9000), max_size=12))
def test_the_stream_gives_the_same_utterance_however_it_is_cut(cuts: list[int]) -> None:
    """With all of its first word, and what was just before it."""
    sound = quiet(2) + speech("Tell me") + quiet(0.2) + speech(" more.") + quiet(1)
    whole, torn = Listener(), Listener()
    assert whole.hear(sound) == [Edge.STARTED, Edge.ENDED]
    at, edges = 0, []
    for cut in cuts:
        edges += torn.hear(sound[at : at + 2 * cut])
        at += 2 * cut
    edges += torn.hear(sound[at:])
    assert edges == [Edge.STARTED, Edge.ENDED]
    ends = whole.microphone.end(9), torn.microphone.end(9)
    assert ends[0] is not None
    assert ends[1] is not None
    first, second = ends[0].sound, ends[1].sound
    assert first == second
    assert read(first) == "Tell me more."
    assert first.seconds > 1.2


def test_a_sentence_that_the_browser_sends_later_is_the_same() -> None:
    """The server's was answered; the browser's, half a second later, is not answered again."""
    listener = Listener()
    listener.hear(speech("Hello.", 1) + quiet(0.5))
    assert listener.end() == "Hello."
    listener.now += 0.5
    listener.microphone.add(speech("Hello.", 1.5))
    assert listener.end() is None
    assert listener.end() is None


def test_a_sentence_that_the_browser_sends_first_is_not_found_again() -> None:
    """What the stream still brings of it is silence."""
    listener = Listener()
    listener.hear(speech("Hello.", 1))
    listener.microphone.add(speech("Hello.", 1))
    assert listener.end() == "Hello."
    assert listener.hear(quiet(2)) == []
    assert listener.end() is None


def test_the_next_sentence_is_another() -> None:
    """However soon it follows, and whoever finds it."""
    listener = Listener()
    listener.hear(speech("One.", 1) + quiet(0.5))
    assert listener.end() == "One."
    assert listener.hear(speech("Two.", 1) + quiet(0.5)) == [Edge.STARTED, Edge.ENDED]
    assert listener.end() == "Two."
    listener.now += 2
    listener.microphone.add(speech("Three.", 1))
    assert listener.end() == "Three."


def test_an_end_in_the_middle_takes_what_was_said_so_far() -> None:
    """The rest is an utterance of its own."""
    listener = Listener()
    listener.hear(speech("One", 0.6))
    assert listener.end() == "One"
    assert listener.hear(speech(" two.", 0.6) + quiet(0.5)) == [Edge.STARTED, Edge.ENDED]
    assert listener.end() == " two."


def test_what_nobody_asked_for_gives_way() -> None:
    """Of two sentences that the client did not end, the last one counts."""
    listener = Listener()
    listener.hear(speech("One.", 0.6) + quiet(0.5) + speech("Two.", 0.6) + quiet(0.5))
    assert listener.end() == "Two."
    assert listener.end() is None


def test_too_long_is_told_once_and_the_next_one_is_heard() -> None:
    """By the client's ends, and in the stream, where such an utterance has no end."""
    listener = Listener(limit=2)
    listener.microphone.add(speech("a", 1.5))
    with pytest.raises(ProtocolError, match="longer than 2 s") as caught:
        listener.microphone.add(speech("b", 1))
    assert caught.value.code == "utterance-too-long"
    listener.microphone.add(speech("c", 1))
    assert listener.end() is None
    listener.microphone.add(speech("d", 1))
    assert listener.end() == "d"

    listener.hear(quiet(5))
    with pytest.raises(ProtocolError, match="longer than 2 s"):
        listener.hear(speech("e", 3))
    assert listener.hear(speech("f", 1) + quiet(1)) == []
    assert listener.end() is None
    assert listener.hear(speech("g", 1) + quiet(1)) == [Edge.STARTED, Edge.ENDED]
    assert listener.end() == "g"


def test_without_a_stream_nothing_is_found() -> None:
    """A client that only writes, and presses a button by mistake."""
    assert Microphone(60).end(0) is None


def test_a_sentence_taken_in_its_middle_is_not_answered_again() -> None:
    """The browser, which sends the same one half a second later, has begun it before that."""
    listener = Listener()
    listener.hear(speech("Hello", 1))
    assert listener.end() == "Hello"
    listener.now += 0.5
    listener.microphone.add(speech("Hello.", 1.4))
    assert listener.end() is None


def test_what_follows_within_the_hang_over_is_another_sentence() -> None:
    """A sentence was over when its last word was, not when that was noticed."""
    listener = Listener()
    listener.hear(speech("One.", 1) + quiet(0.6))
    assert listener.end() == "One."
    listener.now = 2.3
    listener.microphone.add(speech("Two.", 1))
    assert listener.end() == "Two."


def test_an_utterance_has_nothing_of_the_one_that_was_cut_before_it() -> None:
    """Not even as what was just before it."""
    listener = Listener()
    listener.hear(speech("One", 0.96))
    assert listener.end() == "One"
    listener.hear(speech(" two.", 0.96) + quiet(0.6))
    spoken = listener.microphone.end(listener.now)
    assert spoken is not None
    assert spoken.sound.seconds < 0.96 + HANG_OVER + 0.3
