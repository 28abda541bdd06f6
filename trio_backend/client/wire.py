"""One connection to a server, as a `Wire`, with a deadline on every wait."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs
import trio
from trio_websocket import ConnectionClosed, ConnectionRejected, WebSocketConnection

from ..errors import NoConnection, WireClosed, first_leaf
from ..quota import MemoryQuota
from .address import Address
from .failure import hung_up, lost, rejected, too_slow, unreachable
from .handshake import SocketOrTls, shake_hands

CONNECT_TIMEOUT = 10.0
SEND_TIMEOUT = 20.0
GOODBYE_TIMEOUT = 1.0


@attrs.define(eq=False)
class ClientWire:
    """A WebSocket to a server. Keeps the promises of `Wire`; one task sends."""

    _websocket: WebSocketConnection
    _stream: trio.abc.Stream
    quota: MemoryQuota = attrs.field(factory=MemoryQuota, init=False)

    async def receive(self) -> str | bytes:
        """See `Wire.receive`."""
        try:
            return await self._websocket.get_message()
        except ConnectionClosed as closed:
            raise _closed(closed) from closed

    async def send(self, message: bytes) -> None:
        """See `Wire.send`."""
        whole = False
        try:
            with trio.fail_after(SEND_TIMEOUT):
                await self._websocket.send_message(message.decode())
            whole = True
        except ConnectionClosed as closed:
            raise _closed(closed) from closed
        except trio.TooSlowError as error:
            raise WireClosed(1006, f"it takes no data for {SEND_TIMEOUT:.0f} s") from error
        finally:
            if not whole:
                await trio.aclose_forcefully(self._stream)

    async def ping(self) -> None:
        """Ask for a sign of life, and wait for it. Raises `WireClosed`."""
        try:
            await self._websocket.ping()
        except ConnectionClosed as closed:
            raise _closed(closed) from closed

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """See `Wire.close`."""
        with trio.move_on_after(GOODBYE_TIMEOUT):
            await self._websocket.aclose(code, reason or None)
        await trio.aclose_forcefully(self._stream)


@asynccontextmanager
async def open_wire(address: Address) -> AsyncIterator[ClientWire]:
    """Connect to ``address``, within `CONNECT_TIMEOUT`; leaving says goodbye within `GOODBYE_TIMEOUT`.

    Raises `NoConnection`. What the block raises comes out in an `ExceptionGroup`.
    """
    deadline = trio.current_time() + CONNECT_TIMEOUT
    refusal: BaseException | None = None
    async with _open_stream(address, deadline) as stream:
        try:
            async with trio.open_nursery() as nursery:
                websocket = await _let_in(nursery, stream, address, deadline=deadline)
                try:
                    yield ClientWire(websocket, stream)
                finally:
                    with trio.move_on_after(GOODBYE_TIMEOUT, shield=True):
                        await websocket.aclose()
                    nursery.cancel_scope.cancel("the connection is over")
        except* NoConnection as group:
            refusal = first_leaf(group)
    if refusal is not None:
        raise refusal


@asynccontextmanager
async def _open_stream(address: Address, deadline: float) -> AsyncIterator[SocketOrTls]:
    # We make the stream ourselves, since trio-websocket takes a failed TLS handshake for silence.
    try:
        with trio.fail_at(deadline):
            tcp = await trio.open_tcp_stream(address.host, address.port)
    except trio.TooSlowError as error:
        raise too_slow(address, CONNECT_TIMEOUT) from error
    except OSError as error:
        raise unreachable(address, error) from error
    async with tcp:
        if address.tls:
            yield await _secure(tcp, address, deadline)
        else:
            yield tcp


async def _secure(
    tcp: trio.SocketStream, address: Address, deadline: float
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


async def _let_in(
    nursery: trio.Nursery, stream: SocketOrTls, address: Address, *, deadline: float
) -> WebSocketConnection:
    try:
        with trio.fail_at(deadline):
            websocket = await shake_hands(nursery, stream, address.authority, address.target)
    except trio.TooSlowError as error:
        raise too_slow(address, CONNECT_TIMEOUT) from error
    except ConnectionRejected as error:
        raise rejected(address, error.status_code) from error
    if websocket is None:
        raise hung_up(address)
    return websocket


def _closed(closed: ConnectionClosed) -> WireClosed:
    if closed.reason is None:
        return WireClosed(1006, lost(1006, None))
    return WireClosed(closed.reason.code, lost(closed.reason.code, closed.reason.reason))
