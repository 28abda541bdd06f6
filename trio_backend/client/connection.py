"""Connections to a server: a WebSocket as a `Wire`, and on it whole messages. Every wait has a deadline."""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import TypeAlias, cast

import attrs
import h11
import trio
import wsproto.utilities
from trio_websocket import ConnectionClosed, ConnectionRejected, WebSocketConnection, wrap_client_stream

from ..errors import NoConnection, WireClosed, first_leaf
from ..protocol.incoming import Incoming
from ..quota import MemoryQuota
from ..wire import Wire
from .address import ServerAddress
from .failure import closed_at_once, lost, rejected, too_slow, unreachable
from .messages import ServerMessage, decode, encode

ClientStream: TypeAlias = trio.SocketStream | trio.SSLStream[trio.SocketStream]

# Seconds: for TCP, TLS and the handshake together; for one message; for the close frame and its answer.
CONNECT_TIMEOUT = 10.0
SEND_TIMEOUT = 20.0
CLOSE_TIMEOUT = 1.0
# A long sentence of 48 kHz is some 6 MB as JSON.
MAX_MESSAGE = 64 * 2**20
# By default trio-websocket reads 4 kB at a time: 79 task steps for a spoken sentence instead of 9.
RECEIVE_BUFFER = 65536

# Raised by the library's reader: a pong after our own close frame, and an HTTP answer that is no HTTP.
_AFTER_THE_END = (wsproto.utilities.LocalProtocolError, h11.LocalProtocolError)


@attrs.define(eq=False)
class ClientWire:
    """A WebSocket to a server. Keeps the promises of `Wire`; one task sends."""

    _websocket: WebSocketConnection
    _stream: ClientStream
    quota: MemoryQuota = attrs.field(factory=MemoryQuota, init=False)

    async def receive(self) -> str | bytes:
        """See `Wire.receive`."""
        try:
            return await self._websocket.get_message()
        except ConnectionClosed as closed:
            raise _wire_closed(closed) from closed

    async def send(self, message: bytes) -> None:
        """See `Wire.send`."""
        await self._send(message.decode())

    async def send_binary(self, message: bytes) -> None:
        """As `send`, in a binary frame: sound, once server and client have agreed on it."""
        await self._send(message)

    async def _send(self, message: str | bytes) -> None:
        whole = False
        try:
            with trio.fail_after(SEND_TIMEOUT):
                await self._websocket.send_message(message)
            whole = True
        except ConnectionClosed as closed:
            raise _wire_closed(closed) from closed
        except trio.TooSlowError as error:
            raise WireClosed(1006, f"the server took no data for {SEND_TIMEOUT:.0f} s") from error
        finally:
            if not whole:
                await trio.aclose_forcefully(self._stream)

    async def ping(self) -> None:
        """Send a ping, and wait for its pong. Raises `WireClosed`."""
        try:
            await self._websocket.ping()
        except ConnectionClosed as closed:
            raise _wire_closed(closed) from closed

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """See `Wire.close`."""
        with trio.move_on_after(CLOSE_TIMEOUT):
            await self._websocket.aclose(code, reason or None)
        await trio.aclose_forcefully(self._stream)

    async def reset(self) -> None:
        """Drop the connection with a TCP reset and without a close frame, as if a cable were cut.

        Of one that is closed already, as after a cancelled `send`, nothing is left to drop.
        """
        stream = self._stream
        tcp = stream.transport_stream if isinstance(stream, trio.SSLStream) else stream
        if tcp.socket.fileno() != -1:
            tcp.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await trio.aclose_forcefully(stream)


@attrs.define(eq=False)
class ServerConnection:
    """The protocol's messages on a wire to a server. One task receives, one sends."""

    _wire: Wire

    async def receive(self) -> ServerMessage | None:
        """The next message; None for a type that no client here uses. Cancelling it loses no message.

        Raises `WireClosed` when the connection is gone, `ProtocolError` for a message that cannot be read.
        """
        return decode(await self._wire.receive())

    async def send(self, message: Incoming) -> None:
        """Send ``message``. Raises `WireClosed`. Once it was cancelled the connection is of no more use."""
        await self._wire.send(encode(message))


