"""`Doors`: accepting connections, hearing what they want, and turning some away."""

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
from .network import NETWORK_ERRORS
from .options import ServerOptions
from .prefix import SocketOrTls
from .request import FULL, TOO_MANY, Refusal, read_head
from .tls import open_tls
from .upgrade import Upgrade, asks_for_websocket, read_upgrade

# While the process has no file handle left, asking again at once would only burn CPU.
ACCEPT_BACKOFF = 0.1
# How long someone who is turned away has to take the answer.
REFUSAL_TIME = 1.0
# Those over the limit who are being told so; any more are just closed.
MAX_REFUSALS = 100
# Each reason not to let somebody in is logged once, and after so many no more of them: strangers choose them.
MOST_NOTED = 20

# Gets a connection with what it wants: a WebSocket, or plain HTTP that begins with these bytes.
Host: TypeAlias = Callable[[SocketOrTls, Upgrade | bytes], Awaitable[None]]


@attrs.frozen
class Peer:
    """The other end of a socket."""

    host: str
    port: int

    @classmethod
    def of(cls, socket: trio.SocketStream) -> Peer:
        """Raises `OSError` if it has left."""
        return cls(*socket.socket.getpeername()[:2])

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@attrs.frozen(eq=False)
class Guest:
    """A connection whose client is being listened to; cancelling ``patience`` ends that."""

    peer: Peer
    admission: Admission
    patience: trio.CancelScope


