"""Sound as the wire carries it: a WAV file in base64, with the volumes for the lips."""

from __future__ import annotations

from base64 import b64encode

from .loudness import volumes
from .pcm import Pcm


def encode_wav(pcm: Pcm) -> bytes:
    """``pcm`` as a WAV file in base64."""
    return b64encode(pcm.to_wav())


def encode_sound(pcm: Pcm) -> tuple[bytes, tuple[float, ...]]:
    """The WAV file in base64, and one volume per slice of 20 ms.

    Takes about 0.4 ms for ten seconds of sound and 2 ms for a minute.
    """
    return encode_wav(pcm), tuple(volumes(pcm))
