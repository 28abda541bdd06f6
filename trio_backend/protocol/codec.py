"""JSON to typed messages and back. The only file that knows that the wire is JSON."""

from __future__ import annotations

from typing import get_args

import attrs
import msgspec

from ..errors import ProtocolError
from .incoming import Incoming
from .outgoing import Audio, Outgoing


class _Head(msgspec.Struct):
    """Just enough of a message to know which one it is; the rest is skipped unread."""

    type: str


_head = msgspec.json.Decoder(_Head)
_decoders: dict[str, msgspec.json.Decoder[Incoming]] = {
    cls.type: msgspec.json.Decoder(cls) for cls in get_args(Incoming)
}
_encoder = msgspec.json.Encoder()
_prefixes: dict[type, bytes] = {
    cls: b'{"type":"%s"%s' % (cls.type.encode(), b"," if attrs.fields(cls) else b"")
    for cls in get_args(Outgoing)
}
# Nothing that anybody says looks like this: its quotes would be escaped.
_NO_SOUND = b'"audio":null'

# What a decoder raises for input that is wrong; RecursionError is for "[[[[…".
_WRONG = (msgspec.DecodeError, UnicodeError, RecursionError)


def decode(frame: str | bytes) -> Incoming:
    """One received frame as a message. Fields that the wire format does not have are ignored.

    Raises `ProtocolError` with code ``bad-message`` or ``unknown-type``; its text names the field, and
    repeats nothing that the client said.
    """
    if isinstance(frame, bytes):
        raise ProtocolError("bad-message", "binary frames are not understood: send JSON in text frames")
    try:
        name = _head.decode(frame).type
    except _WRONG as error:
        raise ProtocolError("bad-message", f"not a JSON object with a string 'type': {error}") from error
    decoder = _decoders.get(name)
    if decoder is None:
        raise ProtocolError("unknown-type", f"there is no message type {name[:40]!r}")
    try:
        return decoder.decode(frame)
    except _WRONG as error:
        raise ProtocolError("bad-message", f"{name}: {error}") from error


def encode(message: Outgoing) -> bytes:
    """``message`` as one JSON object in UTF-8."""
    if isinstance(message, Audio) and message.audio is not None:
        # Base64 needs no escaping, so nobody need look at each of its letters, nor copy it twice.
        before, _, after = encode(attrs.evolve(message, audio=None)).partition(_NO_SOUND)
        return b"".join([before, b'"audio":"', message.audio, b'"', after])
    # msgspec encodes attrs classes by itself, but leaves out class variables: hence the prefixes.
    return _prefixes[type(message)] + _encoder.encode(message)[1:]
