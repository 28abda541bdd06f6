"""`MessageTimer`: the timeout for a message that has begun to arrive."""

from __future__ import annotations

import math

import attrs
import trio

# Seconds. A task that wakes later than this was suspended with the whole process. A loop that is only busy is
# late by less: a full garbage collection with a thousand connections takes 0.2 s.
SUSPENDED = 1.0


@attrs.define(eq=False)
class MessageTimer:
    """``limit`` seconds of waiting for one message, in all.

    Time in which no task waited, or the process was suspended, does not count: the peer's bytes may have
    come then, and nobody read them.
    """

    limit: float
    _left: float = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._left = self.limit

    def renew(self) -> None:
        """Start again with the whole time."""
        self._left = self.limit

    def deadline(self, *, begun: bool) -> float:
        """When a wait that starts now must end; `math.inf` if the peer has not ``begun`` a message."""
        if not begun:
            self.renew()
            return math.inf
        return trio.current_time() + self._left

    def record(self, deadline: float) -> bool:
        """Record that the wait until ``deadline`` has ended; whether the message is overdue."""
        if deadline < math.inf:
            self._left = deadline - trio.current_time()
        if self._left < -SUSPENDED:
            # The process was suspended (SIGSTOP, a closed laptop): the rest may have come meanwhile.
            self.renew()
        return self._left <= 0
