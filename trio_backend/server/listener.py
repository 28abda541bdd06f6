"""`Server`: WebSockets and HTTP on one port, and an orderly shutdown."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Collection, Mapping
from functools import partial
from typing import TypeAlias

import attrs
import trio
from starlette.types import ASGIApp, Scope

from ..boundary import UNCOUNTED, Boundary
from ..errors import WireClosed
from ..quota import MemoryQuota
from ..wire import Wire
from .acceptor import Acceptor
from .authentication import AccessToken, Authenticator, BoundedAuthenticator, UserGate
from .client_address import TrustedProxies
from .handshake import Upgrade, UpgradeRequest
from .http_connections import BoundedRequests, HttpConnections
from .keepalive import ping_idle_connections
from .options import ServerOptions
from .responses import framing
from .streams import NETWORK_ERRORS, SocketOrTls
from .websocket import CLOSE_WAIT, WebSocketWire

# Seconds that connections have to end by themselves after the drain, before they are cut. A WebSocket's close
# takes `CLOSE_WAIT` at most; the rest is for answers that are being sent.
GRACE_PERIOD = 2.0

# WebSockets whose ends begin in the same two passes of the scheduler. What ends with a session takes 0.7 ms
# of CPU: 2 000 that left at once held up all others for half a second.
DEPARTURES = 8

WebSocketHandler: TypeAlias = Callable[[Wire, UpgradeRequest], Awaitable[None]]


@attrs.frozen
class ConnectionCounts:
    """How many connections there are: in all, WebSockets, and those on which a request is being answered."""

    open: int
    websockets: int
    answering: int

    @property
    def idle(self) -> int:
        """Those on which nothing happens: browsers keep some for their next request."""
        return max(0, self.open - self.websockets - self.answering)


@attrs.frozen
class ShutdownReport:
    """What was still open after the drain.

    ``closed_websockets`` were closed with 1001. ``cut_websockets`` of them, and ``cut_http`` connections, had
    not ended `GRACE_PERIOD` seconds later, and were cut.
    """

    closed_websockets: int
    cut_websockets: int
    cut_http: int


async def nothing_to_drain() -> None:
    """For servers whose handlers need no time to finish."""
    await trio.lowlevel.checkpoint()


def nothing_is_public(_scope: Scope) -> bool:
    """For servers that authenticate every request."""
    return False


@attrs.define(eq=False)
class Server:
    """Passes each WebSocket to the handler of its path, and all other requests to ``http_app``.

    A handler gets a `Wire` and the request; when it returns, the wire is closed with 1000. `WireClosed` is
    an ordinary way out of it. Any other exception is a bug: it closes the wire with 1011 and is logged by
    ``boundary``, as are other bugs in serving one connection. ``drain`` is awaited at the shutdown, before
    anything is closed, and must have a deadline. ``quota`` limits the data of all clients together.
    ``authenticator`` identifies the user of each request, except the HTTP requests for which ``public`` is
    true. Raises `ConfigError` if the TLS certificate cannot be used.
    """

    options: ServerOptions
    websocket_routes: Mapping[str, WebSocketHandler]
    http_app: ASGIApp
    drain: Callable[[], Awaitable[object]] = nothing_to_drain
    public: Callable[[Scope], bool] = nothing_is_public
    quota: MemoryQuota = attrs.field(factory=MemoryQuota)
    boundary: Boundary = UNCOUNTED
    authenticator: Authenticator = attrs.field(
        default=attrs.Factory(lambda self: AccessToken(self.options.access_token), takes_self=True)
    )
    _acceptor: Acceptor = attrs.field(init=False)
    _http: HttpConnections = attrs.field(init=False)
    _requests: BoundedRequests = attrs.field(init=False)
    _wires: set[WebSocketWire] = attrs.field(factory=set, init=False)
    _departures: trio.Semaphore = attrs.field(factory=lambda: trio.Semaphore(DEPARTURES), init=False)

    def __attrs_post_init__(self) -> None:
        authenticator = BoundedAuthenticator(self.authenticator, self.boundary)
        self._acceptor = Acceptor(self.options, self.websocket_routes, authenticator, self.boundary)
        gate = UserGate(self.http_app, authenticator, public=self.public)
        self._requests = BoundedRequests(gate, self.boundary)
        proxies = TrustedProxies.of(self.options.trusted_proxies)
        self._http = HttpConnections(
            self._requests, self.options.send_timeout, framing(self.options.allowed_origins), proxies
        )

    @property
    def connections(self) -> int:
        """How many connections are open at this moment, WebSockets and HTTP."""
        return self._acceptor.open_connections

    def count_connections(self) -> ConnectionCounts:
        """What they are doing at this moment."""
        return ConnectionCounts(self.connections, len(self._wires), self._requests.answering)

    async def serve(
        self,
        listeners: Collection[trio.SocketListener],
        *,
        shutdown: trio.Event,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> ShutdownReport:
        """Serve until ``shutdown`` is set; then stop accepting, drain, and close everything.

        The shutdown takes `GRACE_PERIOD` and a few seconds more than the drain, whatever clients do. Closes
        ``listeners``. Call it once. A cancel closes WebSockets with 1001, and cuts the other connections.
        """
        # Three nurseries, since they end in this order: the handshakes when nothing more is accepted, the
        # connections when they are closed, and the pings last, so that the dead are found during the drain.
        async with trio.open_nursery() as background:
            pings = partial(ping_idle_connections, self._wires, self.options, self.boundary)
            background.start_soon(pings, name="pings")
            background.start_soon(self._http.cut_when_cancelled, name="http cutter")
            async with trio.open_nursery() as connections:
                async with trio.open_nursery() as accepting:
                    run = partial(self._acceptor.run, connections=connections)
                    accepting.start_soon(run, listeners, self._handle, name="acceptor")
                    task_status.started()
                    await shutdown.wait()
                    accepting.cancel_scope.cancel("shutting down")
                report = await self._shut_down()
                connections.cancel_scope.cancel("shutting down")
                await self._http.cut()
            background.cancel_scope.cancel("shutting down")
        return report

    async def _shut_down(self) -> ShutdownReport:
        # Before the drain, or browsers would send their next requests on these connections.
        await self._http.end_idle()
        await self.drain()
        wires = list(self._wires)
        async with trio.open_nursery() as nursery:
            for wire in wires:
                nursery.start_soon(wire.close, 1001, "the server is shutting down")
        with trio.move_on_after(GRACE_PERIOD):
            await self._acceptor.wait_all_closed()
        return ShutdownReport(len(wires), len(self._wires), len(self._http))

    async def _handle(self, stream: SocketOrTls, request: Upgrade | bytes) -> None:
        if isinstance(request, Upgrade):
            # Only known paths are accepted, so these are as few names as `Boundary.run` wants.
            part = request.request.path.strip("/")
            await self.boundary.run(part, partial(self._serve_websocket, stream, request))
        else:
            await self.boundary.run("http", partial(self._http.serve, stream, request))

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
            message_timeout=self.options.message_timeout,
            quota=MemoryQuota(self.options.max_memory_per_client, parent=self.quota),
            received=upgrade.behind,
            departures=self._departures,
        )
        self._wires.add(wire)
        code = 1011
        try:
            await self._run_handler(wire, upgrade.request)
            code = 1000
        finally:
            # A cancelled handler is no bug of its own: the server goes away (1001).
            cancelled = trio.current_effective_deadline() == -math.inf
            with trio.move_on_after(CLOSE_WAIT, shield=True):
                await wire.close(1001 if cancelled else code)
            self._wires.discard(wire)

    async def _run_handler(self, wire: WebSocketWire, request: UpgradeRequest) -> None:
        try:
            await self.websocket_routes[request.path](wire, request)
        except* WireClosed:
            # The client has left, or was disconnected: every WebSocket ends this way.
            pass
