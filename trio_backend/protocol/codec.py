"""JSON to typed messages and back. The only file that knows that the wire is JSON.

`read_head` is for relays, which pass a server's message on as it came: it reads the head alone.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from typing import get_args

import attrs
import msgspec

from ..errors import ProtocolError
from ..identity import RequestId
from .incoming import Incoming
from .outgoing import Control, Error, HistoryList, Latency, Outgoing
from .sound import Audio, AudioPiece, SoundFrame, encode_frame

LARGE = 128 * 1024
"""Characters of a message that is decoded in steps. Below, the costliest takes 5 ms; a chunk of 4096 samples
has 80 000."""
PLAIN = 2**20
"""Bytes of a large message that are no pictures: the longest text that ``max_text`` can allow, in any script
and written with escapes too; 4 ms."""
# Steps of about a millisecond, whatever is in them.
_SLICE = 64 * 1024
_LARGE_HEAD = re.compile(rb'\s*\{\s*"type"\s*:\s*"([a-z-]*)"\s*,\s*')
_SOUND = re.compile(rb'"audio"\s*:\s*\[')
_SOUNDS = ("mic-audio-data", "raw-audio-data")
_PICTURE = b'"data:image/'
# Bytes of plain text that cost as much as a picture without its data.
_PICTURE_COST = 200
# Of a message with a dozen pictures.
_FEW_QUOTES = 200


class Utf8(bytes):
    """A large text frame as it came, in UTF-8. As `str`, one emoji would make it four times as large."""


@attrs.frozen
class Decoded:
    """A message that was decoded already; ``size`` is the length of the frame that it came in.

    The events of the turn that answers it have its ``request``, where it has one.
    """

    message: Incoming
    size: int
    request: RequestId | None = None


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
# Never part of a text: quotes within a text are escaped.
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
        raise unknown_type(name)
    try:
        return decoder.decode(frame)
    except _WRONG as error:
        raise ProtocolError("bad-message", f"{name}: {error}") from error


def decode_steps(frame: str | bytes) -> Iterator[Incoming | None]:
    """As `decode`, for frames of any size: no step takes more than a few milliseconds.

    Gives None where other tasks may have their turn. A large piece of sound comes as several messages, which
    mean the same. Of large messages two more things are asked: that the type comes first, and that only sound
    and pictures make them larger than `PLAIN`. Otherwise 8 MiB of numbers would take 130 ms to decode, of
    small objects 340, of one picture 4. A thread would not help: the decoder holds the interpreter's lock.
    """
    if isinstance(frame, Utf8):
        data: bytes = frame
    elif isinstance(frame, bytes) or len(frame) <= LARGE:
        yield decode(frame)
        return
    else:
        data = yield from _encoded(frame)
    head = _LARGE_HEAD.match(data[:1024])
    if head is None:
        limit = f"a message of more than {LARGE // 1024} kB"
        raise ProtocolError("bad-message", f"{limit} must be a JSON object that begins with its 'type'")
    name = head[1].decode()
    sound = _SOUND.match(data[head.end() : 1024])
    if sound is not None and name in _SOUNDS:
        yield from _decode_sound(name, data, head.end() + sound.end())
        return
    if name not in _decoders:
        raise unknown_type(name)
    # Numbers that are taken are eight times as costly as what is skipped.
    yield from _weigh(name, data, LARGE if name in _SOUNDS else PLAIN)
    yield _decode_as(name, data)


def unknown_type(name: str) -> ProtocolError:
    """That there is no such message; also for those that this client may not send."""
    return ProtocolError("unknown-type", f"there is no message type {name[:40]!r}")


def _decode_as(name: str, data: bytes) -> Incoming:
    try:
        return _decoders[name].decode(data)
    except _WRONG as error:
        raise ProtocolError("bad-message", f"{name}: {error}") from error


def _encoded(frame: str) -> Generator[None, None, bytes]:
    """``frame`` in UTF-8. The decoder would do that in one step: 8 ms for 8 MiB that are not ASCII."""
    if frame.isascii():
        return frame.encode()
    pieces = []
    for begin in range(0, len(frame), _SLICE):
        pieces.append(frame[begin : begin + _SLICE].encode())
        yield
    return b"".join(pieces)


def _decode_sound(name: str, data: bytes, at: int) -> Iterator[Incoming]:
    """The samples in ``data`` from ``at`` on: each slice of them is a message, and so is the rest."""
    head = b'{"type":"%s","audio":[' % name.encode()
    while len(data) - at > _SLICE:
        end = data.rfind(b",", at, at + _SLICE)
        if end <= at:
            raise ProtocolError("bad-message", f"{name}: 'audio' must be a list of numbers")
        yield _decode_as(name, b"%s%s]}" % (head, data[at:end]))
        at = end + 1
    yield _decode_as(name, head + data[at:])


def _weigh(name: str, data: bytes, most: int) -> Iterator[None]:
    """Raise `ProtocolError` if more than ``most`` bytes of ``data`` are no pictures."""
    # To search for pictures takes as long as decoding. For one byte it takes a thirtieth, and a picture has
    # two quotes, so that mostly the quotes say that there cannot be too much.
    quotes, at = 0, data.find(b'"')
    while at >= 0 and quotes < _FEW_QUOTES:
        quotes, at = quotes + 1, data.find(b'"', at + 1)
    if at < 0 and len(data) + quotes * _PICTURE_COST // 2 <= most:
        return
    plain = at = 0
    while plain <= most and at < len(data):
        begin = data.find(_PICTURE, at)
        end = data.find(b'"', begin + 1) if begin >= 0 else -1
        if end < 0:
            begin = end = len(data)
        # Each picture is an object to be made, however short it is.
        plain += begin - at + _PICTURE_COST
        at = end
        picture = data[begin:end]
        # Base64 has no escapes and no other letters: with them it would be costly to decode.
        if not picture.isascii() or b"\\" in picture:
            plain += len(picture)
        yield
    if plain > most:
        limit = f"more than {most // 1024} kB that are no pictures"
        raise ProtocolError("too-much-data", f"{name}: this message has {limit}: send less at once")


def encode(message: Outgoing | SoundFrame) -> bytes:
    """``message`` as one JSON object in UTF-8, or as a `Binary` frame."""
    if isinstance(message, SoundFrame):
        return encode_frame(message)
    if isinstance(message, Audio | AudioPiece) and message.audio is not None:
        # Base64 needs no escaping, so no encoder need look at each of its letters, nor copy it twice: 34 µs
        # instead of 227 for ten seconds of sound at 24 kHz.
        before, _, after = encode(attrs.evolve(message, audio=None)).partition(_NO_SOUND)
        return b"".join([before, b'"audio":"', message.audio, b'"', after])
    # msgspec encodes attrs classes by itself, but leaves out class variables: hence the prefixes.
    fields: object = message
    if isinstance(message, HistoryList | Error):
        fields = _said(message)
    elif isinstance(message, Latency):
        fields = message.stages
    return _prefixes[type(message)] + _encoder.encode(fields)[1:]


def _said(message: HistoryList | Error) -> dict[str, object]:
    """Its fields without those that say nothing: a client that does not know them gets what it always got."""
    return attrs.asdict(message, recurse=False, filter=lambda field, value: value != field.default)


# Our encoder and the old backend's put the type first: what is long (sound, pictures) need not be parsed.
_TYPE = re.compile(r'\{\s*"type"\s*:\s*"([^"\\]*)"\s*[,}]')
# Characters. A shorter message is decoded whole, in a microsecond; `control` must be, for its text.
_SHORT = 1024


class MessageHead(msgspec.Struct, frozen=True):
    """The fields that a relay of a server's messages looks at.

    ``text`` is that of a `control`; of others it may be left out.
    """

    type: str = ""
    text: str = ""


_decoder = msgspec.json.Decoder(MessageHead)


def read_head(frame: str) -> MessageHead:
    """The head of ``frame``; an empty one if it is no message at all."""
    if len(frame) > _SHORT:
        head = _TYPE.match(frame)
        if head is not None:
            return MessageHead(head[1])
    try:
        return _decoder.decode(frame)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return MessageHead()


def head_of(message: Outgoing | SoundFrame) -> MessageHead:
    """The head that ``message`` has when it is encoded; of a binary frame an empty one."""
    if isinstance(message, SoundFrame):
        return MessageHead()
    return MessageHead(message.type, message.text if isinstance(message, Control) else "")
