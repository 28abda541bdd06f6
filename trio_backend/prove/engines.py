"""The engine server as the load generator sees it: its own speed, and the replies that are on their way."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from statistics import median
from typing import Protocol

import attrs
import msgspec
import psutil
import trio

from ..errors import NoConnection
from .stand_ins import FIRST_CLAUSE, STEADY

# How often the model alone is timed.
ALONE = 7
# Seconds; each answer takes a fraction of one.
TIMEOUT = 30.0


@attrs.frozen
class ModelTimes:
    """Seconds from a request to a model to its first clause, and to the end of its reply."""

    first_clause: float
    whole: float


@attrs.define(eq=False)
class RepliesWatch:
    """How many replies of a model are on their way; `take` has the newest count."""

    open: int = attrs.field(default=0, init=False)
    none_since: float = attrs.field(default=-math.inf, init=False)
    """When the last one ended."""
    _none: trio.Event = attrs.field(factory=trio.Event, init=False)

    def take(self, count: int) -> None:
        """There are ``count`` now."""
        if count and not self.open:
            self._none = trio.Event()
        if self.open and not count:
            self.none_since = trio.current_time()
            self._none.set()
        self.open = count

    async def wait_none(self) -> None:
        """Until none is on its way."""
        if self.open:
            await self._none.wait()
        else:
            await trio.lowlevel.checkpoint()


class Engines(Protocol):
    """The engines of a server that prove has started; `EngineServerAddress` is how they are reached."""

    async def alone(self) -> ModelTimes:
        """What the model of `STEADY` takes without a server between; the median of several replies."""
        ...

    async def open_connections(self) -> int:
        """How many connections the server has open to them, those kept for its next requests included."""
        ...

    def watch(self, model: str) -> AbstractAsyncContextManager[RepliesWatch]:
        """The replies of ``model`` that are on their way, as long as the block lasts."""
        ...


@attrs.frozen
class EngineServerAddress:
    """The engine server: its port on this machine and its process id, and the process that it serves.

    Its methods raise `NoConnection`, and `trio.TooSlowError` after `TIMEOUT`; `open_connections` raises
    `psutil.Error`.
    """

    port: int
    pid: int
    client_pid: int = 0
    """The server that is measured. Up to two servers use the same engines in one run."""

    async def alone(self) -> ModelTimes:
        """See `Engines.alone`. It waits by this machine's timers, which wake it up to a millisecond late."""
        took = [await self._reply() for _ in range(ALONE)]
        return ModelTimes(median(one.first_clause for one in took), median(one.whole for one in took))

    async def open_connections(self) -> int:
        """See `Engines.open_connections`. Read of the server's process: it is among its open files too."""
        return await trio.to_thread.run_sync(_connections_to, self.port, self.client_pid)

    async def _reply(self) -> ModelTimes:
        body = msgspec.json.encode({"model": STEADY, "stream": True, "messages": []})
        first, said = 0.0, b""
        with trio.fail_after(TIMEOUT):
            async with await self._connect() as stream:
                began = trio.current_time()
                await stream.send_all(
                    b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
                    b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
                )
                while not said.endswith(b"\r\n0\r\n\r\n"):
                    if not (data := await stream.receive_some()):
                        raise NoConnection("the engine server broke off its reply")
                    said += data
                    if not first and b'" %b"' % FIRST_CLAUSE.split()[-1].encode() in said:
                        first = trio.current_time() - began
                return ModelTimes(first, trio.current_time() - began)

    @asynccontextmanager
    async def watch(self, model: str) -> AsyncIterator[RepliesWatch]:
        """See `Engines.watch`."""
        watch = RepliesWatch()
        with trio.fail_after(TIMEOUT):
            stream = await self._connect()
        async with stream, trio.open_nursery() as nursery:
            await stream.send_all(b"GET /replies/%b HTTP/1.1\r\nHost: localhost\r\n\r\n" % model.encode())
            await nursery.start(_follow, stream, watch)
            yield watch
            nursery.cancel_scope.cancel("nobody watches any more")

    async def _connect(self) -> trio.SocketStream:
        try:
            return await trio.open_tcp_stream("127.0.0.1", self.port)
        except OSError as error:
            raise NoConnection("the engine server that prove has started does not answer") from error


def _connections_to(port: int, of: int) -> int:
    """How many sockets of the process ``of`` lead, or have led, to ``port`` of this machine."""
    sockets = psutil.Process(of).net_connections("tcp4")
    return sum(bool(one.raddr) and one.raddr.port == port for one in sockets)


async def _follow(
    stream: trio.SocketStream, watch: RepliesWatch, *, task_status: trio.TaskStatus[None]
) -> None:
    """Take the counts as they come; started with the first."""
    rest, in_head, begun = b"", True, False
    async for data in stream:
        rest += data
        if in_head and b"\r\n\r\n" in rest:
            in_head, rest = False, rest.partition(b"\r\n\r\n")[2]
        if in_head:
            continue
        *lines, rest = rest.split(b"\n")
        if lines:
            watch.take(int(lines[-1]))
            if not begun:
                begun = True
                task_status.started()
    raise NoConnection("the engine server has ended")
