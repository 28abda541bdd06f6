"""`AdaptiveLimit`: how many turns one event loop can answer quickly; `Overload`: for how long it could not.

What is measured is the wait that this process itself adds to a turn, and nothing that an engine takes.
WeChat's overload control does the same (Zhou et al., “Overload Control for Scaling WeChat Microservices”,
SoCC 2018: queuing time, not response time, since that depends on others). Where an event loop has more to
do than it can, each of its passes becomes longer; a turn takes a step in each, and so many passes until its
first sound. A model that needs 30 s makes no pass longer.

The limit on turns follows that wait by the gradient rule of Netflix's concurrency-limits: it is multiplied by
what the wait may be over what it is, within bounds. It is lowered at any time, and raised only while somebody
waits for it.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable

import attrs

# Passes of the event loop from a turn's input to its first sound, besides those in which it waits for
# engines. Counted with a language model and synthesis behind HTTP: 21 to 28.
STEPS = 25
# Turns that are admitted before anything was measured: their first steps take a tenth of a second in all.
START = 64
# However late the loop is. Not only turns may be the reason; with fewer there would be nothing left to
# measure.
LEAST = 16
# By which the limit changes at most, each time that what it was changed to could have shown: down, up, and up
# while the loop is idle. A model that keeps all of its turns waiting needs quick steps; but beside busy turns
# those that were admitted cost most only when their models begin to speak.
SHRINK, GROW, GROW_IDLE = 0.7, 1.1, 1.25
# Of `max_wait`, what the process may add to an admitted turn: an eighth, since it adds it to all of them.
OWN_PART = 8
# Seconds after which those who wait are looked at again. A turn that ends lets in the next one at once.
TICK = 0.02
# Of the time since the limit was last changed, how much the loop may have been busy if it is to count as
# idle.
IDLE = 0.5
# Seconds after which what was seen says nothing of now.
STALE = 1.0
# Seconds in which half of a limit beyond `START` is forgotten while less than half of it is used: it was
# found for other characters, perhaps, whose models were slower.
HALF_LIFE = 10.0
# Seconds in which turns have had to wait, with no more than a `GAP` between, until no more clients should
# come; and seconds in which none has waited, until they may come again.
OVERLOADED_AFTER, GAP, CALM = 3.0, 1.0, 5.0
# Seconds; a person who is told to come back later than that does not come back.
LATEST_RETURN = 60.0
# Admissions by which their rate is judged.
RATE_OF = 64


@attrs.frozen
class LoopWait:
    """What the event loop has made its tasks wait: the ``passes`` from the start, and their seconds together.

    A task that can go on waits for the pass that runs; a turn takes a step in each.
    """

    passes: int = 0
    busy: float = 0.0


@attrs.define(eq=False)
class AdaptiveLimit:
    """A limit on turns that follows the wait that ``read`` tells. Without it there is none."""

    _read: Callable[[], LoopWait] | None
    _allowed: float
    """Seconds that the process may add to a turn until its first sound."""
    turns: float = attrs.field(default=START, init=False)
    wait: float = attrs.field(default=0.0, init=False)
    """Seconds that it added when the limit was last looked at."""
    _seen: LoopWait = attrs.field(factory=LoopWait, init=False)
    _looked: float = attrs.field(default=-math.inf, init=False)

    @property
    def exists(self) -> bool:
        """Whether anything is measured."""
        return self._read is not None

    def has_room(self, used: int, part: float = 1.0) -> bool:
        """Whether one more turn fits into that ``part`` of it, beside those that are ``used``."""
        return self._read is None or used < part * self.turns

    def look(self, now: float, *, used: int, wanted: bool) -> None:
        """Change it, if what it was last changed to could have shown by now. ``wanted``: somebody waits."""
        if self._read is None or now - self._looked < TICK:
            return
        found, passed, allowed = self._read(), now - self._looked, self._allowed
        passes, busy = found.passes - self._seen.passes, found.busy - self._seen.busy
        wait = busy * STEPS / max(passes, 1)
        # While the engines of those who were admitted last take their time, a loop has few passes.
        idle, shown = busy < IDLE * passed, passes >= STEPS
        if wait > allowed and (shown or busy > allowed):
            # With less than half of it in use, the turns are not why.
            least, most = (LEAST, used) if used > self.turns / 2 else (START, self.turns)
            self.turns = max(least, min(self.turns, most) * max(SHRINK, allowed / wait))
        elif wanted and idle and passed < STALE:
            self.turns *= GROW_IDLE
        elif wanted and shown:
            self.turns *= min(GROW, allowed / max(wait, 1e-9))
        elif shown and self.turns > START and used < self.turns / 2:
            self.turns = max(START, self.turns * 0.5 ** (passed / HALF_LIFE))
        elif not shown and passed < STALE:
            return
        self._seen, self._looked, self.wait = found, now, wait


@attrs.define(eq=False)
class Overload:
    """Whether turns have had to wait for so long that no more clients should come.

    One burst does not count: its turns have been answered or refused a second later. Once it counts, nobody
    may have waited for a while, or clients would be sent back and forth.
    """

    _since: float = attrs.field(default=-math.inf, init=False)
    _last: float = attrs.field(default=-math.inf, init=False)
    _lasts: bool = attrs.field(default=False, init=False)

    def note(self, now: float) -> None:
        """Somebody waits."""
        if now - self._last > GAP and not self.lasts(now):
            self._since = now
        self._last = now
        if now - self._since >= OVERLOADED_AFTER:
            self._lasts = True

    def lasts(self, now: float) -> bool:
        """Whether it is so."""
        if self._lasts and now - self._last > CALM:
            self._lasts, self._since = False, math.inf
        return self._lasts


@attrs.define(eq=False)
class ReturnTimes:
    """When those who are refused are told to come back: one after the other, as fast as turns are
    admitted."""

    _moments: deque[float] = attrs.field(factory=lambda: deque(maxlen=RATE_OF), init=False)
    """Of the last admissions."""
    _last: float = attrs.field(default=-math.inf, init=False)

    def admitted(self, now: float) -> None:
        """A turn was."""
        self._moments.append(now)

    def next(self, now: float, soonest: float) -> float:
        """In how many seconds the next one has a chance, in tenths; not before ``soonest``."""
        interval = (now - self._moments[0]) / len(self._moments) if self._moments else LATEST_RETURN
        self._last = min(max(soonest, self._last + interval), now + LATEST_RETURN)
        return round(self._last - now, 1)
