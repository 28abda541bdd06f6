"""`Acceptor`: accepts connections, reads the first request of each, and refuses some."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from typing import TypeAlias

import attrs
import trio
from loguru import logger

from ..boundary import Boundary
from .access import is_loopback
from .authentication import Authenticator
from .client_address import TrustedProxies, share_of
from .connection_limits import Admission, ConnectionLimits
from .handshake import Upgrade, asks_for_websocket, read_head, read_upgrade
from .options import ServerOptions, open_tls
from .plain_http import plain_http_refusal
from .responses import FULL, TOO_MANY, Refusal
from .sockets import accept_all
from .streams import NETWORK_ERRORS, SocketOrTls

# Seconds that a refused client has to read the answer, before its connection is closed.
REFUSAL_TIMEOUT = 1.0
# Refusals that are being sent to clients over the limit. More connections are closed without an answer: each
# refusal takes a task, a file handle and up to `REFUSAL_TIMEOUT`, and is not counted by `ConnectionLimits`.
MAX_REFUSALS = 100
# Each reason for a refusal is logged once, and only so many of them: clients choose some of their words
# (the origin), and could fill the log.
MAX_REASONS_LOGGED = 20

Handler: TypeAlias = Callable[[SocketOrTls, Upgrade | bytes], Awaitable[None]]
"""Serves a connection: a WebSocket, or plain HTTP whose first bytes were read already."""


@attrs.frozen
class Peer:
    """The other end of a socket."""

    host: str
    port: int

    @classmethod
    def of(cls, socket: trio.SocketStream) -> Peer:
        """Raises `OSError` if the connection is closed already."""
        return cls(*socket.socket.getpeername()[:2])

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@attrs.frozen(eq=False)
class PendingConnection:
    """A connection whose first request is being read; cancelling ``scope`` ends that, and closes it."""

    peer: Peer
    admission: Admission
    scope: trio.CancelScope


@attrs.define(eq=False)
class Acceptor:
    """Accepts as many connections as `ConnectionLimits` admits, and reads the first request of each.

    ``paths`` are those of WebSockets. ``authenticator`` identifies the user of each WebSocket, and must not
    raise. Raises `ConfigError` if the TLS certificate cannot be used.
    """

    options: ServerOptions
    paths: Collection[str]
    authenticator: Authenticator
    boundary: Boundary
    limits: ConnectionLimits = attrs.field(init=False)
    _proxies: TrustedProxies = attrs.field(init=False)
    _reasons_logged: set[str] = attrs.field(factory=set, init=False)
    _refusals: int = attrs.field(default=0, init=False)
    _tls: ssl.SSLContext | None = attrs.field(init=False)
    _all_closed: trio.Event = attrs.field(factory=trio.Event, init=False)

    def __attrs_post_init__(self) -> None:
        self._tls = open_tls(self.options)
        self.limits = ConnectionLimits(self.options.max_connections)
        self._proxies = TrustedProxies.of(self.options.trusted_proxies)

    @property
    def open_connections(self) -> int:
        """How many connections are open; those that are being refused for the limit do not count."""
        return self.limits.open

    async def run(
        self, listeners: Collection[trio.SocketListener], handler: Handler, *, connections: trio.Nursery
    ) -> None:
        """Accept until cancelled; run ``handler`` in ``connections`` for each connection that is admitted.

        Closes ``listeners``. A cancel closes the connections whose first request is still being read; those
        in ``connections`` go on.
        """
        async with trio.open_nursery() as handshakes:

            async def admit(socket: trio.SocketStream) -> None:
                if not await self.boundary.run(
                    "handshake", partial(self._admit, socket, handler, handshakes, connections)
                ):
                    await trio.aclose_forcefully(socket)

            for listener in listeners:
                handshakes.start_soon(accept_all, listener, admit, name="listener")

    async def wait_all_closed(self) -> None:
        """Wait until no connection is open."""
        if self.open_connections:
            self._all_closed = trio.Event()
            await self._all_closed.wait()

    async def _admit(
        self,
        socket: trio.SocketStream,
        handler: Handler,
        handshakes: trio.Nursery,
        connections: trio.Nursery,
    ) -> None:
        try:
            peer = Peer.of(socket)
        except OSError:
            # The client has closed already.
            await trio.aclose_forcefully(socket)
            return
        scope = trio.CancelScope()
        admission = self.limits.enter(
            share_of(peer.host),
            self._share(peer.host),
            partial(scope.cancel, "another client needs the connection, and this one has sent no request"),
        )
        if admission is not None:
            pending = PendingConnection(peer, admission, scope)
            handshake = partial(self._handshake, socket, pending, handler, connections)
            handshakes.start_soon(self.boundary.run, "handshake", handshake, name="handshake")
        elif self._refusals < MAX_REFUSALS:
            self._refusals += 1
            full = self.open_connections >= self.limits.max_connections
            refuse = partial(self._refuse, socket, FULL if full else TOO_MANY)
            handshakes.start_soon(self.boundary.run, "refusal", refuse, name="refusal")
        else:
            await trio.aclose_forcefully(socket)

    def _share(self, host: str) -> int:
        """How many connections ``host`` may have.

        A trusted proxy may have all: it connects for many clients. This machine may have nine tenths: its
        connections may come from a proxy that is not configured as trusted, and the last tenth is kept
        for clients on the network.
        """
        most = self.limits.max_connections
        if self._proxies.include(host):
            return most
        return most - most // 10 if is_loopback(host) else self.options.max_connections_per_address

    async def _handshake(
        self,
        socket: trio.SocketStream,
        pending: PendingConnection,
        handler: Handler,
        connections: trio.Nursery,
    ) -> None:
        stream: SocketOrTls = socket
        request: Upgrade | bytes | None = None
        try:
            with pending.scope:
                stream, answer = await self._first_request(socket, pending)
                # From here on the connection is not closed in favour of another.
                pending.admission.request_received()
                if isinstance(answer, Refusal):
                    await send_refusal(stream, answer)
                elif not pending.scope.cancel_called:
                    # Or it was evicted since the last checkpoint, and its admission belongs to another
                    # client.
                    request = answer
        finally:
            if request is None:
                await self._close(stream, pending.admission)
        if request is not None:
            # In another nursery: the shutdown cancels handshakes at once, but gives connections time.
            connections.start_soon(
                self._serve, stream, request, pending.admission, handler, name="connection"
            )

    async def _serve(
        self, stream: SocketOrTls, request: Upgrade | bytes, admission: Admission, handler: Handler
    ) -> None:
        try:
            await handler(stream, request)
        finally:
            await self._close(stream, admission)

    async def _close(self, stream: SocketOrTls, admission: Admission) -> None:
        admission.release()
        if not self.open_connections:
            self._all_closed.set()
        await trio.aclose_forcefully(stream)

    async def _refuse(self, socket: trio.SocketStream, refusal: Refusal) -> None:
        try:
            await send_refusal(self._secured(socket), refusal)
        finally:
            self._refusals -= 1
            await trio.aclose_forcefully(socket)

    def _secured(self, socket: trio.SocketStream) -> SocketOrTls:
        if self._tls is None:
            return socket
        # The TLS handshake happens with the first read, and so within `request_head_timeout`.
        # "https_compatible": browsers close without announcing it, which is no attack here, since HTTP and
        # WebSocket messages tell their length.
        return trio.SSLStream(socket, self._tls, server_side=True, https_compatible=True)

    async def _first_request(
        self, socket: trio.SocketStream, pending: PendingConnection
    ) -> tuple[SocketOrTls, Upgrade | Refusal | bytes | None]:
        """As `_read_request`, and the stream on which it came."""
        until = trio.current_time() + self.options.request_head_timeout
        if self._tls is not None:
            try:
                if refusal := await plain_http_refusal(socket, until=until):
                    return socket, refusal
            except NETWORK_ERRORS:
                return socket, None
        stream = self._secured(socket)
        return stream, await self._read_request(stream, pending, until)

    async def _read_request(
        self, stream: SocketOrTls, pending: PendingConnection, until: float
    ) -> Upgrade | Refusal | bytes | None:
        """The first request, or the answer that refuses it; None if the client has left."""
        try:
            received = await read_head(stream, within=max(0, until - trio.current_time()))
            if not isinstance(received, bytes) or not asks_for_websocket(received):
                return received
        except NETWORK_ERRORS:
            return None
        answer = await self._answer_upgrade(received, str(pending.peer))
        if isinstance(answer, Refusal):
            self._log_refusal(answer)
            return answer
        return self._behind_proxy(answer, pending)

    async def _answer_upgrade(self, received: bytes, client: str) -> Upgrade | Refusal:
        origins = self.options.allowed_origins
        attempt = read_upgrade(received, paths=self.paths, origins=origins, client=client)
        if isinstance(attempt, Refusal):
            return attempt
        user = await self.authenticator.identify(attempt.credentials)
        return user if isinstance(user, Refusal) else attempt.accept(user)

    def _behind_proxy(self, upgrade: Upgrade, pending: PendingConnection) -> Upgrade | Refusal:
        """``upgrade`` with the address of the client behind a trusted proxy, and counted as that client's.

        Refused if that client has its share already. Plain HTTP stays the proxy's: proxies send the requests
        of many clients over one connection.
        """
        forwarded = upgrade.request.headers.get("x-forwarded-for", "")
        client = self._proxies.client_of(pending.peer.host, [forwarded])
        if client is None or client == pending.peer.host:
            return upgrade
        if not pending.admission.pass_to(share_of(client), self._share(client)):
            return TOO_MANY
        # X-Forwarded-For has no port, so the proxy's stands for it: it tells connections apart in a log.
        request = attrs.evolve(upgrade.request, client=str(Peer(client, pending.peer.port)))
        return attrs.evolve(upgrade, request=request)

    def _log_refusal(self, refusal: Refusal) -> None:
        """Tell the operator why a page cannot connect: browsers do not tell the page."""
        forbidden = refusal.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
        if (
            forbidden
            and refusal.text not in self._reasons_logged
            and len(self._reasons_logged) < MAX_REASONS_LOGGED
        ):
            self._reasons_logged.add(refusal.text)
            logger.warning("a connection was refused: {}", refusal.text)


async def send_refusal(stream: trio.abc.Stream, refusal: Refusal) -> None:
    """Send ``refusal`` and close, within `REFUSAL_TIMEOUT` seconds. A cancel closes at once."""
    try:
        with trio.move_on_after(REFUSAL_TIMEOUT), suppress(*NETWORK_ERRORS):
            await stream.send_all(refusal.encode())
            if isinstance(stream, trio.abc.HalfCloseableStream):
                await stream.send_eof()
            # Closing with bytes unread would reset the connection, and the client would lose the answer.
            while await stream.receive_some(64 * 1024):
                pass
    finally:
        await trio.aclose_forcefully(stream)