@attrs.define(eq=False)
class Doors:
    """How connections come in: as many as `ConnectionLimits` has places for.

    ``paths`` are those of WebSockets; ``authenticator`` is asked who wants one, and raises nothing.
    Raises `ConfigError` for a certificate that cannot be used.
    """

    options: ServerOptions
    paths: Collection[str]
    authenticator: Authenticator
    boundary: Boundary
    limits: ConnectionLimits = attrs.field(init=False)
    _proxies: TrustedProxies = attrs.field(init=False)
    _shut_out: set[str] = attrs.field(factory=set, init=False)
    _refusals: int = attrs.field(default=0, init=False)
    _tls: ssl.SSLContext | None = attrs.field(init=False)
    _empty: trio.Event = attrs.field(factory=trio.Event, init=False)

    def __attrs_post_init__(self) -> None:
        self._tls = open_tls(self.options)
        self.limits = ConnectionLimits(self.options.max_connections)
        self._proxies = TrustedProxies.of(self.options.trusted_proxies)

    @property
    def inside(self) -> int:
        """How many connections are open, but for those over the limit."""
        return self.limits.open

    async def stand_open(
        self, listeners: Collection[trio.SocketListener], host: Host, *, guests: trio.Nursery
    ) -> None:
        """Accept until cancelled, and run ``host`` in ``guests`` for each who gets in; closes ``listeners``.

        A cancel drops those who have not yet said what they want, and touches nobody who is inside.
        """
        async with trio.open_nursery() as entrance:

            async def admit(socket: trio.SocketStream) -> None:
                if not await self.boundary.run(
                    "greeting", partial(self._admit, socket, host, entrance, guests)
                ):
                    await trio.aclose_forcefully(socket)

            for listener in listeners:
                entrance.start_soon(accept_all, listener, admit, name="listener")

    async def wait_empty(self) -> None:
        """Wait until nobody is inside."""
        if self.inside:
            self._empty = trio.Event()
            await self._empty.wait()

    async def _admit(
        self, socket: trio.SocketStream, host: Host, entrance: trio.Nursery, guests: trio.Nursery
    ) -> None:
        try:
            peer = Peer.of(socket)
        except OSError:
            # It has left already.
            await trio.aclose_forcefully(socket)
            return
        patience = trio.CancelScope()
        admission = self.limits.enter(
            share_of(peer.host),
            self._share(peer.host),
            partial(patience.cancel, "its place is needed, and it has not said what it wants"),
        )
        if admission is not None:
            greet = partial(self._greet, socket, Guest(peer, admission, patience), host, guests)
            entrance.start_soon(self.boundary.run, "greeting", greet, name="greeting")
        elif self._refusals < MAX_REFUSALS:
            self._refusals += 1
            refuse = partial(self._refuse, socket, FULL if self.inside >= self.limits.most else TOO_MANY)
            entrance.start_soon(self.boundary.run, "refusal", refuse, name="refusal")
        else:
            await trio.aclose_forcefully(socket)

    def _share(self, host: str) -> int:
        """How many connections ``host`` may have: a proxy's are those of many, and so are this machine's.

        Programs of this machine, a proxy that nobody told us of among them, are to leave some to the others.
        """
        most = self.limits.most
        if self._proxies.include(host):
            return most
        return most - most // 10 if is_loopback(host) else self.options.max_connections_per_address

    async def _greet(self, socket: trio.SocketStream, guest: Guest, host: Host, guests: trio.Nursery) -> None:
        stream: SocketOrTls = socket
        wish: Upgrade | bytes | None = None
        try:
            stream = self._secured(socket)
            with guest.patience:
                answer = await self._hear(stream, guest)
                # From here on it is not given up for another.
                guest.admission.heard()
                if isinstance(answer, Refusal):
                    await turn_away(stream, answer)
                elif not guest.patience.cancel_called:
                    wish = answer
        finally:
            if wish is None:
                await self._see_off(stream, guest.admission)
        if wish is not None:
            guests.start_soon(self._keep, stream, wish, guest.admission, host, name="connection")

    async def _keep(
        self, stream: SocketOrTls, wish: Upgrade | bytes, admission: Admission, host: Host
    ) -> None:
        try:
            await host(stream, wish)
        finally:
            await self._see_off(stream, admission)

    async def _see_off(self, stream: SocketOrTls, admission: Admission) -> None:
        admission.leave()
        if not self.inside:
            self._empty.set()
        await trio.aclose_forcefully(stream)

    async def _refuse(self, socket: trio.SocketStream, refusal: Refusal) -> None:
        try:
            await turn_away(self._secured(socket), refusal)
        finally:
            self._refusals -= 1
            await trio.aclose_forcefully(socket)

    def _secured(self, socket: trio.SocketStream) -> SocketOrTls:
        if self._tls is None:
            return socket
        return trio.SSLStream(socket, self._tls, server_side=True, https_compatible=True)

    async def _hear(self, stream: SocketOrTls, guest: Guest) -> Upgrade | Refusal | bytes | None:
        """What they want; None if they have left."""
        try:
            received = await read_head(stream, within=self.options.request_head_timeout)
            if not isinstance(received, bytes) or not asks_for_websocket(received):
                return received
        except NETWORK_ERRORS:
            return None
        answer = await self._answer_upgrade(received, str(guest.peer))
        if isinstance(answer, Refusal):
            self._note(answer)
            return answer
        return self._whose(answer, guest)

    async def _answer_upgrade(self, received: bytes, client: str) -> Upgrade | Refusal:
        origins = self.options.allowed_origins
        attempt = read_upgrade(received, paths=self.paths, origins=origins, client=client)
        if isinstance(attempt, Refusal):
            return attempt
        user = await self.authenticator.identify(attempt.credentials)
        return user if isinstance(user, Refusal) else attempt.accept(user)

    def _whose(self, upgrade: Upgrade, guest: Guest) -> Upgrade | Refusal:
        """``upgrade`` as its client's who is behind a proxy, and counted so; refused if that has enough.

        Not so plain HTTP: proxies send the requests of many clients over one connection.
        """
        forwarded = upgrade.request.headers.get("x-forwarded-for", "")
        client = self._proxies.client_of(guest.peer.host, [forwarded])
        if client is None or client == guest.peer.host:
            return upgrade
        if not guest.admission.pass_to(share_of(client), self._share(client)):
            return TOO_MANY
        # The port is the proxy's.
        request = attrs.evolve(upgrade.request, client=str(Peer(client, guest.peer.port)))
        return attrs.evolve(upgrade, request=request)

    def _note(self, refusal: Refusal) -> None:
        """Tell the operator why a page cannot connect: browsers do not tell the page."""
        locked = refusal.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
        if locked and refusal.text not in self._shut_out and len(self._shut_out) < MOST_NOTED:
            self._shut_out.add(refusal.text)
            logger.warning("a client was not let in: {}", refusal.text)


async def accept_all(
    listener: trio.SocketListener, admit: Callable[[trio.SocketStream], Awaitable[None]]
) -> None:
    """Accept until cancelled, then close ``listener``. ``admit`` gets each stream, and is not to wait."""
    failing = False
    async with listener:
        while True:
            try:
                stream = await listener.accept()
            except OSError as error:
                # Out of file handles or memory: that passes, and the others are still being served.
                if not failing:
                    logger.warning("Cannot accept connections at the moment: {}", error)
                failing = True
                await trio.sleep(ACCEPT_BACKOFF)
            else:
                failing = False
                await admit(stream)


async def turn_away(stream: trio.abc.Stream, refusal: Refusal) -> None:
    """Answer ``refusal`` and close, within a second or so."""
    try:
        with trio.move_on_after(REFUSAL_TIME), suppress(*NETWORK_ERRORS):
            await stream.send_all(refusal.encode())
            if isinstance(stream, trio.abc.HalfCloseableStream):
                await stream.send_eof()
            # Closing with bytes unread would reset the connection, and the answer would be lost.
            while await stream.receive_some(64 * 1024):
                pass
    finally:
        await trio.aclose_forcefully(stream)
