"""The link to the server: one connection after the other, for as long as the conversation lasts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import attrs
import trio

from ..client.address import Address
from ..client.backoff import Backoff
from ..client.connection import ServerConnection, open_wire
from ..client.messages import ServerMessage
from ..errors import NoConnection, ProtocolError, WireClosed, first_leaf
from ..protocol.incoming import Heartbeat, Incoming

# A server that says nothing for so long is asked whether it still lives, and given up when it does not
# answer for as long again.
SILENCE = 20.0
# A person's lines and the answers to the server's questions; when so many wait, nobody reads them.
OUTBOX = 64
# A connection that held so long was a good one: the next attempt after it need not wait long.
GOOD = 30.0


@attrs.frozen
class Connected:
    """A connection stands, the first or a new one."""


@attrs.frozen
class Unreadable:
    """The server sent something that cannot be read."""

    why: str


@attrs.frozen
class Lost:
    """The connection is gone; the link tries to make a new one."""

    why: str


@attrs.frozen
class GaveUp:
    """There is no connection, and there will be none."""

    why: str


LinkNews: TypeAlias = Connected | ServerMessage | Unreadable | Lost | GaveUp


@attrs.define(eq=False)
class Link:
    """`run` keeps the connection and tells the loop what comes, through ``inbox``; `send` is for the loop.

    A first connection that fails is not tried again, since the address is most likely wrong. One that
    is lost is made anew with ``backoff``, unless ``once``.
    """

    address: Address
    _inbox: trio.MemorySendChannel[LinkNews]
    once: bool = False
    backoff: Backoff = attrs.field(factory=Backoff)
    _outbox: trio.MemorySendChannel[Incoming] | None = attrs.field(default=None, init=False)
    _hung_up: bool = attrs.field(default=False, init=False)
    _life: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)

    def send(self, message: Incoming) -> None:
        """Put ``message`` on its way. Without a connection it is dropped: `Lost` has been or will be told.

        When the server has not read for so long that the outbox is full, the connection counts as lost.
        """
        if self._outbox is None:
            return
        try:
            self._outbox.send_nowait(message)
        except trio.WouldBlock:
            self._outbox.close()
            self._outbox = None

    def hang_up(self) -> None:
        """Send what is on its way, say goodbye, and let `run` return."""
        self._hung_up = True
        if self._outbox is None:
            self._life.cancel("hung up")
        else:
            self._outbox.close()
            self._outbox = None

    async def run(self) -> None:
        """Stay connected until `hang_up`; the last news is `GaveUp` where that is not possible."""
        with self._life:
            try:
                await self._keep()
            except* NoConnection as group:
                await self._inbox.send(GaveUp(str(first_leaf(group))))

    async def _keep(self) -> None:
        why, good = await self._stay()
        waits = self.backoff.waits()
        while not self._hung_up:
            if self.once:
                raise NoConnection(f"the connection to {self.address} was lost: {why}")
            await self._inbox.send(Lost(why))
            if good:
                waits = self.backoff.waits()
            why, good = await self._stay_again(waits)

    async def _stay_again(self, waits: Iterator[float]) -> tuple[str, bool]:
        failure = NoConnection(f"{self.address} did not come back")
        for wait in waits:
            await trio.sleep(wait)
            try:
                return await self._stay()
            except NoConnection as error:
                if error.lasting:
                    raise
                failure = error
        raise failure

    async def _stay(self) -> tuple[str, bool]:
        """One connection, to its end: why it ended, and whether it had been a good one."""
        async with open_wire(self.address) as wire:
            connection = ServerConnection(wire)
            began = trio.current_time()
            self._outbox, messages = trio.open_memory_channel[Incoming](OUTBOX)
            try:
                why = await self._converse(connection, messages)
            finally:
                messages.close()
                self._outbox = None
            good = trio.current_time() - began > GOOD
        return why, good

    async def _converse(
        self, connection: ServerConnection, messages: trio.MemoryReceiveChannel[Incoming]
    ) -> str:
        """Read and write until one of both ends, and why it did."""
        why = f"it takes no more than {OUTBOX} messages"

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
        """Tell the loop all that comes. Raises `WireClosed` when nothing more will."""
        await self._inbox.send(Connected())
        asked = False
        while True:
            with trio.move_on_after(SILENCE) as patience:
                news = await _next(connection)
            if not patience.cancelled_caught:
                asked = False
                if news is not None:
                    await self._inbox.send(news)
            elif asked:
                raise WireClosed(1006, f"it has said nothing for {2 * SILENCE:.0f} s")
            else:
                asked = True
                self.send(Heartbeat())


async def _next(connection: ServerConnection) -> ServerMessage | Unreadable | None:
    try:
        return await connection.receive()
    except ProtocolError as error:
        return Unreadable(str(error))
