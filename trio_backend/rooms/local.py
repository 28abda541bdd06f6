"""A room and its session in one process: they exchange objects and events, and encode a message once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeAlias, TypeVar, assert_never

import attrs
import trio

from ..conversation.events import (
    InputDropped,
    SpeechComplete,
    TurnEnded,
    TurnEvent,
    TurnResumed,
    TurnStarted,
)
from ..errors import WireClosed
from ..identity import RequestId
from ..protocol import (
    Accepted,
    Accepts,
    Decoded,
    InterruptSignal,
    Outgoing,
    SoundForSome,
    SoundFrame,
    encode,
)
from ..protocol.codec import MessageHead, head_of
from ..quota import MemoryQuota
from .session import FromSession, RequestDropped, RoomEvent, ToSession, TurnBegan, TurnOver, TurnSpoken

T = TypeVar("T")

ToRoom: TypeAlias = Outgoing | SoundFrame | SoundForSome | tuple[TurnEvent, Outgoing | None]
"""A message for all clients or for some, or an event with the message that expresses it, if there is one."""


@attrs.define
class _CloseCode:
    """The close code of the connection, shared by both ends. The first one that either sets stays."""

    code: int = 1006


@attrs.define(eq=False)
class LocalSession:
    """The `RoomSession` of a session in this process."""

    _put: trio.MemorySendChannel[Decoded]
    _get: trio.MemoryReceiveChannel[ToRoom]
    _closed: _CloseCode
    _accepted: Accepted

    async def ask(self, message: ToSession, request: RequestId) -> None:
        """See `RoomSession.ask`."""
        assert isinstance(message, Decoded)
        await _send(self._put, attrs.evolve(message, request=request), self._closed)

    async def interrupt(self, signal: ToSession | None = None) -> None:
        """See `RoomSession.interrupt`."""
        await self.send(signal or Decoded(InterruptSignal(), 0))

    async def retract(self, request: RequestId) -> None:
        """See `RoomSession.retract`. Does nothing: a session here never answers what it refused."""
        del request
        await trio.lowlevel.checkpoint()

    async def send(self, message: ToSession) -> None:
        """See `RoomSession.send`."""
        assert isinstance(message, Decoded)
        await _send(self._put, message, self._closed)

    def accept(self, each: frozenset[Accepts]) -> None:
        """See `RoomSession.accept`."""
        self._accepted.each = each

    async def receive(self) -> FromSession:
        """See `RoomSession.receive`. A message is encoded here, once for all clients of the room."""
        told = await _receive(self._get, self._closed)
        if isinstance(told, SoundForSome):
            return FromSession(
                head_of(told.message),
                encode(told.message),
                to=told.to,
                sentence=told.sentence,
                begins=told.begins,
            )
        if isinstance(told, tuple):
            event, message = told
            meaning = _room_event(event)
            if message is None:
                return FromSession(MessageHead(), b"", meaning)
            return FromSession(head_of(message), encode(message), meaning)
        return FromSession(head_of(told), encode(told))


def _room_event(event: TurnEvent) -> RoomEvent:
    match event:
        case TurnStarted(turn=turn, request=request):
            return TurnBegan(turn, request)
        case TurnResumed(turn=turn):
            # Clients have seen the one that ran being interrupted. This one is waited for anew.
            return TurnBegan(turn, None)
        case SpeechComplete(turn, seconds):
            return TurnSpoken(turn, seconds)
        case TurnEnded(turn=turn, request=request):
            return TurnOver(turn, request)
        case InputDropped(request, refused):
            return RequestDropped(request, refused)
        case _:
            assert_never(event)


@attrs.define(eq=False)
class RoomAsClient:
    """The `SessionClient` of a room's session: all clients of the room look like one client to it.

    It has no rate limit: each client of the room has its own.
    """

    quota: MemoryQuota
    outbox: trio.MemorySendChannel[ToRoom]
    """What the session sends. The room always reads, so a send never waits for a client."""
    _get: trio.MemoryReceiveChannel[Decoded]
    _closed: _CloseCode
    accepted: Accepted

    async def receive(self, refuse: object) -> Decoded:
        """The next message of the room's clients. Raises `WireClosed`. Cancelling it loses no message."""
        del refuse  # nothing is refused
        return await _receive(self._get, self._closed)

    async def send(self, message: Outgoing | SoundFrame) -> None:
        """Send ``message`` once the room reads. Raises `WireClosed`. Cancelling it has sent nothing."""
        await _send(self.outbox, message, self._closed)

    async def send_at_once(self, message: Outgoing) -> bool:
        """Never: the room answers heartbeats itself."""
        del message
        return False

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """End the session. Closing twice is harmless."""
        del reason
        self.close_nowait(code)
        await trio.lowlevel.checkpoint()

    def close_nowait(self, code: int = 1000) -> None:
        """As `close`."""
        if self._closed == _CloseCode():
            self._closed.code = code
        self.outbox.close()
        self._get.close()


async def _send(channel: trio.MemorySendChannel[T], message: T, closed: _CloseCode) -> None:
    try:
        await channel.send(message)
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        raise WireClosed(closed.code) from None


async def _receive(channel: trio.MemoryReceiveChannel[T], closed: _CloseCode) -> T:
    try:
        return await channel.receive()
    except (trio.EndOfChannel, trio.ClosedResourceError):
        raise WireClosed(closed.code) from None


@asynccontextmanager
async def open_local_session(
    serve: Callable[[RoomAsClient], Awaitable[None]], new_quota: Callable[[], MemoryQuota]
) -> AsyncIterator[LocalSession]:
    """A session that ``serve`` runs for as long as the block lasts; then ``serve`` is cancelled.

    If ``serve`` returns before that, the connection is closed. What the session keeps, it claims of a
    ``new_quota``.
    """
    # No capacity: nothing of a turn that was cut is left in a buffer, to be sent after the next one began.
    to_session, from_room = trio.open_memory_channel[Decoded](0)
    to_room, from_session = trio.open_memory_channel[ToRoom](0)
    closed = _CloseCode()
    accepted = Accepted()
    client = RoomAsClient(new_quota(), to_room, from_room, closed, accepted)

    async def run() -> None:
        try:
            await serve(client)
        finally:
            client.close_nowait()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run, name="session of a room")
        try:
            yield LocalSession(to_session, from_session, closed, accepted)
        finally:
            nursery.cancel_scope.cancel("the room is over")
            # Senders that are blocked get `WireClosed` now, not when the session has cleaned up.
            to_session.close()
            from_session.close()
