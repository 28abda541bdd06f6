"""A sentence's sound, cut into pieces while it is being made, so that it can be played before it is whole.

A cutter is fed with chunks as they come, each with the time at which it came, and gives the pieces that are
to be played now. Times are seconds of any clock that does not jump. No I/O.

Where a piece ends is where the sound is quietest: the least energy in a window of 20 ms, as in the
segmentation of speech at minima of short-time energy (Rabiner and Schafer, "Digital Processing of Speech
Signals", 4.3). Players that put silence between pieces are heard least there.
"""

from __future__ import annotations

from typing import Protocol

import attrs
import numpy as np

from .pcm import Pcm

FIRST = 0.3
"""Seconds of the first piece, when somebody waits for it; it is cut between two and four thirds of that. Less
is over before the next piece has crossed a network."""
LONGEST = 3.0
"""Seconds of the longest pieces, likewise: a message of 200 kB in base64 at 24 kHz."""
SHORTEST = 0.1
"""Seconds. A piece of less is worth no message."""
MOST_HELD = 5.0
"""Seconds of sound that are held back, at most, of a voice that is slower than speech. Who waits for longer
than that would rather hear it stutter."""
# Of real time. What is measured in a second of sound is off by some hundredths.
_SLOW = 0.97
# Seconds from the first chunk on before the rate can be told: chunks may come two at a time.
_MEASURED = 0.05
# Seconds that the next piece may be late: a client far away, a busy loop.
_SPARE = 0.1
# Seconds that stay for the last piece, so that it is never empty: clients wait for it.
_KEPT = 0.02
# Seconds. Energy is measured in windows of one, every other.
_WINDOW, _STEP = 0.02, 0.005

PAUSE = 0.08
"""Seconds of quiet that count as a pause of the voice itself."""
# Seconds. Pauses are measured in slices of that length.
_SLICE = 0.01
# Mean square of a pause, as a part of the loudest slice's: 26 dB down, between breath and a soft consonant.
_QUIET = 0.0025
# Seconds before a pause, for there to be something to play, and seconds that the listener must gain by a cut:
# it costs a pause that is longer than the voice meant it.
_BEFORE_PAUSE, _GAIN = 0.3, 0.25
# The rest of a sentence takes so many times as long as expected, where a stall in the middle would be heard.
_CAUTION = 1.2


@attrs.define(eq=False)
class Arrival:
    """The sound of one sentence as it comes in: how much there is, how fast it comes, how much is missing.

    ``expected`` is how many seconds the whole is likely to last.
    """

    expected: float
    seconds: float = attrs.field(default=0.0, init=False)
    """What has come."""
    interval: float = attrs.field(default=0.0, init=False)
    """Seconds between the last two chunks."""
    _first: tuple[float, float] | None = attrs.field(default=None, init=False)
    """When the first chunk came, and its seconds: they took nobody knows how long to make."""
    _last: float = attrs.field(default=0.0, init=False)

    def add(self, seconds: float, now: float) -> None:
        """A chunk of so many seconds has come."""
        if self._first is None:
            self._first = now, seconds
        else:
            self.interval = now - self._last
        self._last, self.seconds = now, self.seconds + seconds

    @property
    def rate(self) -> float | None:
        """Seconds of sound that come in a second; None while that cannot be told."""
        if self._first is None:
            return None
        began, first = self._first
        passed = self._last - began
        return (self.seconds - first) / passed if passed >= _MEASURED else None

    @property
    def missing(self) -> float:
        """Seconds of sound that have not come, as far as one can tell."""
        return max(0.0, self.expected - self.seconds)


class Cutter(Protocol):
    """Cuts one sentence. It counts as played from when a piece was given, or the one before was over."""

    @property
    def played_at(self) -> float:
        """When all that was given so far, of this sentence and those before, will have been played."""
        ...

    def feed(self, pcm: Pcm, now: float) -> list[Pcm]:
        """A chunk has come: the pieces that are to be played now, if any."""
        ...

    def finish(self, now: float) -> Pcm:
        """All has come: the rest, as the last piece. It may be empty if nothing was ever fed."""
        ...


