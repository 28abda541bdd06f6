"""How long to wait before the next attempt. No I/O."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import attrs


@attrs.frozen
class Backoff:
    """Waits that double from ``first`` to ``longest`` seconds, each shortened by up to half, at random.

    Many clients that lost the same server do not come back in one wave. ``give_up`` bounds their sum.
    """

    # By hand, although stamina retries well: these waits are not between calls but between connections, which
    # may last for hours. Stamina limits wait plus jitter, so that at the longest wait all clients of a server
    # that is down come back together; and its clock and its random numbers are not those of a simulation.
    first: float = 0.5
    longest: float = 15.0
    give_up: float = 600.0
    _random: Callable[[], float] = random.random

    def waits(self) -> Iterator[float]:
        """The waits, in seconds, until there is no more point."""
        whole, spent = self.first, 0.0
        while spent < self.give_up:
            wait = whole * (1 - self._random() / 2)
            yield wait
            spent += wait
            whole = min(2 * whole, self.longest)
