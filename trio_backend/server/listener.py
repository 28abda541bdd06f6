"""`Server`: one port for WebSockets and HTTP, and an orderly end."""

from __future__ import annotations

import math
import ssl
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TypeAlias

import attrs
import trio
from starlette.types import ASGIApp

from ..errors import WireClosed
from ..wire import Wire
from .access import TokenGate
from .doors import NETWORK_ERRORS, accept_all, turn_away
from .http_connections import HttpConnections
from .liveness import drop_the_dead
from .options import ServerOptions
from .prefix import SocketOrTls
from .request import FULL, Refusal, UpgradeRequest, read_head
from .tls import open_tls
from .upgrade import Upgrade, answer_upgrade, asks_for_websocket
from .websocket import CLOSE_WAIT, WebSocketWire

# How long connections have to end by themselves, once they were told to.
GRACE = 2.0
# Those over the limit who are being told so; any more are just closed.
MAX_REFUSALS = 100

WebSocketHandler: TypeAlias = Callable[[Wire, UpgradeRequest], Awaitable[None]]


@attrs.frozen
class Remains:
    """What was still open after the drain.

    ``closed_websockets`` were sent away with 1001; of these and of the HTTP connections, some had to be cut.
    """

    closed_websockets: int
    cut_websockets: int
    cut_http: int


async def nothing_to_drain() -> None:
    """For servers whose handlers need no time to finish."""
    await trio.lowlevel.checkpoint()


@attrs.define(eq=False)
class Server:
    """Whoever connects: a WebSocket goes to the handler of its path, all else to ``http_app``.

    A handler gets a `Wire` and the request, and closes the wire by returning (1000). `WireClosed` is
    an ordinary way out of it; any other exception closes the wire with 1011 and goes up to whoever
    runs `serve`. ``drain`` is awaited at the shutdown, before anything is closed; it is to have a deadline.
    Raises `ConfigError` for a certificate that cannot be used.
    """

    options: ServerOptions
    websocket_routes: Mapping[str, WebSocketHandler]
    http_app: ASGIApp
    drain: Callable[[], Awaitable[object]] = nothing_to_drain
    _http: HttpConnections = attrs.field(init=False)
    _tls: ssl.SSLContext | None = attrs.field(init=False)
    _wires: set[WebSocketWire] = attrs.field(factory=set, init=False)
    _connections: int = attrs.field(default=0, init=False)
    _refusals: int = attrs.field(default=0, init=False)
    _vacant: trio.Event = attrs.field(factory=trio.Event, init=False)

    def __attrs_post_init__(self) -> None:
        app = TokenGate(self.http_app, self.options.access_token)
        self._http = HttpConnections(app, self.options.send_timeout)
        self._tls = open_tls(self.options)

    @property
    def connections(self) -> int:
        """How many are open at this moment, of both kinds."""
        return self._connections

    async def serve(
        self,
        listeners: list[trio.SocketListener],
        *,
        shutdown: trio.Event,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> Remains:
        """Serve until ``shutdown`` is set; then stop accepting, drain, close everything; say what was left.

        After the drain that takes a few seconds at most, whatever clients do. Closes ``listeners``. Call
        it once. Cancelling it closes WebSockets with 1001, and cuts the rest.
        """
        async with trio.open_nursery() as house:
            house.start_soon(drop_the_dead, self._wires, self.options, name="liveness")
            house.start_soon(self._http.cut_at_the_end, name="http cutter")
            async with trio.open_nursery() as connections:
                async with trio.open_nursery() as doors:
                    for listener in listeners:
                        doors.start_soon(
                            accept_all, listener, partial(self._admit, connections), name="listener"
                        )
                    task_status.started()
                    await shutdown.wait()
                    doors.cancel_scope.cancel("shutting down")
                remains = await self._wind_down()
                connections.cancel_scope.cancel("shutting down")
                await self._http.cut()
            house.cancel_scope.cancel("shutting down")
        return remains

    async def _wind_down(self) -> Remains:
        await self._http.end_idle()
        await self.drain()
        wires = list(self._wires)
        async with trio.open_nursery() as nursery:
            for wire in wires:
                nursery.start_soon(wire.close, 1001, "the server is shutting down")
        if self._connections:
            self._vacant = trio.Event()
            with trio.move_on_after(GRACE):
                await self._vacant.wait()
        return Remains(len(wires), len(self._wires), len(self._http))

    async def _admit(self, nursery: trio.Nursery, stream: trio.SocketStream) -> None:
        if self._connections < self.options.max_connections:
            self._connections += 1
            nursery.start_soon(self._serve_one, stream, name="connection")
        elif self._refusals < MAX_REFUSALS:
            self._refusals += 1
            nursery.start_soon(self._refuse_one, stream, name="connection over the limit")
        else:
            await trio.aclose_forcefully(stream)

    async def _refuse_one(self, socket: trio.SocketStream) -> None:
        try:
            await turn_away(self._secured(socket), FULL)
        finally:
            self._refusals -= 1

    async def _serve_one(self, socket: trio.SocketStream) -> None:
        stream = self._secured(socket)
        try:
            caller = await self._greet(stream, socket)
            match caller:
                case Refusal():
                    await turn_away(stream, caller)
                case Upgrade():
                    await self._serve_websocket(stream, caller)
                case bytes():
                    await self._serve_http(stream, caller)
        finally:
            self._connections -= 1
            if not self._connections:
                self._vacant.set()
            await trio.aclose_forcefully(stream)

    def _secured(self, socket: trio.SocketStream) -> SocketOrTls:
        if self._tls is None:
            return socket
        return trio.SSLStream(socket, self._tls, server_side=True, https_compatible=True)

    async def _greet(
        self, stream: SocketOrTls, socket: trio.SocketStream
    ) -> Upgrade | Refusal | bytes | None:
        """Who it is: a WebSocket, someone to refuse, the first bytes of plain HTTP, or nobody any more."""
        try:
            received = await read_head(stream, within=self.options.request_head_timeout)
            if not isinstance(received, bytes):
                return received
            if not asks_for_websocket(received):
                return received
            client = "{}:{}".format(*socket.socket.getpeername()[:2])
            return answer_upgrade(received, paths=self.websocket_routes, options=self.options, client=client)
        except NETWORK_ERRORS:
            return None

    async def _serve_http(self, stream: SocketOrTls, received: bytes) -> None:
        try:
            await self._http.serve(stream, received)
        except* NETWORK_ERRORS:
            # The client left in the middle of something.
            pass

    async def _serve_websocket(self, stream: SocketOrTls, upgrade: Upgrade) -> None:
        try:
            with trio.fail_after(self.options.send_timeout):
                await stream.send_all(upgrade.response)
        except NETWORK_ERRORS:
            return
        wire = WebSocketWire(
            stream,
            send_timeout=self.options.send_timeout,
            max_message_size=self.options.max_message_size,
            received=upgrade.behind,
        )
        self._wires.add(wire)
        code = 1011
        try:
            await self._handle(wire, upgrade.request)
            code = 1000
        finally:
            cancelled = trio.current_effective_deadline() == -math.inf
            with trio.move_on_after(CLOSE_WAIT, shield=True):
                await wire.close(1001 if cancelled else code)
            self._wires.discard(wire)

    async def _handle(self, wire: WebSocketWire, request: UpgradeRequest) -> None:
        try:
            await self.websocket_routes[request.path](wire, request)
        except* WireClosed:
            # The client left, or was sent away: every WebSocket ends so.
            pass
