"""`Visitor`: a client of the protocol that keeps time; it stands for a page that somebody has opened."""

from __future__ import annotations

import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Literal, TypeAlias
from urllib.parse import urlsplit

import attrs
import msgspec
import trio
import trio_websocket

from ..client.connection import ClientStream, shake_hands
from ..errors import NoConnection, WireClosed, first_leaf

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
    conf_name: object = None

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


@attrs.frozen
class Choice:
    """A character to switch to: its file, and its name as the server tells it."""

    file: str
    name: str


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
        try:
            port = parts.port
        except ValueError:
            port = -1
        known = parts.scheme in ("http", "https", "ws", "wss") and parts.path in ("", "/", "/client-ws")
        if not known or not parts.hostname or port == -1:
            raise NoConnection(f"{url} is no address of a server: give one such as http://localhost:12393")
        tls = parts.scheme in ("https", "wss")
        return cls(parts.hostname, port or (443 if tls else 80), tls, token)

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.authority}"

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

    async def become(self, choice: Choice) -> float:
        """Switch to a character, and wait until that very one is there; how long that took."""
        began = trio.current_time()
        await self.say("switch-config", file=choice.file)
        while (await self.until("set-model-and-conf")).conf_name != choice.name:
            pass  # one that was chosen before
        await self.until("config-switched")
        return trio.current_time() - began

    def reset(self) -> None:
        """Let the connection be torn down without a goodbye when the visit ends, as if a cable were cut."""
        self.going = "reset"
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _wire_closed(closed: trio_websocket.ConnectionClosed) -> WireClosed:
    return WireClosed(closed.reason.code if closed.reason else 1006)


@asynccontextmanager
async def open_visitor(
    target: Target, path: str = "/client-ws", *, receive_buffer: int | None = None
) -> AsyncIterator[Visitor]:
    """A visitor who has been greeted; it leaves with the block.

    The kernel keeps about ``receive_buffer`` bytes for it that it does not read. Raises `NoConnection` where
    it is not let in or not greeted, `WireClosed` where it is sent away.
    """
    tcp = await _connect(target, receive_buffer)
    refusal: BaseException | None = None
    try:
        async with trio.open_nursery() as nursery:
            with trio.move_on_after(GREETING_TIME) as patience:
                connection = await _knock(nursery, tcp, target, path)
                visitor = Visitor(connection, tcp.socket)
                await visitor.until("set-model-and-conf")
            if patience.cancelled_caught:
                raise NoConnection(f"{target.url}{path} greets nobody within {GREETING_TIME:g} s")
            try:
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


async def _connect(target: Target, receive_buffer: int | None) -> trio.SocketStream:
    try:
        tcp = await trio.open_tcp_stream(target.host, target.port)
    except OSError as error:
        raise NoConnection(f"{target.url} cannot be reached: {error}") from error
    if receive_buffer is not None:
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    return tcp


async def _knock(
    nursery: trio.Nursery, tcp: trio.SocketStream, target: Target, path: str
) -> trio_websocket.WebSocketConnection:
    try:
        connection = await shake_hands(
            nursery, await _secure(tcp, target), target.authority, path, headers=target.headers
        )
    except trio_websocket.ConnectionRejected as error:
        missing = error.status_code == HTTPStatus.NOT_FOUND
        why = f"{target.url}{path} lets nobody in: HTTP {error.status_code}"
        raise NoConnection(why, lasting=missing) from error
    except (trio.BrokenResourceError, OSError) as error:
        raise NoConnection(f"{target.url}{path} lets nobody in: {error.__cause__ or error}") from error
    if connection is None:
        raise NoConnection(f"{target.url}{path} lets nobody in: it hangs up")
    return connection


async def _secure(tcp: trio.SocketStream, target: Target) -> ClientStream:
    if not target.tls:
        return tcp
    import ssl

    tls = trio.SSLStream(
        tcp, ssl.create_default_context(), server_hostname=target.host, https_compatible=True
    )
    await tls.do_handshake()
    return tls
