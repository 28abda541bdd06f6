"""Sound as the wire carries it: a WAV file in base64, with the volumes that move the lips."""

from __future__ import annotations

from base64 import b64encode

import numpy as np

from .pcm import Pcm


def volumes(pcm: Pcm, *, slice_ms: int = 20) -> list[float]:
    """RMS of each slice relative to the loudest one, in 0..1; all zeros for silence.

    Each slice is ``slice_ms`` long, the last one as long as is left. Four decimals.
    """
    return _volumes_after(pcm, slice_ms, 0.0)[0]


def _volumes_after(pcm: Pcm, slice_ms: int, before: float) -> tuple[list[float], float]:
    """As `volumes`, with ``before``, the loudest slice's mean square before; and the loudest one's now."""
    samples = np.frombuffer(pcm.samples, "<i2")
    count = -(-len(samples) * 1000 // (pcm.rate * slice_ms))
    if not count:
        return [], before
    # Slices need not be whole samples long (220.5 at 11 025 Hz), and must not drift from the clock.
    bounds = np.arange(count + 1) * (pcm.rate * slice_ms) // 1000
    bounds[-1] = len(samples)
    squares = np.square(samples, dtype=np.float32)
    means = np.add.reduceat(squares, bounds[:-1]) / (bounds[1:] - bounds[:-1])
    # Silence is an answer, not an error: TTS may return it for "…", and the text must still show.
    # The functions behind `max` and `round`, without what numpy has in Python before them.
    loudest = max(np.maximum.reduce(means), before)
    volumes: list[float] = (np.rint(np.sqrt(means / (loudest or 1.0), dtype=np.float64) * 1e4) / 1e4).tolist()
    return volumes, float(loudest)


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


def encode_piece(pcm: Pcm, loudest: float) -> tuple[bytes, tuple[float, ...], float]:
    """As `encode_sound`, of a piece of a sentence whose loudest slice so far had the mean square ``loudest``.

    And that of the loudest slice now. How loud the rest of the sentence will be nobody knows yet.
    """
    slices, loudest = _volumes_after(pcm, 20, loudest)
    return encode_wav(pcm), tuple(slices), loudest
