"""`TurnTracker`: which turn runs in the session behind a room, as far as its messages tell. No tasks."""

from __future__ import annotations

from enum import Enum, auto
from typing import Generic, TypeVar

import attrs
import trio

from ..protocol import Error
from ..protocol.codec import MessageHead

M = TypeVar("M")

# 16-bit mono in base64 at 8 kHz, the least that TTS engines give: what was sent cannot last longer than this
# says.
SOUND_PER_SECOND = 16_000 * 4 / 3


class TurnResult(Enum):
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


REPORTS = {
    TurnResult.REFUSED: Error(
        "your message could not be answered: see the error before this one", "turn-failed"
    ),
    TurnResult.LOST: Error(
        "the room lost its session while your message was being answered; it is not asked again",
        "upstream-lost",
    ),
    TurnResult.INTERRUPTED: Error(
        "somebody interrupted before your message was answered", "turn-interrupted"
    ),
    TurnResult.LATE: Error(
        "the answer to your message took longer than turn_deadline, and was ended", "turn-failed"
    ),
}
"""What the sender of a message is told of a turn that was not completed."""


@attrs.define(eq=False)
class RoomTurn(Generic[M]):
    """One turn of the session. ``message`` is what it answers; None if that did not wait in the queue."""

    message: M | None = None
    started: bool = False
    result: TurnResult | None = attrs.field(default=None, init=False)
    spoken: trio.Event = attrs.field(factory=trio.Event, init=False)
    """Set when all its sound was sent, or when it is over."""
    over: trio.Event = attrs.field(factory=trio.Event, init=False)
    _sound: int = attrs.field(default=0, init=False)

    @property
    def longest_playback(self) -> float:
        """Seconds that the sound sent so far lasts at most."""
        return self._sound / SOUND_PER_SECOND

    def count_sound(self, size: int) -> None:
        """A message with sound was sent, of ``size`` bytes."""
        self._sound += size

    def finish(self, result: TurnResult) -> None:
        """The turn is over; only the first result counts."""
        self.result = self.result or result
        self.spoken.set()
        self.over.set()


@attrs.define(eq=False)
class TurnTracker(Generic[M]):
    """Follows one connection to a session: at most one turn at a time, asked for by us or begun otherwise.

    Messages do not say which turn they belong to; only their order does. So before a turn is asked for, and
    after an interrupt, a `heartbeat` is sent as a barrier: what comes before its ack is of earlier turns.
    """

    turn: RoomTurn[M] | None = attrs.field(default=None, init=False)
    _barriers: int = attrs.field(default=0, init=False)

    def add_barrier(self) -> None:
        """A heartbeat is about to be sent."""
        self._barriers += 1

    def remove_barrier(self) -> None:
        """The ack has come, or the heartbeat was not sent after all."""
        self._barriers = max(0, self._barriers - 1)

    def begin(self, message: M) -> RoomTurn[M]:
        """``message`` is about to be sent: the next turn answers it."""
        self.turn = RoomTurn(message)
        return self.turn

    def end(self, result: TurnResult) -> RoomTurn[M] | None:
        """The turn that runs is over; which one that was, if any."""
        turn, self.turn = self.turn, None
        if turn is not None:
            turn.finish(result)
        return turn

    def follow(self, head: MessageHead, size: int) -> RoomTurn[M] | None:
        """The session sent this; the turn that started with it, if one did."""
        if head.type == "heartbeat-ack":
            self.remove_barrier()
        elif not self._barriers:
            return self._follow(head, size)
        return None

    def _follow(self, head: MessageHead, size: int) -> RoomTurn[M] | None:
        turn = self.turn
        match head:
            case MessageHead("control", "conversation-chain-start") if turn is None or not turn.started:
                self.turn = started = turn or RoomTurn()
                started.started = True
                return started
            case MessageHead("control", "conversation-chain-end") if turn is not None and turn.started:
                self.end(TurnResult.ENDED)
            case MessageHead("error") if turn is not None and not turn.started:
                self.end(TurnResult.REFUSED)
            case MessageHead("audio") if turn is not None:
                turn.count_sound(size)
            case MessageHead("backend-synth-complete") if turn is not None:
                turn.spoken.set()
        return None
