"""A little WebSocket server on a real socket, which speaks as a service does, or misbehaves as one can.

It records each connection: what was asked for, every message, and when the client went away.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import attrs
import trio
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

Speaking = Callable[["Spoken"], Awaitable[None]]


class Gone(Exception):
    """The client has left."""


@attrs.define(eq=False)
class Spoken:
    """One connection, as a behaviour sees it. ``left`` is set when the client has closed it."""

    stream: trio.abc.Stream
    protocol: ServerProtocol = attrs.field(factory=ServerProtocol)
    path: str = ""
    headers: Mapping[str, str] = attrs.field(factory=dict)
    heard: list[str | bytes] = attrs.field(factory=list)
    left: trio.Event = attrs.field(factory=trio.Event)
    left_at: float = 0.0
    close_code: int | None = None
    said_at: float = 0.0
    """When the last message was sent."""

    @property
    def sound(self) -> bytes:
        """The messages of bytes, put together."""
        return b"".join(message for message in self.heard if isinstance(message, bytes))

    async def begin(self) -> None:
        """Take the request, and do not answer it yet."""
        while not (events := self.protocol.events_received()):
            await self._read()
        (request,) = events
        assert isinstance(request, Request)
        self.path, self.headers = request.path, {k.lower(): v for k, v in request.headers.raw_items()}
        self._request = request

    _request: Request | None = None

    async def accept(self, *, pings: bool = False) -> None:
        """Make a WebSocket of it; with ``pings``, one comes in the same packet."""
        assert self._request is not None
        self.protocol.send_response(self.protocol.accept(self._request))
        if pings:
            self.protocol.send_ping(b"?")
        await self.stream.send_all(b"".join(self.protocol.data_to_send()))

    async def refuse(self, status: int, body: bytes = b"", *headers: str) -> None:
        lines = [f"HTTP/1.1 {status} Whatever", *headers, f"Content-Length: {len(body)}", "", ""]
        await self.stream.send_all("\r\n".join(lines).encode() + body)

    async def say(self, message: object) -> None:
        """A text, or what is sent as JSON."""
        text = message if isinstance(message, str) else json.dumps(message)
        self.protocol.send_text(text.encode())
        self.said_at = trio.current_time()
        await self.flush()

    async def hear(self) -> str | bytes:
        """The next message. Raises `Gone`."""
        while True:
            for event in self.protocol.events_received():
                if isinstance(event, Frame) and event.opcode in (Opcode.TEXT, Opcode.BINARY):
                    data = bytes(event.data)
                    self.heard.append(data.decode() if event.opcode is Opcode.TEXT else data)
                elif isinstance(event, Frame) and event.opcode is Opcode.PONG:
                    self.pongs += 1
            if len(self.heard) > self._taken:
                self._taken += 1
                return self.heard[self._taken - 1]
            if self.protocol.close_rcvd is not None:
                raise Gone
            await self._read()
            await self.flush()

    _taken: int = 0

    async def hear_json(self) -> dict[str, Any]:
        message = await self.hear()
        assert isinstance(message, str)
        value = json.loads(message)
        assert isinstance(value, dict)
        return value

    async def ping(self) -> None:
        """Ask for a sign of life, and wait for it."""
        before = self.pongs
        self.protocol.send_ping(b"?")
        await self.flush()
        while self.pongs == before:
            with trio.move_on_after(0.01):
                await self.hear()

    pongs: int = 0

    async def close(self, code: int, reason: str = "") -> None:
        self.protocol.send_close(code, reason)
        await self.flush()

    async def flush(self) -> None:
        for data in self.protocol.data_to_send():
            if data:
                await self.stream.send_all(data)

    async def _read(self) -> None:
        data = await self.stream.receive_some(65_536)
        if not data:
            raise Gone
        self.protocol.receive_data(data)

    async def until_gone(self) -> None:
        """Read on until the client has left."""
        while True:
            await self.hear()


@attrs.define(eq=False)
class WebSocketService:
    """Each connection is treated as ``behaviour`` says, whose first part is mostly `accepted`."""

    port: int
    behaviour: Speaking
    script: list[Speaking] = attrs.field(factory=list)
    connections: list[Spoken] = attrs.field(factory=list)

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    async def serve(self, stream: trio.abc.Stream) -> None:
        spoken = Spoken(stream)
        self.connections.append(spoken)
        behaviour = self.script.pop(0) if self.script else self.behaviour
        try:
            await spoken.begin()
            await behaviour(spoken)
            await spoken.until_gone()
        except (Gone, trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        finally:
            spoken.left_at = trio.current_time()
            spoken.close_code = spoken.protocol.close_rcvd.code if spoken.protocol.close_rcvd else None
            spoken.left.set()


def accepted(behaviour: Speaking) -> Speaking:
    """Accept the WebSocket first."""

    async def both(spoken: Spoken) -> None:
        await spoken.accept()
        await behaviour(spoken)

    return both


def refusing(status: int, error: object = None, *headers: str) -> Speaking:
    """Answer with an error in JSON, or with the text of ``error``, instead of a WebSocket."""

    async def answer(spoken: Spoken) -> None:
        body = error.encode() if isinstance(error, str) else json.dumps({"error": error}).encode()
        kind = "text/html" if isinstance(error, str) else "application/json"
        await spoken.refuse(status, body, f"Content-Type: {kind}", *headers)

    return answer


async def hanging(spoken: Spoken) -> None:
    """No answer to the request at all."""
    await spoken.stream.receive_some(1)


async def breaking_off(spoken: Spoken) -> None:
    """Close in the handshake."""
    await spoken.stream.aclose()


@accepted
async def silent(spoken: Spoken) -> None:
    """Take everything, and say nothing."""


@accepted
async def garbage(spoken: Spoken) -> None:
    """A message that is none of any service."""
    await spoken.say("<surprise>")


@accepted
async def wrong_shape(spoken: Spoken) -> None:
    """JSON, but of another service."""
    await spoken.say([1, 2])


@accepted
async def half_a_frame(spoken: Spoken) -> None:
    """A frame that says it has 100 bytes, and 3 of them."""
    await spoken.hear()
    await spoken.stream.send_all(b"\x81\x64abc")
    await spoken.stream.aclose()


@accepted
async def broken_frame(spoken: Spoken) -> None:
    """A frame of a kind that does not exist."""
    await spoken.hear()
    await spoken.stream.send_all(b"\x83\x01a")


@accepted
async def no_text(spoken: Spoken) -> None:
    """A text that is no UTF-8."""
    await spoken.hear()
    await spoken.stream.send_all(b"\x81\x01\xff")


@accepted
async def going_away(spoken: Spoken) -> None:
    """The server is restarted."""
    await spoken.hear()
    await spoken.close(1012, "sk-secret is restarting")


TROUBLE: Mapping[str, tuple[Speaking, str]] = {
    "wrong key": (refusing(401, {"code": "invalid_api_key", "message": "sk-secret is wrong"}), "API key"),
    "forbidden": (refusing(403), "API key"),
    "no credit": (refusing(402, {"code": "x", "message": "sk-secret"}), "no credit"),
    "quota": (refusing(429, {"code": "insufficient_quota"}), "no credit"),
    "too many": (refusing(429, None, "Retry-After: 99"), "too many requests .429.; wait 99 s"),
    "unknown model": (refusing(404, {"code": "model_not_found"}), "no model"),
    "no such path": (refusing(404), "check base_url|check the address|gives no model's answer"),
    "web page": (refusing(200, "<h1>Welcome, sk-secret</h1>"), "a web page|no model's answer"),
    "redirect": (refusing(302, "<h1>Elsewhere</h1>", "Location: http://localhost/"), "check base_url"),
    "handshake hangs": (hanging, "no connection to .* in time"),
    "handshake breaks off": (breaking_off, "broke off"),
    "silence": (silent, "no transcript within"),
    "garbage": (garbage, "no transcript"),
    "wrong shape": (wrong_shape, "no transcript"),
    "half a frame": (half_a_frame, "broke off"),
    "broken frame": (broken_frame, "no transcript"),
    "no text": (no_text, "no transcript"),
    "going away": (going_away, "closed the connection|1012"),
}
"""What any service can do, and what is said of it. None of it may repeat ``sk-secret``."""


@asynccontextmanager
async def open_websocket_service(
    behaviour: Speaking, *, tls: ssl.SSLContext | None = None
) -> AsyncIterator[WebSocketService]:
    """A service on a free port of this machine, until the block is left; with ``tls``, over TLS."""
    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        service = WebSocketService(listener.socket.getsockname()[1], behaviour)
        listeners: Any = [trio.SSLListener(listener, tls, https_compatible=True) if tls else listener]
        serve_all: Any = trio.serve_listeners
        nursery.start_soon(serve_all, service.serve, listeners)
        yield service
        nursery.cancel_scope.cancel()
