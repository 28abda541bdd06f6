"""How many messages and bytes a second one client may send: token buckets, fed with the time."""

from __future__ import annotations

import math
from enum import Enum, auto

import attrs


class Verdict(Enum):
    """What to do with a message."""

    TAKE = auto()
    REFUSE = auto()
    REFUSE_ALOUD = auto()
    """The first one refused: the client is told."""
    CLOSE = auto()


@attrs.define(eq=False)
class RateLimit:
    """Allows ``per_second`` messages on average and ``burst`` at once.

    The first message over the limit is refused aloud, the next ones silently, since answering a flood
    makes another; after ``burst`` refusals with no pause the client is to go.

    Of bytes it allows ``bytes_per_second`` and ``byte_burst``. Nothing is refused for its size: what comes
    next is to be read later, and the client's own network makes it wait.
    """

    per_second: float
    burst: int
    bytes_per_second: float = math.inf
    byte_burst: float = math.inf
    _free_at: float = attrs.field(default=-math.inf, init=False)
    """When all bytes that were taken so far will have had their time."""
    _tokens: float = attrs.field(init=False)
    _last: float | None = attrs.field(default=None, init=False)
    _refused: int = attrs.field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self._tokens = float(self.burst)

    def weigh(self, size: int, now: float) -> None:
        """A message of ``size`` bytes has come at ``now``."""
        self._free_at = max(self._free_at, now) + size / self.bytes_per_second

    def wait(self, now: float) -> float:
        """Seconds until the next message is to be read; 0 for at once."""
        return max(0.0, self._free_at - self.byte_burst / self.bytes_per_second - now)

    def judge(self, now: float) -> Verdict:
        """The verdict on a message that comes at ``now`` (seconds of any steady clock)."""
        if self._last is not None:
            self._tokens = min(self.burst, self._tokens + (now - self._last) * self.per_second)
        self._last = now
        if self._tokens >= self.burst / 2:
            self._refused = 0  # it has calmed down: the next refusal is said aloud again
        if self._tokens >= 1:
            self._tokens -= 1
            return Verdict.TAKE
        self._refused += 1
        if self._refused == 1:
            return Verdict.REFUSE_ALOUD
        return Verdict.REFUSE if self._refused <= self.burst else Verdict.CLOSE