@attrs.define(eq=False)
class PieceCutter:
    """A `Cutter` whose first piece has 0.2 to 0.4 s of sound; each next one is about twice as long.

    If the listener is still busy with what came before, the first may be longer: up to half of that. A
    listener who is about to run dry gets what there is. A voice slower than speech is held back until the
    rest will come in time, if it goes on as it does, or `MOST_HELD` seconds are here.
    """

    played_at: float
    _arrival: Arrival
    _held: bytearray = attrs.field(factory=bytearray, init=False, repr=False)
    _rate: int = attrs.field(default=1, init=False)
    _last: float = attrs.field(default=0.0, init=False)
    """Seconds of the piece that was given last; 0 before the first."""

    def feed(self, pcm: Pcm, now: float) -> list[Pcm]:
        """See `Cutter.feed`."""
        self._rate = pcm.rate
        self._held += pcm.samples
        self._arrival.add(pcm.seconds, now)
        pieces = []
        while (bounds := self._bounds(now)) is not None:
            pieces.append(self._cut(*bounds))
            self._last = pieces[-1].seconds
            self.played_at = max(self.played_at, now) + self._last
        return pieces

    def finish(self, now: float) -> Pcm:
        """See `Cutter.finish`."""
        rest = Pcm(bytes(self._held), self._rate)
        self._held.clear()
        self.played_at = max(self.played_at, now) + rest.seconds
        return rest

    def _bounds(self, now: float) -> tuple[float, float] | None:
        """Between which seconds of what is held the next piece is to end; None if it is not time for one."""
        held, lead = len(self._held) / 2 / self._rate, max(0.0, self.played_at - now)
        size = max(min(2 * self._last or FIRST, LONGEST), min(lead / 2, LONGEST))
        if held >= size and (self._last or held >= self._needed(lead)):
            return size * 2 / 3, min(size * 4 / 3, held - _KEPT)
        if self._last and held > SHORTEST + _KEPT and lead < _SPARE + self._arrival.interval:
            return held / 2, held - _KEPT
        return None

    def _needed(self, lead: float) -> float:
        """Seconds that must be here before the first piece is played, so that playing never overtakes.

        Playing begins in ``lead`` seconds, and takes as long as the sentence lasts; meanwhile ``rate``
        seconds of sound come in each second.
        """
        rate = self._arrival.rate
        if rate is None or rate >= _SLOW:
            return 0.0
        whole = max(self._arrival.expected, self._arrival.seconds)
        spare = _SPARE + self._arrival.interval
        return min(whole + spare - rate * (whole + lead), MOST_HELD)

    def _cut(self, low: float, high: float) -> Pcm:
        at = 2 * quietest(bytes(self._held), round(low * self._rate), round(high * self._rate), self._rate)
        piece = Pcm(bytes(self._held[:at]), self._rate)
        del self._held[:at]
        return piece


@attrs.define(eq=False)
class PauseCutter:
    """A `Cutter` for listeners whose players put silence between pieces: it cuts once at most, in a pause.

    And only if the listener would wait otherwise, and the rest is likely to be here before the first piece
    was played.
    """

    played_at: float
    _arrival: Arrival
    _held: bytearray = attrs.field(factory=bytearray, init=False, repr=False)
    _rate: int = attrs.field(default=1, init=False)
    _was_cut: bool = attrs.field(default=False, init=False)
    _slices: list[float] = attrs.field(factory=list, init=False, repr=False)
    """The mean square of each slice of what is held."""

    def feed(self, pcm: Pcm, now: float) -> list[Pcm]:
        """See `Cutter.feed`."""
        self._rate = pcm.rate
        self._held += pcm.samples
        self._arrival.add(pcm.seconds, now)
        if self._was_cut:
            return []
        self._measure()
        pause = self._last_pause()
        if pause is None or not self._worth(pause, now):
            return []
        self._was_cut = True
        at = 2 * round(pause * self._rate)
        piece = Pcm(bytes(self._held[:at]), self._rate)
        del self._held[:at]
        self.played_at = max(self.played_at, now) + piece.seconds
        return [piece]

    def finish(self, now: float) -> Pcm:
        """See `Cutter.finish`."""
        rest = Pcm(bytes(self._held), self._rate)
        self._held.clear()
        self.played_at = max(self.played_at, now) + rest.seconds
        return rest

    def _measure(self) -> None:
        """Measure the slices that are complete now."""
        length = round(_SLICE * self._rate)
        samples = np.frombuffer(bytes(self._held[len(self._slices) * length * 2 :]), "<i2")
        whole = samples[: len(samples) // length * length].astype(np.float64).reshape(-1, length)
        self._slices += np.square(whole).mean(axis=1).tolist()

    def _last_pause(self) -> float | None:
        """The middle of the last pause, in seconds; None if there is none that has sound before it."""
        quiet = _QUIET * max(self._slices, default=0.0)
        end = len(self._slices)
        while end * _SLICE > _BEFORE_PAUSE:
            begin = end
            while begin and self._slices[begin - 1] <= quiet:
                begin -= 1
            if (end - begin) * _SLICE >= PAUSE - 1e-9 and begin * _SLICE >= _BEFORE_PAUSE:
                return (begin + end) / 2 * _SLICE
            end = begin - 1
        return None

    def _worth(self, pause: float, now: float) -> bool:
        """Whether to cut in the ``pause``."""
        rate = self._arrival.rate
        if not rate:
            return False
        rest = _CAUTION * self._arrival.missing / rate
        lead = max(0.0, self.played_at - now)
        return lead + _GAIN <= rest <= lead + pause - _SPARE


def quietest(samples: bytes, low: int, high: int, rate: int) -> int:
    """Where between samples ``low`` and ``high`` the sound is quietest: the last of the best places.

    ``samples`` are 16-bit little-endian, and reach at least to ``high``. Takes 50 µs for a second of sound.
    """
    half, step = round(_WINDOW / 2 * rate), max(1, round(_STEP * rate))
    begin = max(0, low - half)
    part = np.frombuffer(samples, "<i2")[begin : high + half].astype(np.float64)
    energy = np.concatenate(([0.0], np.cumsum(np.square(part))))
    places = np.arange(low, max(high, low + 1), step)
    ends = np.minimum(places + half - begin, len(part))
    begins = np.maximum(places - half - begin, 0)
    means = (energy[ends] - energy[begins]) / (ends - begins)
    return int(places[::-1][np.argmin(means[::-1])])
