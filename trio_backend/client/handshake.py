"""A client's opening handshake by trio-websocket, which also knows when it is lost."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import TypeAlias, cast

import attrs
import h11
import trio
import wsproto.utilities
from trio_websocket import ConnectionRejected, WebSocketConnection, wrap_client_stream

SocketOrTls: TypeAlias = trio.SocketStream | trio.SSLStream[trio.SocketStream]

# A long sentence of 48 kHz is some 6 MB as JSON.
MAX_MESSAGE = 64 * 2**20
# By default trio-websocket reads 4 kB at a time: 79 task steps for a spoken sentence instead of 9.
RECEIVE_BUFFER = 65536

# By the library's reader: a pong after its own goodbye, and an HTTP answer to what is no HTTP.
_OVERZEALOUS = (wsproto.utilities.LocalProtocolError, h11.LocalProtocolError)


async def shake_hands(
    nursery: trio.Nursery,
    stream: SocketOrTls,
    host: str,
    target: str,
    *,
    headers: Mapping[str, str] | None = None,
) -> WebSocketConnection | None:
    """Make a WebSocket of ``stream``; None if the other side hangs up before it is one.

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
    """Where the library starts its reader; by itself it would wait on for an answer that cannot come."""

    _nursery: trio.Nursery
    handshake: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    rejection: ConnectionRejected | None = attrs.field(default=None, init=False)

    def start_soon(self, reader: Callable[[], Awaitable[None]]) -> None:
        self._nursery.start_soon(self._read, reader, name="websocket reader")

    async def _read(self, reader: Callable[[], Awaitable[None]]) -> None:
        try:
            with suppress(*_OVERZEALOUS):
                await reader()
        except ConnectionRejected as rejection:
            self.rejection = rejection
        self.handshake.cancel("nothing more is read")
