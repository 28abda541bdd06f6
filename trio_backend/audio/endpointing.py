"""When somebody begins to speak, and when they are done: a machine fed with 32 ms of sound at a time."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from enum import Enum, auto

import attrs
import numpy as np

from .utterance import RATE

WINDOW = 512
"""Samples of one window: 32 ms."""

WINDOW_BYTES = 2 * WINDOW
WINDOW_SECONDS = WINDOW / RATE

# Beyond what the decision itself needs: the breath and the soft consonant before the first loud window.
PRE_ROLL = 12


class Edge(Enum):
    """What a window changed."""

    STARTED = auto()
    PAUSED = auto()
    """The silence has lasted long enough that the utterance may be over; again, if only a click broke it."""
    RESUMED = auto()
    """It was not: more is being said."""
    ENDED = auto()


@attrs.frozen
class Rules:
    """What counts as speech.

    A window is a hit where the probability of speech reaches ``prob_threshold`` and the loudness
    ``db_threshold`` (RMS, in dB over the smallest step of 16 bits: 0 to 90). Speech starts with
    ``required_hits`` of them, and ends after ``required_misses`` windows in a row without one. Both are
    also looked at as the mean over the last ``smoothing_window`` windows: a start needs that mean to be
    a hit as well, and the end needs it to be none. So ``required_hits`` is the minimum of speech, and
    ``required_misses`` the hang-over.
    """

    prob_threshold: float = 0.4
    db_threshold: float = 60.0
    required_hits: int = 3
    required_misses: int = 24
    smoothing_window: int = 5

    @property
    def pre_roll(self) -> int:
        """How many windows before the decision belong to the speech."""
        return PRE_ROLL + self.required_hits + self.smoothing_window

    def hit(self, probability: float, power: float) -> bool:
        """Whether these are those of speech; ``power`` is the mean square of the samples."""
        return probability >= self.prob_threshold and decibels(power) >= self.db_threshold


@attrs.define(eq=False)
class Endpointer:
    """Finds the edges of speech in one microphone's sound."""

    rules: Rules = attrs.field(factory=Rules)
    pause: float = math.inf
    """Seconds of silence after which an utterance is `Edge.PAUSED`."""
    ends_after: float | None = None
    """Seconds of silence that end an utterance, instead of ``rules.required_misses``. It may be changed at
    any time, and holds for the silence that is going on."""
    speaking: bool = attrs.field(default=False, init=False)
    paused: bool = attrs.field(default=False, init=False)
    """Whether the utterance may be over: since `Edge.PAUSED`, until more is said."""
    _hits: int = attrs.field(default=0, init=False)
    """In silence: those in a row that may begin an utterance. In a pause: what was heard since it began."""
    _misses: int = attrs.field(default=0, init=False)
    _quiet: int = attrs.field(default=0, init=False)
    """Windows since the last hit."""
    _loud: int = attrs.field(default=0, init=False)
    """Hits in the utterance, from the first that led to it; those of the mean are later."""
    _recent: deque[tuple[float, float]] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._recent = deque(maxlen=self.rules.smoothing_window)

    def feed(self, probability: float, power: float) -> Edge | None:
        """The next window, by the probability of speech in it and its mean square."""
        self._recent.append((probability, power))
        hit, smooth_hit = self.rules.hit(probability, power), self.rules.hit(*self._smoothed())
        if self.speaking:
            return self._go_on(hit=hit, smooth_hit=smooth_hit)
        self._hits = self._hits + hit if smooth_hit else 0
        self._loud = self._loud + 1 if hit else 0
        if self._hits >= self.rules.required_hits:
            self.speaking, self._misses, self._quiet = True, 0, 0
            return Edge.STARTED
        return None

    @property
    def spoken(self) -> float:
        """Seconds of speech in the utterance, or the last one, without the pauses in it."""
        return self._loud * WINDOW_SECONDS

    @property
    def silence(self) -> float:
        """Seconds since the last window that was a hit; of an utterance that has ended, when it ended."""
        return self._quiet * WINDOW_SECONDS

    def reset(self) -> None:
        """End the utterance now, if there is one: what is said from here on is a new one."""
        self._end()

    def _go_on(self, *, hit: bool, smooth_hit: bool) -> Edge | None:
        self._misses = 0 if hit or smooth_hit else self._misses + 1
        self._quiet = 0 if hit else self._quiet + 1
        self._loud += hit
        if self._is_over(smooth_hit=smooth_hit):
            return self._end()
        if self.paused:
            self._hits += hit
            # As many as begin an utterance: a click in the pause is not another word.
            if self._hits >= self.rules.required_hits:
                self.paused = False
                return Edge.RESUMED
        if self.silence >= self.pause > self.silence - WINDOW_SECONDS:
            self.paused, self._hits = True, 0
            return Edge.PAUSED
        return None

    def _is_over(self, *, smooth_hit: bool) -> bool:
        if self.ends_after is None:
            return self._misses >= self.rules.required_misses
        return not smooth_hit and self._quiet > 0 and self.silence >= self.ends_after

    def _end(self) -> Edge:
        self.speaking, self.paused, self._hits = False, False, 0
        self._recent.clear()
        return Edge.ENDED

    def _smoothed(self) -> tuple[float, float]:
        probabilities, powers = zip(*self._recent, strict=True)
        # The window is not full at the beginning: what was before counts as silence.
        size = self.rules.smoothing_window
        return sum(probabilities) / size, sum(powers) / size


@attrs.define(eq=False)
class Windows:
    """A stream of samples, cut into windows, and the last few of them, for the pre-roll."""

    _kept: deque[bytes]
    _rest: bytes = b""

    @classmethod
    def keeping(cls, count: int) -> Windows:
        """Remember the last ``count`` windows."""
        return cls(deque(maxlen=count))

    def feed(self, samples: bytes) -> Iterator[bytes]:
        """Each window that ``samples`` complete. Use up the iterator before feeding more."""
        samples = self._rest + samples
        whole = len(samples) // WINDOW_BYTES * WINDOW_BYTES
        self._rest = samples[whole:]
        for at in range(0, whole, WINDOW_BYTES):
            window = samples[at : at + WINDOW_BYTES]
            self._kept.append(window)
            yield window

    def take_recent(self) -> bytes:
        """The windows that are remembered, which then are forgotten."""
        recent = b"".join(self._kept)
        self._kept.clear()
        return recent


def power(window: bytes) -> float:
    """The mean square of 16-bit samples; 0 for none."""
    samples = np.frombuffer(window, "<i2").astype(np.float32)
    return float(np.dot(samples, samples)) / len(samples) if len(samples) else 0.0


def decibels(power: float) -> float:
    """``power`` in dB; minus infinity for digital silence."""
    return 10 * math.log10(power) if power > 0 else -math.inf
