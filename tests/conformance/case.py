"""`Case`: something that a client sends, and all that a server must answer."""

from __future__ import annotations

import hashlib

import attrs

from tests.server.raw_client import CLOSE, PONG, TEXT, close_frame

# What the server sends: the first byte of a frame, and its payload.
Frames = tuple[tuple[int, bytes], ...]
MAX_SIZE = 300_000
"""Bytes of the largest message that the server under test takes."""


@attrs.frozen
class Case:
    """``sent`` in one write; ``answer`` is every frame that comes back, up to the end of the connection.

    Where the connection stays open, the client closes it at last, with code 1000.
    """

    section: str
    """Of RFC 6455."""
    name: str
    sent: bytes = attrs.field(repr=False)
    answer: Frames

    @property
    def chopped(self) -> bool:
        """Whether it is worth sending byte by byte, too."""
        return len(self.sent) < 500


def good(section: str, name: str, sent: bytes, *answer: tuple[int, bytes]) -> Case:
    """After this the connection is as good as before; the client says goodbye."""
    return Case(section, name, sent + close_frame(1000), (*answer, closed(1000)))


def bad(section: str, name: str, sent: bytes, code: int, *before: tuple[int, bytes]) -> Case:
    """The server fails the connection with ``code``, after these answers."""
    return Case(section, name, sent, (*before, closed(code)))


def text(payload: bytes) -> tuple[int, bytes]:
    """The echo of a text."""
    return 0x80 | TEXT, payload


def binary(payload: bytes) -> tuple[int, bytes]:
    """What the server under test says to a binary message, since it sends none itself."""
    return 0x80 | TEXT, description(payload)


def pong(payload: bytes = b"") -> tuple[int, bytes]:
    """The answer to a ping."""
    return 0x80 | PONG, payload


def closed(code: int) -> tuple[int, bytes]:
    """A close frame; what it gives for a reason is not compared. 1005 has no payload."""
    return 0x80 | CLOSE, code.to_bytes(2, "big") if code != 1005 else b""


def description(payload: bytes) -> bytes:
    """``payload`` in words."""
    return b"%d bytes, %s" % (len(payload), hashlib.sha256(payload).hexdigest()[:16].encode())
