"""`Inbound`: frames to messages, wherever the network cuts them."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.server.raw_client import BINARY, CONT, PING, TEXT, frame
from trio_backend.server.inbound import Inbound

messages = st.lists(st.one_of(st.text(max_size=200), st.binary(max_size=200)), max_size=5)


@st.composite
def conversations(draw: st.DrawFn) -> tuple[list[str | bytes], bytes]:
    """Messages, and the bytes of them in fragments with pings in between."""
    said = draw(messages)
    sent = bytearray()
    for message in said:
        data = message.encode() if isinstance(message, str) else message
        cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=4)))
        edges = [0, *cuts, len(data)]
        opcode = TEXT if isinstance(message, str) else BINARY
        for number, (begin, end) in enumerate(pairwise(edges)):
            sent += frame(opcode, data[begin:end], fin=number == len(cuts))
            opcode = CONT
            if draw(st.booleans()):
                sent += frame(PING, b"?")
    return said, bytes(sent)


def understand(sent: bytes, cuts: list[int]) -> list[str | bytes]:
    """What the server understands of these bytes, cut at these places."""
    inbound = Inbound(2**20)
    messages = []
    edges = [0, *sorted(cut % (len(sent) + 1) for cut in cuts), len(sent)]
    for begin, end in pairwise(edges):
        inbound.feed(sent[begin:end])
        while inbound.unparsed:
            inbound.parse()
            if inbound.message is not None:
                messages.append(inbound.take())
    assert inbound.end is None
    assert not inbound.unfinished
    assert inbound.held == 0
    return messages


@given(conversations(), st.lists(st.integers(0, 10_000), max_size=10))
def test_cutting_the_bytes_anywhere_gives_the_same_messages(
    conversation: tuple[list[str | bytes], bytes], cuts: list[int]
) -> None:
    """TCP may cut where it likes, clients may fragment how they like: what was said was said."""
    said, sent = conversation
    assert understand(sent, cuts) == said


@given(st.binary(max_size=300))
def test_no_bytes_make_it_fail(garbage: bytes) -> None:
    """Whatever a client sends, it gives messages or an end with a code, and never an exception."""
    inbound = Inbound(100)
    inbound.feed(garbage)
    while inbound.unparsed:
        inbound.parse()
        if inbound.message is not None:
            inbound.take()
    if inbound.end is not None:
        assert 1000 <= inbound.end[0] < 5000


def test_bytes_are_parsed_before_more_are_fed() -> None:
    """Or some would be lost."""
    inbound = Inbound(100)
    inbound.feed(frame(TEXT, b"one"))
    with pytest.raises(AssertionError):
        inbound.feed(frame(TEXT, b"two"))


def test_the_first_end_counts() -> None:
    """A connection fails once, and has one close frame."""
    inbound = Inbound(100)
    inbound.fail(1008, "first")
    inbound.fail(1009, "second")
    assert inbound.end == (1008, "first")
    assert len(inbound.replies) == 2


@pytest.mark.parametrize("wrong", [b"\xff", b"\xc3\x28", b"\xed\xa0\x80"])
def test_what_no_text_can_hold_ends_the_connection_before_the_text_has_ended(wrong: bytes) -> None:
    """However much is still to come; half a character is no mistake yet."""
    inbound = Inbound(1000)
    inbound.feed(frame(TEXT, b"abc\xc3", fin=False))
    inbound.parse()
    inbound.feed(frame(CONT, b"\xa4" + wrong, fin=False))
    inbound.parse()
    assert inbound.end is not None
    assert inbound.end[0] == 1007
    assert "position 5" in inbound.end[1]


@pytest.mark.parametrize("size", [b"\xfe\x00\x05", b"\xff\x00\x00\x00\x00\x00\x00\x00\x05"])
def test_a_length_is_as_short_as_it_can_be(size: bytes) -> None:
    """Section 5.2: or one message could be written in several ways."""
    inbound = Inbound(1000)
    inbound.feed(b"\x81" + size + bytes(4) + b"Hello")
    inbound.parse()
    assert inbound.end is not None
    assert inbound.end[0] == 1002


@pytest.mark.parametrize("size", [1, 10, 11, 125])
def test_the_limit_is_for_the_shortest_messages_too(size: int) -> None:
    """Those that are parsed in one step."""
    inbound = Inbound(10)
    inbound.feed(frame(TEXT, b"x" * size))
    inbound.parse()
    assert inbound.message == ("x" * size if size <= 10 else None)
    assert (inbound.end is not None) == (size > 10)


def test_nothing_is_delivered_after_a_discard() -> None:
    """Of what comes whole in one short frame, too."""
    inbound = Inbound(100)
    inbound.discard()
    inbound.feed(frame(TEXT, b"late"))
    inbound.parse()
    assert inbound.message is None
    assert inbound.end is None


def test_a_short_message_does_not_interrupt_another() -> None:
    """Section 5.4: the fragments of a message come before the next one."""
    inbound = Inbound(100)
    for part in (frame(TEXT, b"begun", fin=False), frame(TEXT, b"whole")):
        inbound.feed(part)
        inbound.parse()
    assert inbound.message is None
    assert inbound.end == (1002, "the message before has not ended")
