"""WebSocket frames behind a good handshake: valid ones, fragments, control frames, and wrong ones."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from random import Random

from tests.server.raw_client import (
    BINARY,
    CLOSE,
    CONT,
    MASK,
    PING,
    PONG,
    TEXT,
    announce,
    close_frame,
    frame,
    handshake,
)

from . import messages
from .case import Case, mutate

PATHS = ("/client-ws", "/client-ws", "/tts-ws", "/proxy-ws?room=fuzz", "/proxy-ws")
CODES = (
    0,
    999,
    1000,
    1001,
    1002,
    1004,
    1005,
    1006,
    1007,
    1011,
    1012,
    1015,
    1016,
    2999,
    3000,
    4999,
    5000,
    65535,
)
BAD_TEXTS = (b"\xff", b"\xc0\xaf", b"\xed\xa0\xbd", b"\xf4\x90\x80\x80", b"ok \xce", b"\xe2\x82", b"\x80")
PER_CASE = 8


def generate(rng: Random, corpus: Sequence[bytes]) -> Case:
    """A handshake and about eight frames behind it."""
    if corpus and rng.random() < 0.1:
        return Case(mutate(rng, rng.choice(corpus)), PER_CASE)
    frames = [one(rng) for _ in range(rng.randint(1, 2 * PER_CASE - 1))]
    sent = b"".join(frames)
    if rng.random() < 0.2:
        sent = mutate(rng, sent)
    return Case(handshake(rng.choice(PATHS)) + sent, len(frames))


def one(rng: Random) -> bytes:
    """One frame, or the frames of one message."""
    match rng.randrange(16):
        case 0 | 1 | 2 | 3:
            return frame(TEXT, messages.message(rng))
        case 4 | 5:
            return _fragmented(rng, messages.message(rng))
        case 6:
            return frame(BINARY, rng.randbytes(rng.choice((0, 1, 125, 126, 3200, 65_536))))
        case 7:
            return frame(rng.choice((PING, PONG)), rng.randbytes(rng.choice((0, 5, 125, 126, 3000))))
        case 8:
            reason = rng.choice((b"", b"bye", b"\xff", b"r" * 123, b"r" * 124))
            return close_frame(rng.choice(CODES), reason) if rng.random() < 0.9 else frame(CLOSE, b"\x03")
        case 9:
            return frame(TEXT, rng.choice(BAD_TEXTS) * rng.choice((1, 50)), fin=rng.random() < 0.7)
        case 10:
            return frame(TEXT, b"{}", reserved=rng.randrange(1, 8))
        case 11:
            return frame(rng.choice((3, 4, 7, 11, 15)), b"x" * rng.randrange(4))
        case 12:
            return frame(TEXT, b"unmasked", mask=False)
        case 13:
            size = rng.choice((0, 10, 200, 65_535, 70_000, 2**23 + 1, 2**31, 2**62, 2**63, 2**64 - 1))
            return (
                announce(0x80 | rng.choice((TEXT, BINARY, PING)), size)
                + MASK
                + rng.randbytes(rng.randrange(200))
            )
        case 14:
            return _not_minimal(rng)
        case _:
            return rng.randbytes(rng.randrange(1, 64))


def _fragmented(rng: Random, payload: bytes) -> bytes:
    """The message in fragments, sometimes with control frames between them, or without its end."""
    sent = b""
    count = rng.choice((2, 3, 10))
    size = max(1, len(payload) // count + 1)
    for number, start in enumerate(range(0, max(1, len(payload)), size)):
        last = start + size >= len(payload) and rng.random() < 0.9
        sent += frame(TEXT if number == 0 else CONT, payload[start : start + size], fin=last)
        if rng.random() < 0.2:
            sent += frame(rng.choice((PING, PONG)), b"between")
        if rng.random() < 0.03:
            sent += frame(TEXT, b"a new message inside")
    return sent


def _not_minimal(rng: Random) -> bytes:
    """A length written with more bytes than it takes."""
    payload = b'{"type":"heartbeat"}'
    masked = frame(TEXT, payload)[2:]
    if rng.random() < 0.5:
        return struct.pack("!BBH", 0x81, 0x80 | 126, len(payload)) + masked
    return struct.pack("!BBQ", 0x81, 0x80 | 127, len(payload)) + masked
