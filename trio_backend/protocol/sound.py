"""A sentence and its sound as clients get it: whole, in pieces, or as binary frames."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal, TypeAlias

import attrs

from ..errors import ProtocolError
from .hello import Accepts


@attrs.frozen
class DisplayText:
    """A sentence to show, with its speaker; ``avatar`` is a file name under ``/avatars``."""

    text: str
    name: str
    avatar: str


@attrs.frozen
class Audio:
    """One sentence: ``audio`` is a WAV file in base64, in ASCII, or None where there is nothing to hear.

    ``volumes`` has one number in [0, 1] per slice of ``slice_length`` ms, for the lips.
    ``actions`` may hold ``expressions``: values of the model's emotion map. Without a ``display_text`` it is
    more sound of the sentence before (`system_config.audio_pieces`).
    """

    type: ClassVar = "audio"
    audio: bytes | None
    volumes: Sequence[float]
    display_text: DisplayText | None
    actions: Mapping[str, Sequence[int | str]]
    slice_length: int = 20
    forwarded: bool = False


@attrs.frozen
class AudioPiece:
    """A piece of a sentence, for clients that accept ``pieces`` or ``bytes``; otherwise as `Audio`.

    ``sentence`` counts the sentences of a session, from 1. The first piece has the ``display_text`` and the
    ``actions``. A turn that is interrupted or superseded sends no ``last`` piece of the sentence that it is
    at; one that takes too long sends one without sound.
    """

    type: ClassVar = "audio"
    sentence: int
    last: bool
    audio: bytes | None
    volumes: Sequence[float]
    display_text: DisplayText | None = None
    actions: Mapping[str, Sequence[int | str]] = attrs.field(factory=dict)
    slice_length: int = 20
    forwarded: bool = False


@attrs.frozen
class AudioStream:
    """A sentence whose sound follows as `SoundFrame`, for clients that accept ``bytes``.

    A sentence without sound is an `AudioPiece`. Clients find the ``volumes`` in the samples that they play.
    """

    type: ClassVar = "audio"
    sentence: int
    display_text: DisplayText
    actions: Mapping[str, Sequence[int | str]]
    stream: Literal[True] = True
    audio: None = None
    volumes: Sequence[float] = ()
    slice_length: int = 20
    forwarded: bool = False


@attrs.frozen
class SoundFrame:
    """A piece of a sentence's sound, as a binary frame: see `encode_frame`.

    ``samples`` are 16-bit little-endian, mono, ``rate`` of them a second; the ``last`` piece may have none.
    ``piece`` counts from 0.
    """

    sentence: int
    piece: int
    rate: int
    last: bool
    samples: bytes = attrs.field(repr=lambda samples: f"<{len(samples)} bytes>")


SoundMessage: TypeAlias = Audio | AudioPiece | AudioStream | SoundFrame


@attrs.frozen
class SoundForSome:
    """A message of a sentence for those clients of a room that accept exactly one of ``to``.

    What begins the sentence is for those that have not got its beginning in another form, as one that says
    hello in the middle of it has. What does not begin it is for those that got its beginning in this form.
    """

    message: SoundMessage
    to: frozenset[Accepts]
    sentence: int
    begins: bool


class Binary(bytes):
    """What goes over the wire as a binary frame; all other bytes that are sent are text."""


_SOUND_HEAD = struct.Struct("<IIIHH")
_LAST = 1


def encode_frame(frame: SoundFrame) -> Binary:
    """``frame`` as the content of a binary message.

    A header of 16 bytes, little-endian: sentence, piece, sample rate (32 bits each), flags (bit 0: last) and
    16 bits that are zero. Then the samples.
    """
    head = _SOUND_HEAD.pack(frame.sentence, frame.piece, frame.rate, _LAST if frame.last else 0, 0)
    return Binary(head + frame.samples)


def decode_frame(data: bytes) -> SoundFrame:
    """The frame that `encode_frame` made ``data`` of. Raises `ProtocolError` if it is none."""
    if len(data) < _SOUND_HEAD.size or len(data) % 2:
        raise ProtocolError("bad-message", "a binary frame must hold 16 bytes, then whole samples of 16 bits")
    sentence, piece, rate, flags, _ = _SOUND_HEAD.unpack_from(data)
    return SoundFrame(sentence, piece, rate, bool(flags & _LAST), data[_SOUND_HEAD.size :])
