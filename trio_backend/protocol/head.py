"""The head of a server's message, read without decoding the rest: for whoever passes it on as it came."""

from __future__ import annotations

import re

import msgspec

from .outgoing import Control, Outgoing

# Our encoder and the old backend's put the type first: what is long (sound, pictures) need not be parsed.
_TYPE = re.compile(r'\{\s*"type"\s*:\s*"([^"\\]*)"\s*[,}]')
_SHORT = 1024


class MessageHead(msgspec.Struct, frozen=True):
    """The fields that whoever passes a server's message on looks at.

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


def head_of(message: Outgoing) -> MessageHead:
    """The head that ``message`` has when it is encoded."""
    return MessageHead(message.type, message.text if isinstance(message, Control) else "")
