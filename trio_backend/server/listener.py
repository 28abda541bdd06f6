"""`Server`: one port for WebSockets and HTTP, and an orderly end."""

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
from .authentication import AccessToken, Authenticator, BoundedAuthenticator, UserGate
from .client_address import TrustedProxies
from .doors import Doors
from .http_connections import BoundedRequests, HttpConnections
from .liveness import drop_the_dead
from .network import NETWORK_ERRORS
from .options import ServerOptions
from .prefix import SocketOrTls
from .request import UpgradeRequest
from .safe_headers import framing
from .upgrade import Upgrade
from .websocket import CLOSE_WAIT, WebSocketWire

# How long connections have to end by themselves, once they were told to.
GRACE = 2.0

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


def nothing_is_public(_scope: Scope) -> bool:
    """For servers that ask whose each request is, whatever it wants."""
    return False


@attrs.define(eq=False)
class Server:
    """Whoever connects: a WebSocket goes to the handler of its path, all else to ``http_app``.

    A handler gets a `Wire` and the request, and closes the wire by returning (1000). `WireClosed` is
    an ordinary way out of it; any other exception is a bug, closes the wire with 1011, and stays in
    ``boundary``, as does whatever else goes wrong with one connection. ``drain`` is awaited at the
    shutdown, before anything is closed; it is to have a deadline. ``quota`` is what the data of all clients
    may take. ``authenticator`` is asked whose each request is; ``public`` tells for which HTTP requests it is
    not. Raises `ConfigError` for a
    certificate that cannot be used.
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
    _doors: Doors = attrs.field(init=False)
    _http: HttpConnections = attrs.field(init=False)
    _wires: set[WebSocketWire] = attrs.field(factory=set, init=False)

    def __attrs_post_init__(self) -> None:
        authenticator = BoundedAuthenticator(self.authenticator, self.boundary)
        self._doors = Doors(self.options, self.websocket_routes, authenticator, self.boundary)
        gate = UserGate(self.http_app, authenticator, public=self.public)
        app = BoundedRequests(gate, self.boundary)
        proxies = TrustedProxies.of(self.options.trusted_proxies)
        self._http = HttpConnections(
            app, self.options.send_timeout, framing(self.options.allowed_origins), proxies
        )

    @property
    def connections(self) -> int:
        """How many are open at this moment, of both kinds."""
        return self._doors.inside

    async def serve(
        self,
        listeners: Collection[trio.SocketListener],
        *,
        shutdown: trio.Event,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> Remains:
        """Serve until ``shutdown`` is set; then stop accepting, drain, close everything; say what was left.

        After the drain that takes a few seconds at most, whatever clients do. Closes ``listeners``. Call
        it once. Cancelling it closes WebSockets with 1001, and cuts the rest.
        """
        async with trio.open_nursery() as house:
            house.start_soon(drop_the_dead, self._wires, self.options, self.boundary, name="liveness")
            house.start_soon(self._http.cut_at_the_end, name="http cutter")
            async with trio.open_nursery() as guests:
                async with trio.open_nursery() as entrance:
                    stand_open = partial(self._doors.stand_open, guests=guests)
                    entrance.start_soon(stand_open, listeners, self._host, name="doors")
                    task_status.started()
                    await shutdown.wait()
                    entrance.cancel_scope.cancel("shutting down")
                remains = await self._wind_down()
                guests.cancel_scope.cancel("shutting down")
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
        with trio.move_on_after(GRACE):
            await self._doors.wait_empty()
        return Remains(len(wires), len(self._wires), len(self._http))

    async def _host(self, stream: SocketOrTls, wish: Upgrade | bytes) -> None:
        if isinstance(wish, Upgrade):
            part = wish.request.path.strip("/")
            await self.boundary.run(part, partial(self._serve_websocket, stream, wish))
        else:
            await self.boundary.run("http", partial(self._http.serve, stream, wish))

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
