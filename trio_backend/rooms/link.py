"""`Link`: the connection of a room to its session, made anew whenever it breaks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeAlias

import attrs
import trio
from loguru import logger

from ..client.failure import Backoff
from ..errors import NoConnection, WireClosed, first_leaf
from ..protocol import Decoded, Heartbeat, Incoming, InterruptSignal, decode_steps
from ..protocol.codec import MessageHead

ToSession: TypeAlias = Decoded | str | bytes
"""What a client said: decoded for a session in this process, the text frame as it came for one elsewhere."""

# After a connection that held so long the next attempt need not wait long.
STABLE = 30.0
# How long a session may take to say who it is.
GREETING_TIMEOUT = 10.0
BACKOFF = Backoff(first=0.25, longest=15.0, give_up=math.inf)


@attrs.frozen
class FromSession:
    """What a session said: its head, and the whole as the clients get it."""

    head: MessageHead
    encoded: bytes = attrs.field(repr=lambda encoded: f"<{len(encoded)} bytes>")


class RoomSession(Protocol):
    """A session, as the room that it serves has it. One task sends, one receives."""

    async def send(self, message: ToSession) -> None:
        """Send ``message``, which has the form that the `SessionSource` gives it. Raises `WireClosed`."""
        ...

    async def receive(self) -> FromSession:
        """What the session says next. Raises `WireClosed`. Cancelling it loses no message."""
        ...


@attrs.frozen
class SessionSource:
    """Where rooms get their sessions: ``open`` opens one, and raises `NoConnection` or `WireClosed`.

    ``decoded`` says in which form its sessions take messages: see `ToSession`.
    """

    open: Callable[[], AbstractAsyncContextManager[RoomSession]]
    decoded: bool

    def heartbeat(self) -> ToSession:
        """A heartbeat of our own."""
        return self._form(Heartbeat(), '{"type":"heartbeat"}')

    def interrupt(self) -> ToSession:
        """An interrupt of our own."""
        return self._form(InterruptSignal(), '{"type":"interrupt-signal","text":""}')

    def understand(self, frame: str | bytes) -> Iterator[tuple[Incoming, ToSession] | None]:
        """The messages in ``frame``, each with what is to be sent on; None where other tasks may have a turn.

        Large sound is several messages, see `decode_steps`. As a frame it goes on whole, once all of it could
        be decoded. Raises `ProtocolError`.
        """
        message: Incoming | None = None
        for step in decode_steps(frame):
            if step is None:
                yield None
            elif message is not None:
                yield (message, self._form(message, frame)) if self.decoded else None
            message = step or message
        assert message is not None
        yield message, self._form(message, frame)

    def _form(self, message: Incoming, frame: str | bytes) -> ToSession:
        return Decoded(message, len(frame)) if self.decoded else frame


class LinkEnd(Protocol):
    """Who is at our end of the link. No call may wait: the session stands still until it returns."""

    @property
    def greeted(self) -> bool:
        """Whether the session has said who it is."""
        ...

    def link_up(self) -> None:
        """A new session is there; nothing is known of any before it."""
        ...

    def link_said(self, message: FromSession) -> None:
        """The session sent ``message``."""
        ...

    def link_down(self, why: str) -> None:
        """The session is gone, or could not be reached; another attempt follows."""
        ...


@attrs.define(eq=False)
class Link:
    """`keep` is its life; `send` is for everybody, and fails while there is no session."""

    _source: SessionSource
    _end: LinkEnd
    _batches: trio.MemorySendChannel[tuple[ToSession, ...]] | None = attrs.field(default=None, init=False)

    async def send(self, *messages: ToSession) -> None:
        """Send ``messages`` with nothing in between; returns when they are on their way.

        Cancelling it has sent nothing. Raises `WireClosed` where there is no session.
        """
        if self._batches is None:
            raise WireClosed
        try:
            # One task writes, so that whoever is cancelled here cannot tear a message.
            await self._batches.send(messages)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise WireClosed from error

    async def keep(self) -> None:
        """Hold a session until cancelled; after each loss wait longer, unless the last one held long."""
        waits = BACKOFF.waits()
        while True:
            began = trio.current_time()
            try:
                async with self._source.open() as session:
                    await self._converse(session)
            except* (NoConnection, WireClosed) as group:
                why = str(first_leaf(group))
            logger.warning("a room has lost its session: {}", why)
            self._end.link_down(why)
            if trio.current_time() - began > STABLE:
                waits = BACKOFF.waits()
            await trio.sleep(next(waits))

    async def _converse(self, session: RoomSession) -> None:
        """Read and write until the connection is lost, which is raised as `WireClosed`."""
        put, get = trio.open_memory_channel[tuple[ToSession, ...]](0)
        with put, get:
            self._batches = put
            self._end.link_up()
            try:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(_write, session, get, name="room/writer")
                    await self._read(session)
            finally:
                self._batches = None

    async def _read(self, session: RoomSession) -> None:
        with trio.move_on_after(GREETING_TIMEOUT) as greeting:
            while not self._end.greeted:
                await self._read_one(session)
        if greeting.cancelled_caught:
            raise WireClosed(1002, f"no greeting within {GREETING_TIMEOUT:.0f} s")
        while True:
            await self._read_one(session)

    async def _read_one(self, session: RoomSession) -> None:
        message = await session.receive()
        self._end.link_said(message)


async def _write(session: RoomSession, batches: trio.MemoryReceiveChannel[tuple[ToSession, ...]]) -> None:
    async for batch in batches:
        for message in batch:
            await session.send(message)
        # A task that waits for the next batch must not keep the last one alive.
        del batch, message
