"""The reader of server-sent events: any cut of the bytes gives the same events."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_backend.engines.openai.deltas import LONGEST_EVENT, EventReader
from trio_backend.errors import AnswerTooLong

STREAM = (
    "\ufeffdata: one\n\n: a comment\ndata:two\r\nevent: x\r\n\r\ndata: half\rdata:  and half 😀\r\r"
    "data\n\nid: 1\n\ndata: \n\nretry: x\ndatabase: no\n\ndata: last\r\n\r\ndata: cut off"
).encode()
EVENTS = ["one", "two", "half\n and half 😀", "", "", "last"]


def test_events_are_read_as_the_standard_says() -> None:
    """Line ends of three kinds, comments, other fields; an event that does not end is none."""
    assert EventReader().feed(STREAM) == EVENTS


@given(st.lists(st.integers(0, len(STREAM)), max_size=30))
def test_any_cut_gives_the_same(cuts: list[int]) -> None:
    """Through a character, or between CR and LF."""
    reader, at, events = EventReader(), 0, []
    for cut in [*sorted(cuts), len(STREAM)]:
        events += reader.feed(STREAM[at:cut])
        at = cut
    assert events == EVENTS


@given(st.binary(max_size=200))
def test_no_bytes_are_refused(noise: bytes) -> None:
    """What is no UTF-8 is replaced."""
    EventReader().feed(noise)


@pytest.mark.parametrize("piece", [b"x" * 4_096, b"data: x\n" * 512, b":" * 4_096])
def test_what_never_ends_is_refused(piece: bytes) -> None:
    """And is not kept beyond its bound."""
    reader = EventReader()

    def feed() -> None:
        for _ in range(LONGEST_EVENT // 1_000):
            reader.feed(piece)

    with pytest.raises(AnswerTooLong):
        feed()


@pytest.mark.parametrize("cut", [1_000, 2**16, 2**20])
def test_an_event_may_be_as_long_in_pieces(cut: int) -> None:
    """And comments between its lines, which keep connections alive, are no part of it."""
    reader, half = EventReader(), "x" * (LONGEST_EVENT // 3)
    stream = f"data: {half}\n: {half}\ndata: {half}\n\n".encode()
    events = [event for at in range(0, len(stream), cut) for event in reader.feed(stream[at : at + cut])]
    assert events == [f"{half}\n{half}"]


def test_events_do_not_add_up() -> None:
    """Only one event is counted at a time."""
    reader = EventReader()
    for _ in range(8):
        assert reader.feed(b"data: " + b"x" * (LONGEST_EVENT // 2) + b"\n\n")