@asynccontextmanager
async def open_wire(
    address: ServerAddress, *, receive_buffer: int | None = None
) -> AsyncIterator[ClientWire]:
    """Connect to ``address`` within `CONNECT_TIMEOUT`; leaving closes the connection in `CLOSE_TIMEOUT`.

    The kernel keeps about ``receive_buffer`` bytes that were not read yet; None is its own choice.
    Raises `NoConnection`. What the block raises comes out in an `ExceptionGroup`.
    """
    deadline = trio.current_time() + CONNECT_TIMEOUT
    failure: BaseException | None = None
    async with _open_stream(address, deadline, receive_buffer) as stream:
        try:
            async with trio.open_nursery() as nursery:
                websocket = await _handshake(nursery, stream, address, deadline=deadline)
                try:
                    yield ClientWire(websocket, stream)
                finally:
                    with trio.move_on_after(CLOSE_TIMEOUT, shield=True):
                        await websocket.aclose()
                    nursery.cancel_scope.cancel("the connection is over")
        except* NoConnection as group:
            failure = first_leaf(group)
    if failure is not None:
        raise failure


@asynccontextmanager
async def _open_stream(
    address: ServerAddress, deadline: float, receive_buffer: int | None
) -> AsyncIterator[ClientStream]:
    # We make the stream ourselves, since trio-websocket takes a failed TLS handshake for silence.
    try:
        with trio.fail_at(deadline):
            tcp = await trio.open_tcp_stream(address.host, address.port)
    except trio.TooSlowError as error:
        raise too_slow(address, CONNECT_TIMEOUT) from error
    except OSError as error:
        raise unreachable(address, error) from error
    async with tcp:
        if receive_buffer is not None:
            tcp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if address.tls:
            yield await _start_tls(tcp, address, deadline)
        else:
            yield tcp


async def _start_tls(
    tcp: trio.SocketStream, address: ServerAddress, deadline: float
) -> trio.SSLStream[trio.SocketStream]:
    tls = trio.SSLStream(
        tcp, ssl.create_default_context(), server_hostname=address.host, https_compatible=True
    )
    try:
        with trio.fail_at(deadline):
            await tls.do_handshake()
    except trio.TooSlowError as error:
        raise too_slow(address, CONNECT_TIMEOUT) from error
    except (OSError, trio.BrokenResourceError) as error:
        raise unreachable(address, error) from error
    return tls


async def _handshake(
    nursery: trio.Nursery, stream: ClientStream, address: ServerAddress, *, deadline: float
) -> WebSocketConnection:
    try:
        with trio.fail_at(deadline):
            websocket = await shake_hands(
                nursery, stream, address.authority, address.target, headers=address.headers
            )
    except trio.TooSlowError as error:
        raise too_slow(address, CONNECT_TIMEOUT) from error
    except ConnectionRejected as error:
        raise rejected(address, error.status_code) from error
    if websocket is None:
        raise closed_at_once(address)
    return websocket


async def shake_hands(
    nursery: trio.Nursery,
    stream: ClientStream,
    host: str,
    target: str,
    *,
    headers: Mapping[str, str] | None = None,
) -> WebSocketConnection | None:
    """Make a WebSocket of ``stream``; None if the other side closes it before it is one.

    ``target`` is a path with its query; the library's reader lives in ``nursery``. Has no deadline itself.
    Raises `ConnectionRejected` where the answer is an HTTP status instead.
    """
    reader = _ReaderNursery(nursery)
    with reader.handshake:
        return await wrap_client_stream(
            cast(trio.Nursery, reader),
            stream,
            host,
            target,
            extra_headers=[(name.encode(), value.encode()) for name, value in (headers or {}).items()],
            max_message_size=MAX_MESSAGE,
            receive_buffer_size=RECEIVE_BUFFER,
        )
    if reader.rejection is not None:
        raise reader.rejection
    return None


@attrs.define(eq=False)
class _ReaderNursery:
    """Given to the library as the nursery for its reader, so that the reader's end ends the handshake too.

    By itself the library would wait on for an answer that cannot come any more.
    """

    _nursery: trio.Nursery
    handshake: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    rejection: ConnectionRejected | None = attrs.field(default=None, init=False)

    def start_soon(self, reader: Callable[[], Awaitable[None]]) -> None:
        self._nursery.start_soon(self._read, reader, name="websocket reader")

    async def _read(self, reader: Callable[[], Awaitable[None]]) -> None:
        try:
            with suppress(*_AFTER_THE_END):
                await reader()
        except ConnectionRejected as rejection:
            self.rejection = rejection
        self.handshake.cancel("nothing more is read")


def _wire_closed(closed: ConnectionClosed) -> WireClosed:
    if closed.reason is None:
        return WireClosed(1006, lost(1006, None))
    return WireClosed(closed.reason.code, lost(closed.reason.code, closed.reason.reason))
