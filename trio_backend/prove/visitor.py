"""`Visitor`: a client of the protocol that keeps time; it stands for a page that somebody has opened."""

from __future__ import annotations

import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal, TypeAlias
from urllib.parse import urlsplit

import attrs
import msgspec
import trio
import trio_websocket

from ..client.handshake import SocketOrTls, shake_hands
from ..errors import NoConnection, WireClosed, first_leaf

# A spoken sentence is more than the library takes by default.
MAX_MESSAGE = 2**24
_SILENCE = (msgspec.Raw(), msgspec.Raw(b"null"))
GREETING_TIME = 30.0
GOODBYE_TIME = 2.0

Going: TypeAlias = Literal["orderly", "reset"]


class Heard(msgspec.Struct):
    """As much of a message as is looked at; the sound stays undecoded."""

    type: str
    text: object = None
    audio: msgspec.Raw = msgspec.Raw()
    message: object = None
    configs: object = None

    @property
    def sounds(self) -> bool:
        """Whether it is a sentence with something to hear."""
        return self.type == "audio" and self.audio not in _SILENCE

    @property
    def begins_turn(self) -> bool:
        return self.type == "control" and self.text == "conversation-chain-start"

    @property
    def ends_turn(self) -> bool:
        return self.type == "control" and self.text == "conversation-chain-end"


_decoder = msgspec.json.Decoder(Heard)


@attrs.frozen
class Target:
    """The server that is tested: its WebSocket as host, port and path, and its pages as a URL."""

    host: str
    port: int
    tls: bool = False
    token: str = attrs.field(default="", repr=False)

    @classmethod
    def of(cls, url: str, token: str = "") -> Target:
        """The server at ``url``: http, https, ws or wss. Raises `NoConnection` for anything else."""
        parts = urlsplit(url if "://" in url else f"http://{url}")
        if parts.scheme not in ("http", "https", "ws", "wss") or not parts.hostname:
            raise NoConnection(f"{url} is no address of a server: give one such as http://localhost:12393")
        tls = parts.scheme in ("https", "wss")
        return cls(parts.hostname, parts.port or (443 if tls else 80), tls, token)

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}"

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}


@attrs.define(eq=False)
class Visitor:
    """One connection. Times are in seconds on Trio's clock."""

    _connection: trio_websocket.WebSocketConnection
    _socket: trio.socket.SocketType
    going: Going = attrs.field(default="orderly", init=False)
    """How it leaves."""

    async def say(self, type: str, **fields: object) -> None:
        """Send one message. Raises `WireClosed`."""
        try:
            await self._connection.send_message(msgspec.json.encode({"type": type, **fields}).decode())
        except trio_websocket.ConnectionClosed as closed:
            raise _wire_closed(closed) from None

    async def hear(self) -> Heard:
        """The next message. Raises `WireClosed`."""
        try:
            return _decoder.decode(await self._connection.get_message())
        except trio_websocket.ConnectionClosed as closed:
            raise _wire_closed(closed) from None

    async def until(self, type: str) -> Heard:
        """The next message of that type; those before it are passed over."""
        while True:
            heard = await self.hear()
            if heard.type == type:
                return heard

    async def ask(self, text: str) -> float:
        """Ask, and listen up to the first sound; how long that took."""
        began = trio.current_time()
        await self.say("text-input", text=text)
        while not (await self.hear()).sounds:
            pass
        return trio.current_time() - began

    async def finish(self) -> float:
        """Listen to the end of the turn, as a page does that plays at once; when all its sound was there."""
        complete = trio.current_time()
        while True:
            heard = await self.hear()
            if heard.sounds:
                complete = trio.current_time()
            elif heard.type == "backend-synth-complete":
                await self.say("frontend-playback-complete")
            elif heard.ends_turn:
                return complete

    async def become(self, file: str) -> float:
        """Switch to the character of ``file``, and wait until it is there; how long that took."""
        began = trio.current_time()
        await self.say("switch-config", file=file)
        await self.until("config-switched")
        return trio.current_time() - began

    def reset(self) -> None:
        """Let the connection be torn down without a goodbye when the visit ends, as if a cable were cut."""
        self.going = "reset"
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _wire_closed(closed: trio_websocket.ConnectionClosed) -> WireClosed:
    return WireClosed(closed.reason.code if closed.reason else 1006)


@asynccontextmanager
async def open_visitor(target: Target, path: str = "/client-ws") -> AsyncIterator[Visitor]:
    """A visitor who has been greeted; it leaves with the block.

    Raises `NoConnection` where it is not let in or not greeted, `WireClosed` where it is sent away.
    """
    try:
        tcp = await trio.open_tcp_stream(target.host, target.port)
    except OSError as error:
        raise NoConnection(f"{target.url} cannot be reached: {error}") from error
    refusal: BaseException | None = None
    try:
        async with trio.open_nursery() as nursery:
            connection = await _knock(nursery, tcp, target, path)
            visitor = Visitor(connection, tcp.socket)
            try:
                with trio.fail_after(GREETING_TIME):
                    await visitor.until("set-model-and-conf")
                yield visitor
            finally:
                with trio.move_on_after(GOODBYE_TIME, shield=True):
                    await (tcp.aclose() if visitor.going == "reset" else connection.aclose())
                nursery.cancel_scope.cancel("the visit is over")
    except* NoConnection as group:
        refusal = first_leaf(group)
    finally:
        await trio.aclose_forcefully(tcp)
    if refusal is not None:
        raise refusal


async def _knock(
    nursery: trio.Nursery, tcp: trio.SocketStream, target: Target, path: str
) -> trio_websocket.WebSocketConnection:
    stream: SocketOrTls = tcp
    if target.tls:
        import ssl

        stream = trio.SSLStream(tcp, ssl.create_default_context(), server_hostname=target.host)
    try:
        with trio.fail_after(GREETING_TIME):
            connection = await shake_hands(
                nursery, stream, f"{target.host}:{target.port}", path,
                max_message_size=MAX_MESSAGE, headers=target.headers,
            )  # fmt: skip
    except trio_websocket.ConnectionRejected as error:
        raise NoConnection(f"{target.url}{path} lets nobody in: HTTP {error.status_code}") from error
    except (trio_websocket.HandshakeError, trio.BrokenResourceError, trio.TooSlowError, OSError) as error:
        raise NoConnection(f"{target.url}{path} lets nobody in: {error!r}") from error
    if connection is None:
        raise NoConnection(f"{target.url}{path} lets nobody in: it hangs up")
    return connection
