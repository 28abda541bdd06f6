"""`StreamResampler`: sound that comes in chunks at another rate, without a seam between them."""

from __future__ import annotations

from math import gcd

import attrs
import numpy as np

from .pcm import FILTER_REACH, Pcm, resample


@attrs.define(eq=False)
class StreamResampler:
    """16-bit samples of ``rate`` to samples of ``new_rate``, as `Pcm.resampled` of the whole would give them.

    What comes out of `feed` is late by the filter's reach: 1.7 ms from 16 to 24 kHz, 5 ms from 48 to 16 kHz.
    `flush` gives the rest.
    """

    rate: int
    new_rate: int
    _down: int = attrs.field(init=False)
    _up: int = attrs.field(init=False)
    _reach: int = attrs.field(init=False)
    # Input samples from which outputs are still to be made, and before them those that the filter looks back
    # on. `_made` of them are done with, always a multiple of `_down`, which gives `_up` outputs.
    _samples: bytes = attrs.field(default=b"", init=False, repr=False)
    _made: int = attrs.field(default=0, init=False)
    # Half a sample that a chunk ended with.
    _rest: bytes = attrs.field(default=b"", init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        divisor = gcd(self.rate, self.new_rate)
        self._up, self._down = self.new_rate // divisor, self.rate // divisor
        reach = int(np.ceil(FILTER_REACH / min(1.0, self._up / self._down))) + 1
        self._reach = -(-reach // self._down) * self._down

    def feed(self, samples: bytes) -> bytes:
        """What can be made of the sound so far, and was not given yet; perhaps nothing."""
        if self.rate == self.new_rate:
            return samples
        data = self._rest + samples
        whole = len(data) & ~1
        self._samples, self._rest = self._samples + data[:whole], data[whole:]
        ready = (len(self._samples) // 2 - self._reach) // self._down * self._down
        if ready <= self._made:
            return b""
        made = self._convert(ready * self._up // self._down)
        passed = max(0, ready - self._reach)
        self._samples, self._made = self._samples[2 * passed :], ready - passed
        return made

    def flush(self) -> bytes:
        """What is left, as at the end of the sound. Then it begins anew."""
        samples = len(self._samples) // 2
        made = self._convert(-(-samples * self._up // self._down)) if samples else b""
        self._samples, self._rest, self._made = b"", b"", 0
        return made

    def _convert(self, end: int) -> bytes:
        """The outputs from the first that is not made yet up to ``end``."""
        floats = np.frombuffer(self._samples, "<i2").astype(np.float32) / np.float32(32768)
        made = resample(floats, self.rate, self.new_rate)[self._made * self._up // self._down : end]
        return Pcm.from_floats(made, self.new_rate).samples
