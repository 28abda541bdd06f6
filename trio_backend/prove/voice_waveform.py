"""What a client hears: when the first sample of a reply is heard, and which of the engine's sounds it is."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

from ..audio.pcm import Pcm

AUDIBLE = 0.01
"""Of full scale: softer samples are not heard. 40 dB below it, as a whisper in a quiet room is."""

TONE, TONE_LOUDNESS = 440.0, 0.25
MARK_BITS = 32
MARK_LOUDNESS = 8_000
"""Of 32 768. Each bit of the number is a sample of this height, up for 1, down for 0; a key comes first."""
_KEY = (1, -1, -1, 1, 1, 1, -1, 1)


def marked_tone(number: int, seconds: float, rate: int, *, lead: float = 0.0) -> bytes:
    """A tone that carries ``number`` in its first samples, after ``lead`` seconds of silence.

    So that whoever hears it knows which request it is the answer to, however the sound was cut into pieces.
    """
    silence = np.zeros(int(lead * rate), np.int64)
    bits = [1 if number >> bit & 1 else -1 for bit in range(MARK_BITS)]
    mark = np.array([*_KEY, *bits], np.int64) * MARK_LOUDNESS
    length = int(seconds * rate) - len(silence) - len(mark)
    at = np.arange(max(0, length)) / rate
    tone = np.rint(32_767 * TONE_LOUDNESS * np.sin(2 * np.pi * TONE * at)).astype(np.int64)
    return np.concatenate([silence, mark, tone]).astype("<i2").tobytes()


def mark_of(pcm: Pcm) -> int | None:
    """The number that a `marked_tone` carries; None where its beginning is not there."""
    samples = _samples(pcm)
    loud = np.flatnonzero(np.abs(samples) >= MARK_LOUDNESS // 2)
    if not len(loud):
        return None
    mark = samples[loud[0] : loud[0] + len(_KEY) + MARK_BITS]
    if len(mark) < len(_KEY) + MARK_BITS or tuple(np.sign(mark[: len(_KEY)])) != _KEY:
        return None
    return sum(1 << bit for bit, sample in enumerate(mark[len(_KEY) :]) if sample > 0)


def first_audible(pcm: Pcm) -> float | None:
    """Seconds from the beginning of ``pcm`` to its first sample that is heard; None if there is none."""
    loud = np.flatnonzero(np.abs(_samples(pcm)) >= 32_768 * AUDIBLE)
    return int(loud[0]) / pcm.rate if len(loud) else None


def _samples(pcm: Pcm) -> npt.NDArray[Any]:
    return np.frombuffer(pcm.samples, "<i2").astype(np.int32)


@attrs.frozen
class SoundHeader:
    """What stands before the samples of a binary frame, as PROTOCOL.md's ``bytes`` says."""

    sentence: int
    piece: int
    rate: int
    last: bool

    SIZE = 16

    @classmethod
    def read(cls, frame: bytes) -> SoundHeader:
        """The header of ``frame``. Raises `ValueError` where there is none."""
        if len(frame) < cls.SIZE:
            raise ValueError("a binary frame without a header")
        sentence, piece, rate, flags, _ = struct.unpack_from("<IIIHH", frame)
        if not rate:
            raise ValueError("a binary frame with a sample rate of 0")
        return cls(sentence, piece, rate, bool(flags & 1))


@attrs.define(eq=False)
class Playback:
    """Plays what comes, one sound after the other, on the clock that ``at`` is of.

    ``gap`` seconds of silence are between any two messages, as the official page has them; a sound that comes
    too late begins when it comes.
    """

    gap: float = 0.0
    ends: float = 0.0
    """When all that has come will have been played."""
    stopped: float | None = None
    """When it was stopped, so that nothing of it was heard any more."""
    _audible: list[tuple[float, float]] = attrs.field(factory=list)
    """When each sound could first be heard, and when it ended."""

    def play(self, pcm: Pcm, at: float) -> float:
        """``pcm`` has come at ``at``; when its first sample is played."""
        begins = max(at, self.ends + self.gap if self.ends else at)
        self.ends = begins + pcm.seconds
        lead = first_audible(pcm)
        if lead is not None:
            self._audible.append((begins + lead, self.ends))
        return begins

    def stop(self, at: float) -> None:
        """Be silent from ``at`` on; what comes after it is another reply's."""
        self._audible = [(begin, min(end, at)) for begin, end in self._audible if begin < at]
        self.stopped, self.ends = at, min(self.ends, at)

    @property
    def first_heard(self) -> float | None:
        """When the first sample that can be heard was played; None if none was."""
        return self._audible[0][0] if self._audible else None

    def heard_after(self, at: float) -> float | None:
        """When the first sound that begins after ``at`` is heard."""
        return next((begin for begin, _ in self._audible if begin >= at), None)

    def sounding(self, at: float) -> bool:
        """Whether anything is being heard at ``at``."""
        return any(begin <= at < end for begin, end in self._audible)

    @property
    def sounds(self) -> Sequence[tuple[float, float]]:
        """All that was heard, as (from, to)."""
        return tuple(self._audible)
