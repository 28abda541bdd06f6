"""Sound as the wire carries it: a WAV file in base64, with the volumes for the lips."""

from __future__ import annotations

from base64 import b64encode

from .loudness import volumes
from .pcm import Pcm

# Divisible by three, so that the pieces fit together. base64 keeps the interpreter to itself until it is
# done, 10 ms for two minutes of sound; in pieces, other threads have their turn in between.
_PIECE = 3 * 2**16


def encode_wav(pcm: Pcm) -> bytes:
    """``pcm`` as a WAV file in base64."""
    wav = memoryview(pcm.to_wav())
    return b"".join(b64encode(wav[at : at + _PIECE]) for at in range(0, len(wav), _PIECE))


def encode_sound(pcm: Pcm) -> tuple[bytes, tuple[float, ...]]:
    """The WAV file in base64, and one volume per slice of 20 ms.

    Takes about 0.4 ms for ten seconds of sound and 2 ms for a minute.
    """
    return encode_wav(pcm), tuple(volumes(pcm))
