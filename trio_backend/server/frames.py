"""WebSocket frames as bytes: what RFC 6455, section 5, lays down of them."""

from __future__ import annotations

import struct

from ..protocol import Binary

try:
    # In C: 64 kB take 5 µs. In Python it takes ten times as long.
    from websockets.speedups import apply_mask as apply_mask
except ImportError:  # pragma: no cover
    from websockets.utils import apply_mask as apply_mask

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
OPCODES = (CONT, TEXT, BINARY, CLOSE, PING, PONG)
FIN, RESERVED, MASKED = 0x80, 0x70, 0x80
# Section 5.5: control frames carry no more, and are not fragmented.
CONTROL_SIZE = 125
# Bytes of a client's frame head, mask included, by the 7 bits that are the length or say where it is.
HEAD_SIZE = {126: 8, 127: 14}
HEAD_SIZE_SHORT = 6  # for all others
# Lengths above these take 16 and 64 bits.
SHORT, MEDIUM = 125, 2**16 - 1


def head(opcode: int, size: int) -> bytes:
    """The head of a server's frame that is a whole message of ``size`` bytes."""
    if size <= SHORT:
        return bytes((FIN | opcode, size))
    if size <= MEDIUM:
        return struct.pack("!BBH", FIN | opcode, 126, size)
    return struct.pack("!BBQ", FIN | opcode, 127, size)


def head_of(message: bytes) -> bytes:
    """The head of a server's frame that is the whole of ``message``: text, unless it is `Binary`."""
    return head(BINARY if isinstance(message, Binary) else TEXT, len(message))


def control(opcode: int, payload: bytes = b"") -> bytes:
    """A server's control frame; ``payload`` has at most `CONTROL_SIZE` bytes."""
    return bytes((FIN | opcode, len(payload))) + payload


def close(code: int, reason: str = "") -> bytes:
    """A close frame; of ``reason`` it holds as many characters as there is room for."""
    payload = struct.pack("!H", code) + reason.encode()[: CONTROL_SIZE - 2]
    # A character that was cut would make the reason invalid.
    return control(CLOSE, payload[:2] + payload[2:].decode(errors="ignore").encode())


def may_be_sent(code: int) -> bool:
    """Whether a close frame may hold ``code``: section 7.4, and the codes registered since."""
    return 1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999
