"""Sound as samples: `Pcm`, its way to and from WAV files, and from one sample rate to another."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from functools import lru_cache
from math import gcd
from typing import Any, TypeAlias

import attrs
import numpy as np
import numpy.typing as npt

from .wav import Wav, read_wav, within_one

# On each side, before the filter is stretched for a lower rate. With the Blackman window this many
# keep what would fold back 70 dB down.
_ZERO_CROSSINGS = 24

# The pass band ends here, as a part of the lower Nyquist frequency, so that the slope ends near it.
_ROLL_OFF = 0.93

FILTER_REACH = _ZERO_CROSSINGS / _ROLL_OFF
"""Samples to each side, of the lower of the two rates, that an output of `resample` depends on."""


def resample(
    samples: npt.NDArray[np.float32], rate: int, new_rate: int, *, zero_crossings: int = _ZERO_CROSSINGS
) -> npt.NDArray[np.float32]:
    """``samples`` of ``rate`` at ``new_rate``: band-limited, linear phase, no delay.

    The result has ``len(samples) * new_rate / rate`` samples, rounded up. After J. O. Smith, "Digital
    Audio Resampling", https://ccrma.stanford.edu/~jos/resample/ (bandlimited interpolation), with
    one set of weights for each of the ``new_rate / gcd`` places that an output can have between two inputs.
    """
    divisor = gcd(rate, new_rate)
    up, down = new_rate // divisor, rate // divisor
    cutoff = min(1.0, up / down) * _ROLL_OFF
    half = int(np.ceil(zero_crossings / cutoff))
    length = -(-len(samples) * up // down)
    padded = np.pad(samples, (half, half + down))
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * half)
    result = np.empty(length, np.float32)
    for phase in range(min(up, length)):
        # This output lies `offset` samples after input `first`, as does every `up`-th one from here.
        first, offset = divmod(phase * down, up)
        weights = _weights(offset / up, cutoff, half)
        places = result[phase::up]
        places[:] = windows[first + 1 :: down][: len(places)] @ weights
    return result


# For sound in chunks: 32 ms from 44.1 to 16 kHz take 0.28 ms of CPU instead of 2.5. Between two rates
# there are few: 3 from 16 to 24 kHz, 160 from 44.1 to 16, of 52 to 144 weights each.
@lru_cache(maxsize=1024)
def _weights(offset: float, cutoff: float, half: int) -> npt.NDArray[np.float32]:
    """What each of the ``2 * half`` inputs around a place adds to it; in all 1, so that levels stay."""
    distance = np.arange(1 - half, half + 1) - offset
    turn = np.pi * distance / half
    blackman = 0.42 + 0.5 * np.cos(turn) + 0.08 * np.cos(2 * turn)
    weights = np.sinc(cutoff * distance) * blackman
    normal: npt.NDArray[np.float32] = (weights / weights.sum()).astype(np.float32)
    return normal


Floats: TypeAlias = npt.NDArray[np.floating[Any]]


@attrs.frozen
class Pcm:
    """Mono sound: ``samples`` are signed 16-bit little-endian, ``rate`` of them a second."""

    samples: bytes = attrs.field(repr=lambda samples: f"<{len(samples)} bytes>")
    rate: int

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return len(self.samples) / 2 / self.rate

    @classmethod
    def from_floats(cls, samples: Sequence[float] | Floats, rate: int) -> Pcm:
        """``samples`` in [-1, 1]; louder ones are clipped, and what is no number is silence."""
        scaled = within_one(np.asarray(samples)) * np.float32(32768)
        return cls(np.minimum(np.rint(scaled), 32767).astype("<i2").tobytes(), rate)

    def floats(self) -> npt.NDArray[np.float32]:
        """The samples in [-1, 1)."""
        return np.frombuffer(self.samples, "<i2").astype(np.float32) / np.float32(32768)

    @classmethod
    def from_wav(cls, data: bytes) -> Pcm:
        """A WAV file of integers of 8, 16, 24 or 32 bits or floats of 32 or 64; channels are mixed.

        Sizes in the header may be wrong, as in files that were written to a pipe: then the samples
        reach to the end. Raises `ValueError`, which says what is wrong with anything else.
        """
        return cls.of(read_wav(data))

    @classmethod
    def of(cls, wav: Wav) -> Pcm:
        """The sound of ``wav``, with its channels mixed."""
        if wav.is_int16 and wav.channels == 1:
            return cls(bytes(wav.frames), wav.rate)
        return cls.from_pieces(wav.mono(), wav.rate)

    @classmethod
    def from_pieces(cls, pieces: Iterable[Floats], rate: int) -> Pcm:
        """As `from_floats`, of samples that come piece by piece."""
        return cls(b"".join(cls.from_floats(piece, rate).samples for piece in pieces), rate)

    def to_wav(self) -> bytes:
        """As a WAV file: a header of 44 bytes, then the samples."""
        size = len(self.samples)
        head = struct.pack("<4sI4s", b"RIFF", 36 + size, b"WAVE")
        form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, self.rate, self.rate * 2, 2, 16)
        return b"".join([head, form, struct.pack("<4sI", b"data", size), self.samples])

    def resampled(self, rate: int) -> Pcm:
        """The same sound at another rate; its length is kept to within a sample."""
        if rate == self.rate:
            return self
        return Pcm.from_floats(resample(self.floats(), self.rate, rate), rate)
