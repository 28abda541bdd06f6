"""`Utterance`: what one microphone has heard since somebody began to speak."""

from __future__ import annotations

from io import BytesIO

import attrs

from .pcm import Pcm

RATE = 16_000
"""Samples a second of everything that microphones send."""


@attrs.define(eq=False)
class Utterance:
    """Up to ``limit`` seconds of sound, 16-bit little-endian, in one buffer that grows with it.

    Once there was more, all of it is dropped, and so is what follows until `take` or `clear`: the rest
    of a sentence whose beginning is lost would be misunderstood.
    """

    limit: float
    too_long: bool = attrs.field(default=False, init=False)
    # Grows by an eighth at a time, and gives its bytes away without a copy: a minute is 2 MB, once.
    _sound: BytesIO = attrs.field(factory=BytesIO, init=False)

    @property
    def seconds(self) -> float:
        """How long it is so far."""
        return self._sound.tell() / 2 / RATE

    @property
    def size(self) -> int:
        """Bytes that it takes so far."""
        return self._sound.tell()

    def append(self, samples: bytes) -> bool:
        """Add ``samples``. False for those that made it too long; what comes after them is ignored."""
        if self.too_long:
            return True
        if self.seconds + len(samples) / 2 / RATE > self.limit:
            self.clear()
            self.too_long = True
            return False
        self._sound.write(samples)
        return True

    def so_far(self) -> bytes:
        """The samples of it, which goes on."""
        return self._sound.getvalue()

    def take(self) -> Pcm:
        """The whole of it, perhaps empty; then it begins anew."""
        sound = Pcm(self._sound.getvalue(), RATE)
        self.clear()
        return sound

    def clear(self) -> None:
        """Begin anew."""
        self._sound, self.too_long = BytesIO(), False
