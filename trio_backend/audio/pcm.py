"""Sound as samples: `Pcm`, and its way to and from WAV files."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import attrs
import numpy as np
import numpy.typing as npt

from .resampling import resample
from .wav import Wav, read_wav, within_one

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
