"""A client for WebSockets of services, as small as `http.py`: the task that wants a message reads for it.

The protocol is the sans-I/O one of `websockets`, as on our server. trio-websocket, which the terminal client
has, needs a task of its own for each connection and twice the CPU, waits for ever where a server dies in the
handshake, and tells nothing of the body in which a service says why it refuses.
"""

from __future__ import annotations

import logging
import ssl
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import attrs
import trio
from websockets.client import ClientProtocol
from websockets.exceptions import InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from ..errors import HttpFailed, UpgradeRefused, WireClosed
from .http_answer import HttpConnection
from .http_connect import find_way, open_connection
from .http_target import HttpAddress, HttpTarget

LONGEST_MESSAGE = 4 * 2**20
"""Bytes of one message. Services send sound in pieces of a second or less; 48 kHz of it have 0.2 MB."""

SEND_TIMEOUT = 10.0
"""Seconds for a message to be taken by the server."""

SILENCE = 15.0
"""Seconds without a byte after which the server is asked for a sign of life, and that it then has for it."""

PARTING = 0.2
"""Seconds for the close frame to be taken by the kernel. The server's answer to it is not waited for."""

# Bytes read at a time: a second of sound and more. With 4 kB a spoken sentence takes 79 steps instead of 9.
_READ = 65_536

# The library logs each frame at DEBUG, and what people say is in them.
_log = logging.getLogger("trio_backend.engines.websocket")
_log.setLevel(logging.WARNING)
_log.propagate = False
_log.addHandler(logging.NullHandler())


@attrs.frozen
class WebSocketServer:
    """Where WebSockets are opened. Made by `find_websocket_server`."""

    _address: HttpAddress
    _tls: ssl.SSLContext | None = attrs.field(repr=False)
    _headers: Mapping[str, str] = attrs.field(repr=False)
    _connect_timeout: float

    @asynccontextmanager
    async def open(self, path: str, *, subprotocol: str = "") -> AsyncIterator[EngineSocket]:
        """A WebSocket at ``path``, which may have a query, below the server's address.

        It takes at most the ``connect_timeout`` of `find_websocket_server`. Leaving the block says goodbye
        within `PARTING`; a cancel closes the connection at once. Raises `HttpFailed`, or `UpgradeRefused`
        where the server answers with something else.
        """
        deadline = trio.current_time() + self._connect_timeout
        connection = await open_connection(
            self._address, self._tls, within=self._connect_timeout, tunnel=True
        )
        try:
            with trio.move_on_at(deadline):
                socket = EngineSocket(connection, self._protocol(path, subprotocol))
                await socket.shake_hands(self._headers)
            if not socket.is_open:
                raise HttpFailed("timeout", f"no WebSocket within {self._connect_timeout:g} s")
            yield socket
            await socket.say_goodbye()
        finally:
            connection.close()

    def _protocol(self, path: str, subprotocol: str) -> ClientProtocol:
        scheme = "wss" if self._address.tls else "ws"
        url = f"{scheme}://{self._address.host}{self._address.url.path.rstrip('/')}/{path}"
        # Without extensions: permessage-deflate costs 10 ms for a sentence of sound, which does not shrink.
        return ClientProtocol(
            parse_uri(url),
            subprotocols=[subprotocol] if subprotocol else None,  # type: ignore[list-item]
            max_size=LONGEST_MESSAGE,
            logger=_log,
        )


async def find_websocket_server(server: HttpTarget, *, connect_timeout: float) -> WebSocketServer:
    """The way to ``server``, whose address begins with http:// or https://; connects to nothing.

    ``connect_timeout``: seconds for name, TCP, TLS and handshake together. Raises `HttpFailed` if the
    environment names a proxy that cannot be used.
    """
    address, tls = await find_way(server)
    return WebSocketServer(address, tls, server.headers, connect_timeout)


