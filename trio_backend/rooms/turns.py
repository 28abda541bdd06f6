"""`RoomTurns`: which turn runs in the session of a room, who asked for it, and how it ends."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from enum import Enum, auto
from itertools import count
from typing import Generic, TypeVar, assert_never

import attrs
import trio

from ..identity import RequestId
from ..protocol import Error
from .session import RequestDropped, RoomEvent, TurnBegan, TurnOver, TurnSpoken

M = TypeVar("M")
C = TypeVar("C", bound=Hashable)

ANSWERED_WITHIN = 2.0
"""Seconds within which clients say what they have heard, when speech has silenced them."""


class TurnResult(Enum):
    """How a turn ended."""

    ENDED = auto()
    INTERRUPTED = auto()
    REFUSED = auto()
    """The session sent an error, and began no turn."""
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
"""The error that the sender of a message gets if its turn was not completed."""


@attrs.define(eq=False)
class RoomTurn(Generic[M]):
    """One turn of the session. It answers ``message`` of the queue; None: it was not begun by the queue."""

    message: M | None = None
    request: RequestId | None = None
    number: int | None = attrs.field(default=None, init=False)
    """The session's, once it has begun."""
    longest_playback: float = attrs.field(default=0.0, init=False)
    """Seconds that its sound lasts at most, once it is ``spoken``."""
    result: TurnResult | None = attrs.field(default=None, init=False)
    spoken: trio.Event = attrs.field(factory=trio.Event, init=False)
    """Set when all its sound was sent, or when it is over."""
    over: trio.Event = attrs.field(factory=trio.Event, init=False)

    @property
    def started(self) -> bool:
        """Whether clients have seen it begin."""
        return self.number is not None

    @property
    def report(self) -> Error | None:
        """The error for its sender if it was not completed; None where all have seen how it ended."""
        if self.message is None or (self.started and self.result is TurnResult.INTERRUPTED):
            return None
        return REPORTS.get(self.result or TurnResult.ENDED)

    def finish(self, result: TurnResult) -> None:
        """The turn is over; only the first result counts."""
        self.result = self.result or result
        self.spoken.set()
        self.over.set()


class SilenceAnswer(Enum):
    """A client says what it had heard when speech silenced it."""

    FIRST = auto()
    LATER = auto()
    """Another client has said so before: to the session it would be a barge-in into what goes on."""


class Silence(Generic[C]):
    """The ``clients`` that were told at ``since`` that somebody speaks, and are silent; each answers once."""

    def __init__(self, clients: Iterable[C] = (), since: float = 0.0) -> None:
        self._clients, self._since, self._answered = set(clients), since, False

    def answered(self, client: C, now: float) -> SilenceAnswer | None:
        """``client`` interrupts. What kind of answer that is; None: it was not asked, and means it."""
        if client not in self._clients or now - self._since > ANSWERED_WITHIN:
            return None
        self._clients.remove(client)
        answer = SilenceAnswer.LATER if self._answered else SilenceAnswer.FIRST
        self._answered = True
        return answer


@attrs.define(eq=False)
class RoomTurns(Generic[M]):
    """The turns of a session, as its events report them. No tasks, no clock.

    There are two at most: one that runs, and one that was asked for and has not begun. The room asks only
    while no turn runs; but before its message arrives, a client may use the microphone, or the character may
    speak unprompted, and that turn runs first.
    """

    _asked: RoomTurn[M] | None = attrs.field(default=None, init=False)
    _running: RoomTurn[M] | None = attrs.field(default=None, init=False)
    _requests: count[int] = attrs.field(factory=lambda: count(1), init=False)

    @property
    def current(self) -> RoomTurn[M] | None:
        """The turn that is to be over before the next may be asked for."""
        return self._asked or self._running

    def ask(self, message: M) -> RoomTurn[M]:
        """A new turn for ``message``, with the `RequestId` to send it with. Call it before sending."""
        self._asked = RoomTurn(message, RequestId(next(self._requests)))
        return self._asked

    def end(self, result: TurnResult) -> RoomTurn[M] | None:
        """End all turns; later events of them are ignored. Returns the one that was `current`."""
        current = self.current
        for turn in self._asked, self._running:
            if turn is not None:
                turn.finish(result)
        self._asked = self._running = None
        return current

    def follow(self, event: RoomEvent) -> RoomTurn[M] | None:
        """Take in ``event`` of the session; the turn that began with it, if one did.

        Events of a turn that is over are ignored.
        """
        match event:
            case TurnBegan(number, request):
                return self._begin(number, request)
            case TurnSpoken(number, seconds):
                if self._running is not None and self._running.number == number:
                    self._running.longest_playback = seconds
                    self._running.spoken.set()
            case TurnOver(number, request):
                self._over(number, request)
            case RequestDropped(request, refused):
                self._drop(request, TurnResult.REFUSED if refused else TurnResult.INTERRUPTED)
            case _:
                assert_never(event)
        return None

    def _begin(self, number: int, request: RequestId | None) -> RoomTurn[M]:
        if self._asked is not None and self._asked.request == request:
            turn, self._asked = self._asked, None
        else:
            turn = RoomTurn()
        if self._running is not None:
            # A session has one turn at a time.
            self._running.finish(TurnResult.ENDED)
        self._running = turn
        turn.number = number
        return turn

    def _over(self, number: int, request: RequestId | None) -> None:
        running = self._running
        if running is not None and running.number == number:
            self._running = None
            running.finish(TurnResult.ENDED)
        elif request is not None:
            # It was cut before anybody saw it begin.
            self._drop(request, TurnResult.INTERRUPTED)

    def _drop(self, request: RequestId, result: TurnResult) -> None:
        asked = self._asked
        if asked is not None and asked.request == request:
            self._asked = None
            asked.finish(result)
