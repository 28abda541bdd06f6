"""A language model and a speech synthesis behind HTTP, with the documented bytes of OpenAI's API.

``python -m trio_backend.prove.engine_server`` writes its address on standard error and serves until it is
ended. It is a process of its own, so that its work is not taken for that of the server that asks it.
"""

from __future__ import annotations

import heapq
import itertools
import math
import socket
import sys
from collections import Counter
from contextlib import suppress

import attrs
import msgspec
import trio

from .engine_bytes import (
    BEGIN,
    END,
    NOT_FOUND,
    SPEECH,
    TOKENS,
    WATCH_HEAD,
    WHOLE_REPLY,
    HttpRequest,
    take_request,
)
from .stand_ins import ENDLESS, INSTANT, STEADY

# Connections that wait to be accepted: all clients of a crowd ask at the same instant.
BACKLOG = 1024
LARGEST_REQUEST = 1_000_000
"""Bytes; a prompt of hundreds of turns has some ten thousand."""
RETRY = 0.001
"""Seconds after which one who took no data is tried again."""


@attrs.frozen
class TokenTimes:
    """When a model's tokens come: seconds to the first one, and from each to the next."""

    first: float
    interval: float
    endless: bool = False


MODELS = {
    STEADY: TokenTimes(0.05, 0.005),
    INSTANT: TokenTimes(0.0, 0.0),
    ENDLESS: TokenTimes(0.01, 0.01, endless=True),
}


@attrs.define(eq=False)
class ModelReply:
    """A reply on its way: it sends its next token each time that it is asked to."""

    model: str
    _connection: socket.socket
    _sent: int = 0
    unsent: bytes = b""
    over: bool = False

    @property
    def times(self) -> TokenTimes:
        """When its tokens are due."""
        return MODELS[self.model]

    def send_next(self) -> bool:
        """Send the next token without waiting; whether more follow.

        One who does not read gets it later, and no more until then.
        """
        data = self.unsent or self._next()
        try:
            self.unsent = data[self._connection.send(data) :]
        except BlockingIOError:
            self.unsent = data
        except OSError:
            self.over = True  # the other side is gone; the task that reads from it finds that too
        if not self.unsent and not self.times.endless and self._sent >= len(TOKENS):
            self.over = True
        return not self.over

    def _next(self) -> bytes:
        if not self.times.interval:
            self._sent = len(TOKENS)
            return WHOLE_REPLY
        begin, token = b"" if self._sent else BEGIN, TOKENS[self._sent % len(TOKENS)]
        self._sent += 1
        last = self._sent == len(TOKENS) and not self.times.endless
        return begin + token + (END if last else b"")


class _ModelRequest(msgspec.Struct):
    model: str = ""


@attrs.define(eq=False)
class EngineServer:
    """Replies of `MODELS`, speech of 0.3 s, and ``GET /replies/MODEL``: how many replies are on their way.

    The last streams a number in a line, and another one whenever it changes, the moment that it does: so
    the load generator sees when the server has closed its connection.

    One timer serves all replies, and the sockets are used without Trio's: a task that sleeps and sends for
    each token costs five times as much, and two hundred replies would be late by what they cost here.
    """

    _due: list[tuple[float, int, ModelReply]] = attrs.field(factory=list, init=False)
    _earlier: trio.Event = attrs.field(factory=trio.Event, init=False)
    _numbers: itertools.count[int] = attrs.field(factory=itertools.count, init=False)
    _open: Counter[str] = attrs.field(factory=Counter, init=False)
    _watching: dict[socket.socket, str] = attrs.field(factory=dict, init=False)

    async def run(self, listener: socket.socket) -> None:
        """Serve the non-blocking ``listener`` until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._send_tokens)
            while True:
                await trio.lowlevel.wait_readable(listener)
                try:
                    connection, _ = listener.accept()
                except (BlockingIOError, ConnectionError):
                    continue  # it left before it was accepted
                connection.setblocking(False)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                nursery.start_soon(self._serve, connection)

    async def _send_tokens(self) -> None:
        while True:
            with trio.move_on_at(self._due[0][0] if self._due else math.inf):
                await self._earlier.wait()
            self._earlier = trio.Event()
            now = trio.current_time()
            while self._due and self._due[0][0] <= now:
                due, _, reply = heapq.heappop(self._due)
                if reply.over:
                    continue  # its connection was closed
                if reply.send_next():
                    self._push(now + RETRY if reply.unsent else due + reply.times.interval, reply)
                else:
                    self._count(reply.model, -1)

    def _push(self, due: float, reply: ModelReply) -> None:
        heapq.heappush(self._due, (due, next(self._numbers), reply))
        if self._due[0][2] is reply:
            self._earlier.set()

    async def _serve(self, connection: socket.socket) -> None:
        """One connection, until it is closed; a reply ends with its connection."""
        received, reply = bytearray(), None
        try:
            while (data := await _receive(connection)) and len(received) < LARGEST_REQUEST:
                received += data
                while (request := take_request(received)) is not None:
                    reply = await self._answer(connection, request)
        finally:
            if reply is not None and not reply.over:
                reply.over = True
                self._count(reply.model, -1)
            self._watching.pop(connection, None)
            connection.close()

    async def _answer(self, connection: socket.socket, request: HttpRequest) -> ModelReply | None:
        path = request.path.removeprefix("/").split("/")
        match path:
            case ["v1", "chat", "completions"]:
                model = msgspec.json.decode(request.body, type=_ModelRequest).model
                if model in MODELS:
                    reply = ModelReply(model, connection)
                    self._count(model, 1)
                    self._push(trio.current_time() + reply.times.first, reply)
                    return reply
                await _send(connection, NOT_FOUND)
            case ["v1", "audio", "speech"]:
                await _send(connection, SPEECH)
            case ["replies", model]:
                await _send(connection, WATCH_HEAD + b"%d\n" % self._open[model])
                self._watching[connection] = model
            case _:
                await _send(connection, NOT_FOUND)
        return None

    def _count(self, model: str, change: int) -> None:
        self._open[model] += change
        for connection, watched in self._watching.items():
            if watched == model:
                # One that is gone is closed by its own task.
                with suppress(OSError):
                    connection.send(b"%d\n" % self._open[model])


async def _receive(connection: socket.socket) -> bytes:
    while True:
        try:
            return connection.recv(65_536)
        except BlockingIOError:
            await trio.lowlevel.wait_readable(connection)
        except OSError:
            return b""


async def _send(connection: socket.socket, data: bytes) -> None:
    while data:
        try:
            data = data[connection.send(data) :]
        except BlockingIOError:
            await trio.lowlevel.wait_writable(connection)
        except OSError:
            return  # the next read finds it closed


def main() -> None:
    """Serve on a free port of this machine, until the process is ended."""
    with socket.create_server(("127.0.0.1", 0), backlog=BACKLOG) as listener:
        listener.setblocking(False)
        print(
            f"the engine server is at http://127.0.0.1:{listener.getsockname()[1]}",
            file=sys.stderr,
            flush=True,
        )
        trio.run(EngineServer().run, listener)


if __name__ == "__main__":
    main()
