"""`ServerLink`: a connection to the server, reconnected whenever it is lost."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias
from urllib.parse import parse_qsl, urlencode, urlsplit

import attrs
import trio

from ..client.address import ServerAddress
from ..client.connection import ServerConnection, open_wire
from ..client.failure import Backoff
from ..client.messages import ReceivedError, ServerMessage
from ..errors import NoConnection, ProtocolError, WireClosed, first_leaf
from ..protocol.incoming import Heartbeat, Incoming, TextInput

ROOM_PATH = "/proxy-ws"
# After so many seconds without a message a heartbeat is sent; after as many more the connection is lost.
SILENCE = 20.0
# A person's lines and the answers to the server; when so many wait, the server has stopped reading.
MAX_QUEUED = 64
# After a connection that lasted so long, in seconds, the waits start again with the shortest.
LASTING = 30.0
# Errors with which a server sends away whoever asks for a room, and would do so again.
_REFUSALS = frozenset({"proxy-disabled", "bad-room"})


@attrs.frozen
class RoomOptions:
    """The ``room`` to join, "" for none, and the user's ``name`` in it.

    In a room a message waits for its turn, and interrupts nobody.
    """

    room: str = ""
    name: str = ""

    def message(self, text: str) -> TextInput:
        """``text`` as it is sent."""
        return TextInput(text, name=self.name or None, notify=bool(self.room))

    def address(self, server: ServerAddress) -> ServerAddress:
        """The room's address at ``server``. The rest of the query, such as a token, stays."""
        if not self.room:
            return server
        asked = [pair for pair in parse_qsl(urlsplit(server.target).query) if pair[0] != "room"]
        return attrs.evolve(server, target=f"{ROOM_PATH}?{urlencode([*asked, ('room', self.room)])}")


@attrs.frozen
class Connected:
    """There is a connection, the first or a new one."""


@attrs.frozen
class Unreadable:
    """The server sent something that cannot be read."""

    why: str


@attrs.frozen
class Lost:
    """The connection is gone; the link reconnects."""

    why: str


@attrs.frozen
class GaveUp:
    """There is no connection, and the link has stopped trying; ``why`` is empty where the server said it."""

    why: str


LinkEvent: TypeAlias = Connected | ServerMessage | Unreadable | Lost | GaveUp


@attrs.define(eq=False)
class ServerLink:
    """`run` stays connected and sends all that happens to ``inbox``; `send` and `close` are for the loop.

    If the first connection fails there is no second attempt, since the address is most likely wrong. After a
    lost one the link reconnects with ``backoff``, unless ``once``.
    """

    address: ServerAddress
    _inbox: trio.MemorySendChannel[LinkEvent]
    once: bool = False
    backoff: Backoff = attrs.field(factory=Backoff)
    _outbox: trio.MemorySendChannel[Incoming] | None = attrs.field(default=None, init=False)
    _closing: bool = attrs.field(default=False, init=False)
    _refused: bool = attrs.field(default=False, init=False)
    _scope: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)

    def send(self, message: Incoming) -> None:
        """Queue ``message``. Without a connection it is dropped: `Lost` was or will be in the inbox.

        When the server has not read for so long that the outbox is full, the connection counts as lost.
        """
        if self._outbox is None:
            return
        try:
            self._outbox.send_nowait(message)
        except trio.WouldBlock:
            self._outbox.close()
            self._outbox = None

    def close(self) -> None:
        """Send what is queued, close the connection, and let `run` return."""
        self._closing = True
        if self._outbox is None:
            self._scope.cancel("closed by the user")
        else:
            self._outbox.close()
            self._outbox = None

    async def run(self) -> None:
        """Stay connected until `close`; the last event is `GaveUp` where that is not possible."""
        with self._scope:
            try:
                await self._stay_connected()
            except* NoConnection as group:
                await self._inbox.send(GaveUp(str(first_leaf(group))))

    async def _stay_connected(self) -> None:
        why, lasting = await self._run_connection()
        waits = self.backoff.waits()
        while not self._closing:
            if self.once:
                raise NoConnection(f"the connection to {self.address} was lost: {why}")
            await self._inbox.send(Lost(why))
            if lasting:
                waits = self.backoff.waits()
            why, lasting = await self._reconnect(waits)

    async def _reconnect(self, waits: Iterator[float]) -> tuple[str, bool]:
        failure = NoConnection(f"{self.address} could not be reached again")
        for wait in waits:
            await trio.sleep(wait)
            try:
                return await self._run_connection()
            except NoConnection as error:
                if error.lasting:
                    raise
                failure = error
        raise failure

    async def _run_connection(self) -> tuple[str, bool]:
        """Run one connection to its end; why it ended, and whether it had lasted for `LASTING`.

        Raises `NoConnection` where it cannot be made.
        """
        async with open_wire(self.address) as wire:
            connection = ServerConnection(wire)
            began = trio.current_time()
            self._outbox, messages = trio.open_memory_channel[Incoming](MAX_QUEUED)
            try:
                why = await self._exchange(connection, messages)
            finally:
                messages.close()
                self._outbox = None
            lasting = trio.current_time() - began > LASTING
        if self._refused:
            raise NoConnection("", lasting=True)
        return why, lasting

    async def _exchange(
        self, connection: ServerConnection, messages: trio.MemoryReceiveChannel[Incoming]
    ) -> str:
        """Read and write until one of both ends, and why it did."""
        why = f"the server does not read: {MAX_QUEUED} messages wait"

        async def read() -> None:
            nonlocal why
            try:
                await self._read(connection)
            except WireClosed as closed:
                why = closed.reason
                nursery.cancel_scope.cancel("the connection is gone")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read, name="link/reader")
            try:
                async for message in messages:
                    await connection.send(message)
            except WireClosed as closed:
                why = closed.reason
            nursery.cancel_scope.cancel("the writer has ended")
        return why

    async def _read(self, connection: ServerConnection) -> None:
        """Put all that the server sends into the inbox. Raises `WireClosed` at the end."""
        await self._inbox.send(Connected())
        asked = False
        while True:
            with trio.move_on_after(SILENCE) as timeout:
                event = await _next(connection)
            if not timeout.cancelled_caught:
                asked = False
                self._refused |= isinstance(event, ReceivedError) and event.code in _REFUSALS
                if event is not None:
                    await self._inbox.send(event)
            elif asked:
                raise WireClosed(1006, f"the server sent nothing for {2 * SILENCE:.0f} s")
            else:
                asked = True
                self.send(Heartbeat())


async def _next(connection: ServerConnection) -> ServerMessage | Unreadable | None:
    try:
        return await connection.receive()
    except ProtocolError as error:
        return Unreadable(str(error))
