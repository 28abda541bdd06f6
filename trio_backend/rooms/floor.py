"""`Floor`: who has the floor in the session behind a room, as far as its messages tell. No tasks."""

from __future__ import annotations

from enum import Enum, auto
from typing import Generic, TypeVar

import attrs
import trio

from ..protocol.peek import Glimpse

M = TypeVar("M")

# 16-bit mono in base64 at 8 kHz, the least that voices have: what was sent cannot last longer than this says.
SOUND_PER_SECOND = 16_000 * 4 / 3


class Outcome(Enum):
    """How a turn ended."""

    ENDED = auto()
    INTERRUPTED = auto()
    REFUSED = auto()
    """The session answered with an error before the turn had begun."""
    LOST = auto()
    """The session is gone."""
    LATE = auto()
    CLOSED = auto()
    """The last client has left the room."""


@attrs.define(eq=False)
class RoomTurn(Generic[M]):
    """One turn of the session. ``message`` is what it answers; None if that did not wait in the queue."""

    message: M | None = None
    started: bool = False
    outcome: Outcome | None = attrs.field(default=None, init=False)
    spoken: trio.Event = attrs.field(factory=trio.Event, init=False)
    """Set when all its sound was sent, or when it is over."""
    over: trio.Event = attrs.field(factory=trio.Event, init=False)
    _sound: int = attrs.field(default=0, init=False)

    @property
    def longest_playback(self) -> float:
        """Seconds that the sound sent so far lasts at most."""
        return self._sound / SOUND_PER_SECOND

    def count_sound(self, size: int) -> None:
        self._sound += size

    def finish(self, outcome: Outcome) -> None:
        """The turn is over; only the first word on that counts."""
        self.outcome = self.outcome or outcome
        self.spoken.set()
        self.over.set()


@attrs.define(eq=False)
class Floor(Generic[M]):
    """Follows one connection to a session: at most one turn at a time, ours or another's.

    A turn's messages can only be told from the last one's by their place. So before a turn is asked
    for, and after an interrupt, a `heartbeat` is sent, the fence: what comes before its ack is of the past.
    """

    turn: RoomTurn[M] | None = attrs.field(default=None, init=False)
    _fences: int = attrs.field(default=0, init=False)

    def raise_fence(self) -> None:
        """A heartbeat is about to be sent."""
        self._fences += 1

    def lower_fence(self) -> None:
        """The ack has come, or the heartbeat was not sent after all."""
        self._fences = max(0, self._fences - 1)

    def take(self, message: M) -> RoomTurn[M]:
        """The next turn is ours."""
        self.turn = RoomTurn(message)
        return self.turn

    def leave(self, outcome: Outcome) -> RoomTurn[M] | None:
        """Whoever has the floor has it no more; the turn that this ended, if any."""
        turn, self.turn = self.turn, None
        if turn is not None:
            turn.finish(outcome)
        return turn

    def hear(self, seen: Glimpse, size: int) -> RoomTurn[M] | None:
        """The session sent this; the turn that began with it, if one did."""
        if seen.type == "heartbeat-ack":
            self.lower_fence()
        elif not self._fences:
            return self._follow(seen, size)
        return None

    def _follow(self, seen: Glimpse, size: int) -> RoomTurn[M] | None:
        turn = self.turn
        match seen:
            case Glimpse("control", "conversation-chain-start") if turn is None or not turn.started:
                self.turn = begun = turn or RoomTurn()
                begun.started = True
                return begun
            case Glimpse("control", "conversation-chain-end") if turn is not None and turn.started:
                self.leave(Outcome.ENDED)
            case Glimpse("error") if turn is not None and not turn.started:
                self.leave(Outcome.REFUSED)
            case Glimpse("audio") if turn is not None:
                turn.count_sound(size)
            case Glimpse("backend-synth-complete") if turn is not None:
                turn.spoken.set()
        return None
