"""`Patience`: how long a peer may take for what it has begun, while we wait for it."""

from __future__ import annotations

import math

import attrs
import trio

# Seconds by which we wake too late when the whole process was paused, and was not just busy.
PAUSE = 1.0


@attrs.define(eq=False)
class Patience:
    """``limit`` seconds of waiting in all; time in which we did not wait, or could not, does not count."""

    limit: float
    _left: float = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._left = self.limit

    def renew(self) -> None:
        """The peer has the whole time again."""
        self._left = self.limit

    def deadline(self, *, begun: bool) -> float:
        """When a wait that starts now is to end; never, if the peer has not ``begun`` anything."""
        if not begun:
            self.renew()
            return math.inf
        return trio.current_time() + self._left

    def ended(self, deadline: float) -> bool:
        """A wait until ``deadline`` has ended; whether the time is over."""
        if deadline < math.inf:
            self._left = deadline - trio.current_time()
        if self._left < -PAUSE:
            # The process was stopped (SIGSTOP, a closed laptop): perhaps we were told what we did not hear.
            self.renew()
        return self._left <= 0