@attrs.define(eq=False)
class EngineSocket:
    """One WebSocket to a service. One task receives, any task may send.

    After a `send` that was cancelled or failed, or a `receive` that was cancelled, only leave the block.
    """

    _connection: HttpConnection
    _protocol: ClientProtocol
    _events: deque[Any] = attrs.field(factory=deque, init=False)
    _parts: list[bytes] = attrs.field(factory=list, init=False, repr=False)
    """Of a message that comes in several frames."""
    _is_text: bool = attrs.field(default=False, init=False)
    _sending: trio.Lock = attrs.field(factory=trio.Lock, init=False)

    @property
    def is_open(self) -> bool:
        """Whether messages can be sent."""
        return self._protocol.state is State.OPEN

    async def shake_hands(self, headers: Mapping[str, str]) -> None:
        """Send the request with ``headers``, and wait for its answer; no deadline.

        Raises `HttpFailed` or `UpgradeRefused`.
        """
        request = self._protocol.connect()
        for name, value in headers.items():
            request.headers[name] = value
        self._protocol.send_request(request)
        await self._flush()
        # The library bounds the head (128 lines of 8 kB) and the body (1 MiB) of the answer.
        while not self._events and self._protocol.handshake_exc is None:
            await self._read()
        refused = self._protocol.handshake_exc
        if isinstance(refused, InvalidStatus):
            answer = refused.response
            fields = {name.lower(): value for name, value in answer.headers.raw_items()}
            raise UpgradeRefused(answer.status_code, fields, bytes(answer.body))
        if refused is not None:
            if isinstance(refused.__cause__, EOFError):
                raise HttpFailed("broken", "the connection was closed before there was a WebSocket")
            raise HttpFailed("malformed", "the server's answer is no WebSocket's")
        self._events.popleft()  # the answer itself

    async def send(self, message: str | bytes) -> None:
        """Send a text, or a message of bytes, within `SEND_TIMEOUT`.

        Raises `HttpFailed`; `WireClosed` where the server has closed.
        """
        self._check_open()
        if isinstance(message, str):
            self._protocol.send_text(message.encode("utf-8", "replace"))
        else:
            self._protocol.send_binary(message)
        await self._flush()

    async def receive(self) -> str | bytes:
        """The next message. Answers pings on the way.

        Raises `WireClosed`, with the server's code and reason, where it has closed, and `HttpFailed` where
        the connection broke off, what came is no message, or not even a ping is answered (`SILENCE`).
        """
        while True:
            while self._events:
                message = self._take(self._events.popleft())
                if message is not None:
                    await trio.lowlevel.checkpoint()
                    return message
            # Answers to pings, and to a close; a ping may have come right behind the handshake's answer.
            try:
                await self._flush()
            except HttpFailed:
                # Of a server that has closed and gone, its close counts: it may be the ordinary end.
                self._check_open()
                raise
            self._check_open()
            try:
                with trio.fail_after(SILENCE):
                    await self._read()
            except trio.TooSlowError:
                await self._ask_for_life()

    async def say_goodbye(self) -> None:
        """Send a close frame, if nothing else is being sent. Raises nothing, and waits for no answer."""
        if self.is_open and not self._sending.locked():
            self._protocol.send_close(1000)
            with trio.move_on_after(PARTING), suppress(HttpFailed):
                await self._flush()

    async def _ask_for_life(self) -> None:
        if self.is_open:
            self._protocol.send_ping(b"")
            await self._flush()
        try:
            with trio.fail_after(SILENCE):
                await self._read()
        except trio.TooSlowError:
            raise HttpFailed("silent", f"nothing came within {2 * SILENCE:g} s") from None

    def _check_open(self) -> None:
        protocol = self._protocol
        if protocol.parser_exc is not None and not isinstance(protocol.parser_exc, EOFError):
            raise HttpFailed("malformed", "the server breaks the WebSocket protocol")
        if protocol.close_rcvd is not None:
            raise WireClosed(protocol.close_rcvd.code, protocol.close_rcvd.reason)
        if not self.is_open:
            raise HttpFailed("broken", "the connection broke off")

    def _take(self, frame: Frame) -> str | bytes | None:
        """The message that ends with ``frame``, if one does."""
        if frame.opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            return None
        if frame.opcode is not Opcode.CONT:
            self._is_text = frame.opcode is Opcode.TEXT
        self._parts.append(bytes(frame.data))
        if not frame.fin:
            return None
        data = b"".join(self._parts)
        self._parts.clear()
        if not self._is_text:
            return data
        try:
            return data.decode()
        except UnicodeDecodeError:
            raise HttpFailed("malformed", "the server sends a text that is none") from None

    async def _read(self) -> None:
        """Read once, and let the protocol see it. Raises `HttpFailed`."""
        try:
            data = await self._connection.stream.receive_some(_READ)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            # The task that sends is cancelled with this one, and may have closed the connection before this
            # one was woken by bytes that had come: that is the cancel, and no failure.
            await trio.lowlevel.checkpoint_if_cancelled()
            raise HttpFailed("broken", "the connection broke off") from error
        if data:
            self._protocol.receive_data(data)
        else:
            self._protocol.receive_eof()
        self._events.extend(self._protocol.events_received())

    async def _flush(self) -> None:
        """Send what the protocol has for the server, in order. Raises `HttpFailed`."""
        if not self._protocol.writes:
            return
        usable = False
        try:
            with trio.fail_after(SEND_TIMEOUT):
                async with self._sending:
                    # Taken here, so that the frames of two tasks keep their order.
                    data = b"".join(self._protocol.data_to_send())
                    if data:
                        await self._connection.stream.send_all(data)
                usable = True
        except trio.TooSlowError:
            raise HttpFailed("timeout", f"the server took nothing for {SEND_TIMEOUT:g} s") from None
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            # What the server said last may still be read: why it has closed, for instance.
            usable = True
            raise HttpFailed("broken", "the connection broke off") from error
        finally:
            if not usable:
                # Half a frame may have been sent, which nothing can follow.
                self._connection.close()
