"""JSON as model servers send it: with halves of characters in it, and with anything else.

A server that cuts its text into tokens may cut an emoji into the two halves that JSON writes it in,
``"\\ud83d"`` and ``"\\ude00"``, and send them in two messages. Neither is a character, so neither can be
encoded; Python's strings hold them all the same, and that is how they come out of here.
"""

from __future__ import annotations

import json
import re
from typing import TypeVar

import attrs
import msgspec

T = TypeVar("T")

_HALF = re.compile("[\ud800-\udfff]")


def decode_json(data: str | bytes, decoder: msgspec.json.Decoder[T]) -> T:
    """``data`` as what ``decoder`` makes. Raises `ValueError` for whatever is none.

    Texts may hold halves of characters: put them through `Halves` or `whole_characters`. The error must not
    be chained where people's words are in ``data``.
    """
    try:
        return decoder.decode(data)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from None
    except msgspec.DecodeError as error:
        # The fast decoder takes no halves; where there are none, it is right.
        if not _names_half(data):
            raise ValueError(str(error)) from None
    except RecursionError:
        raise ValueError("too deep") from None
    try:
        value: T = msgspec.convert(json.loads(data), decoder.type)
    except (msgspec.ValidationError, RecursionError) as error:
        raise ValueError(str(error)) from None
    return value


def _names_half(data: str | bytes) -> bool:
    """Whether there is an escape that may be half a character."""
    lower = data.lower()
    return "\\ud" in lower if isinstance(lower, str) else b"\\ud" in lower


def whole_characters(text: str) -> str:
    """``text`` with the halves in it put together; what has no other half becomes U+FFFD."""
    if not _HALF.search(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


@attrs.define(eq=False)
class Halves:
    """Puts characters together whose halves come in two pieces of a text."""

    _half: str = attrs.field(default="", init=False)

    def feed(self, text: str) -> str:
        """``text``, after the half that was kept; a first half at its end is kept for the next time."""
        if not text or not (self._half or _HALF.search(text)):
            return text
        text, self._half = self._half + text, ""
        if "\ud800" <= text[-1] <= "\udbff":
            text, self._half = text[:-1], text[-1]
        return whole_characters(text)

    def flush(self) -> str:
        """U+FFFD where a half was kept, whose other half never came; else nothing."""
        half, self._half = self._half, ""
        return whole_characters(half)
