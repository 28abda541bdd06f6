"""What a passing message is, seen without decoding it: most go on as the bytes that they came as."""

from __future__ import annotations

import re

import msgspec

# Our encoder and the old backend's put the type first: what is long (sound, pictures) need not be parsed.
_TYPE = re.compile(r'\{\s*"type"\s*:\s*"([^"\\]*)"\s*[,}]')
_SHORT = 1024


class Glimpse(msgspec.Struct, frozen=True):
    """The fields that whoever passes a server's message on looks at. ``text`` only of short messages."""

    type: str = ""
    text: str = ""


_decoder = msgspec.json.Decoder(Glimpse)


def glimpse(frame: str) -> Glimpse:
    """A look at ``frame``; an empty one if it is no message at all."""
    if len(frame) > _SHORT:
        head = _TYPE.match(frame)
        if head is not None:
            return Glimpse(head[1])
    try:
        return _decoder.decode(frame)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return Glimpse()
