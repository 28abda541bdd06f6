"""`WyomingListener`: accepts clients that speak Wyoming, such as Home Assistant, on a port of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from functools import partial

import attrs
import trio
from loguru import logger

from ...boundary import Boundary
from ...config.system import SystemConfig
from ...config.wyoming import WyomingEngines, listens_at
from ...conversation.speech_engines import LeaseEngine, Standby
from ...engines.base import Asr, Tts
from ...engines.registry import embedded
from ...quota import MemoryQuota
from ...session.lifetime import Services
from ..acceptor import Peer
from ..access import is_loopback
from ..client_address import share_of
from ..connection_limits import Admission, ConnectionLimits
from ..sockets import accept_all, open_listeners, port_of
from .connection import WyomingConnection, send_error
from .conversations import TextConversations
from .requests import WyomingService

MOST_REFUSALS = 20
"""Clients over the limit that are being told so; more are closed without a word."""
GRACE = 1.0
"""Seconds beyond ``drain_timeout`` for conversations to be stored, and for clients to take their answers."""


@asynccontextmanager
async def open_wyoming_listeners(
    system: SystemConfig, *, restricted: bool
) -> AsyncIterator[list[trio.SocketListener]]:
    """Those that ``system_config.wyoming`` wants; none where nothing is served. Raises `ConfigError`.

    ``restricted``: clients of the server have to say who they are, which those of Wyoming cannot.
    """
    settings = system.wyoming
    if settings.port is None:
        yield []
        return
    host = listens_at(settings, system.host, restricted=restricted or system.access_token != "")
    async with open_listeners(host, settings.port) as listeners:
        logger.info(
            "Wyoming, for Home Assistant, is at {} port {}; no token is asked for there",
            host or "all addresses",
            port_of(listeners[0]),
        )
        yield listeners


@attrs.define(eq=False)
class WyomingListener:
    """Serves the engines and the base character of ``services``, as ``system_config.wyoming`` says.

    A bug in a connection, or in a conversation, ends that one, and is logged by ``boundary``.
    """

    _services: Services
    _engines: WyomingEngines
    _lease: LeaseEngine
    _boundary: Boundary
    _quota: MemoryQuota
    """Of all clients together, those of other servers too."""
    _limits: ConnectionLimits = attrs.field(init=False)
    _connections: set[WyomingConnection] = attrs.field(factory=set, init=False)
    _all_left: trio.Event = attrs.field(factory=trio.Event, init=False)
    _refusals: int = attrs.field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self._limits = ConnectionLimits(self._services.system.wyoming.max_connections)

    async def serve(self, listeners: Collection[trio.SocketListener], *, shutdown: trio.Event) -> None:
        """Serve until ``shutdown`` is set; then let clients have what they have asked for, and close.

        That takes ``drain_timeout`` at most, and `GRACE`. Closes ``listeners``. A cancel ends all at once;
        what was said is stored.
        """
        # Connections lease engines by the standbys and ask the conversations, so they end before those.
        async with trio.open_nursery() as standing:
            service = self._service(standing)
            async with trio.open_nursery() as connections:
                async with trio.open_nursery() as accepting:
                    admit = partial(self._admit, service, connections)
                    for listener in listeners:
                        accepting.start_soon(accept_all, listener, admit, name="wyoming listener")
                    await shutdown.wait()
                    accepting.cancel_scope.cancel("shutting down")
                await self._drain()
                connections.cancel_scope.cancel("shutting down")
            service.close()
            standing.cancel_scope.cancel("shutting down")

    def _service(self, nursery: trio.Nursery) -> WyomingService:
        services, system = self._services, self._services.system
        settings, character = system.wyoming, services.catalog.base
        asr_choice = self._engines.asr or embedded("asr")
        tts = Standby[Tts](self._engines.tts, self._lease, nursery, self._boundary)
        asr = Standby[Asr](asr_choice, self._lease, nursery, self._boundary)
        names = {"asr": asr_choice.name, "tts": self._engines.tts.name}
        conversations = None
        if settings.handle:
            conversations = TextConversations(
                services,
                self._quota,
                self._boundary,
                nursery,
                most=settings.max_conversations,
                rest=settings.conversation_timeout,
            )
            names["handle"] = character.llm.name
        if system.preload:
            # A satellite waits for the first answer as for any other.
            tts.prepare()
            asr.prepare()
        return WyomingService(character, system, tts, asr, conversations, names)

    async def _drain(self) -> None:
        with trio.move_on_after(self._services.system.drain_timeout + GRACE):
            for connection in list(self._connections):
                connection.leave()
            if self._limits.open:
                self._all_left = trio.Event()
                await self._all_left.wait()

    async def _admit(
        self, service: WyomingService, connections: trio.Nursery, stream: trio.SocketStream
    ) -> None:
        try:
            peer = Peer.of(stream)
        except OSError:
            # The client has closed already.
            await trio.aclose_forcefully(stream)
            return
        scope = trio.CancelScope()
        evict = partial(scope.cancel, "another client needs the connection, and this one has said nothing")
        admission = self._limits.enter(share_of(peer.host), self._share(peer.host), evict)
        if admission is not None:
            connection = self._connection(service, stream, admission)
            serve = partial(self._serve, connection, stream, admission, scope)
            connections.start_soon(self._boundary.run, "wyoming", serve, name="wyoming connection")
        elif self._refusals < MOST_REFUSALS:
            self._refusals += 1
            refuse = partial(self._refuse, stream)
            connections.start_soon(self._boundary.run, "wyoming", refuse, name="wyoming refusal")
        else:
            await trio.aclose_forcefully(stream)

    def _share(self, host: str) -> int:
        """How many connections ``host`` may have. This machine may run Home Assistant itself."""
        most = self._limits.max_connections
        return most - most // 10 if is_loopback(host) else max(1, most // 2)

    def _connection(
        self, service: WyomingService, stream: trio.SocketStream, admission: Admission
    ) -> WyomingConnection:
        quota = MemoryQuota(service.system.max_memory_per_client, self._quota)
        return WyomingConnection(stream, service, quota, admission.client, admission.request_received)

    async def _serve(
        self,
        connection: WyomingConnection,
        stream: trio.SocketStream,
        admission: Admission,
        scope: trio.CancelScope,
    ) -> None:
        self._connections.add(connection)
        try:
            with scope:
                await connection.serve()
        finally:
            self._connections.discard(connection)
            admission.release()
            if not self._limits.open:
                self._all_left.set()
            await trio.aclose_forcefully(stream)

    async def _refuse(self, stream: trio.SocketStream) -> None:
        logger.warning("a Wyoming client was refused: wyoming.max_connections are open")
        try:
            await send_error(stream, "busy", "too many clients are connected; try again in a moment")
        finally:
            self._refusals -= 1
            await trio.aclose_forcefully(stream)
