"""Utterances: every sample once, bounded, and cheap."""

from __future__ import annotations

import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from trio_backend.audio.utterance import RATE, Utterance

SECOND = bytes(2 * RATE)


@given(st.lists(st.binary(max_size=200).map(lambda data: data[: len(data) // 2 * 2]), max_size=50))
def test_it_is_what_was_appended(chunks: list[bytes]) -> None:
    """However it came, nothing is lost and nothing is doubled; taking it begins anew."""
    utterance = Utterance(limit=1)
    assert all(utterance.append(chunk) for chunk in chunks)
    assert utterance.take().samples == b"".join(chunks)
    assert utterance.take().samples == b""


def test_the_second_beyond_the_limit_drops_it_all_and_is_told_once() -> None:
    """The rest of the sentence is ignored, too; the next one is heard."""
    utterance = Utterance(limit=2)
    assert utterance.append(SECOND)
    assert utterance.append(SECOND)
    assert utterance.seconds == 2
    assert not utterance.append(b"\0\0")
    assert utterance.append(SECOND)
    assert utterance.too_long
    assert utterance.take().samples == b""
    assert utterance.append(SECOND)
    assert utterance.take().seconds == 1


def test_a_minute_is_in_memory_once() -> None:
    """A minute of 16-bit samples is 1.92 MB; filling and taking it never needs as much again."""
    chunk = bytes(8192)
    tracemalloc.start()
    utterance = Utterance(limit=60)
    for _ in range(60 * 2 * RATE // len(chunk)):
        utterance.append(chunk)
    sound = utterance.take()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(sound.samples) > 1_900_000
    assert peak < 2_500_000
