"""`HttpConnections`: plain HTTP/1.1, served by Hypercorn on streams that we accepted."""

from __future__ import annotations

import logging
from functools import partial

import attrs
import h11
import trio
from hypercorn.config import Config
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.trio.task_group import TaskGroup
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import AppWrapper, ConnectionState, H11SendableEvent
from hypercorn.utils import wrap_app
from loguru import logger
from starlette.requests import ClientDisconnect
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..boundary import Boundary
from ..errors import first_leaf
from .client_address import NO_PROXIES, TrustedProxies
from .responses import MAX_HEAD_SIZE, framing, safe_headers
from .streams import NETWORK_ERRORS, PrefixStream, SocketOrTls

# How long the end of one request may take before the connection can serve the next one.
RECYCLE_TIME = 1.0
# A page's next request mostly follows within seconds, and a held connection counts against the limit.
KEEP_ALIVE = 15


def _config() -> Config:
    config = Config()
    config.errorlog = logging.getLogger("hypercorn.error")
    config.h11_max_incomplete_size = MAX_HEAD_SIZE
    config.include_server_header = False
    # Also the time that the head of a next request may take.
    config.keep_alive_timeout = KEEP_ALIVE
    return config


@attrs.define(eq=False)
class BoundedRequests:
    """An ASGI application in front of another: a bug there is answered 500, or ends this connection."""

    _app: ASGIApp
    _boundary: Boundary

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def watched_send(message: Message) -> None:
            nonlocal started
            started = True
            try:
                await send(message)
            except (*NETWORK_ERRORS, h11.ProtocolError) as error:
                raise ClientDisconnect from error

        async def answer() -> None:
            try:
                await self._app(scope, receive, watched_send)
            except* ClientDisconnect:
                # The client left in the middle of its request, or of our answer.
                pass

        if not await self._boundary.run("http", answer) and not started:
            # Where an answer was begun, Hypercorn closes the connection in the middle of it.
            failure = PlainTextResponse(
                "something went wrong here; the server's log says where\n",
                500,
                headers={"Connection": "close"},
            )
            await failure(scope, receive, send)


@attrs.define(eq=False)
class HttpConnections:
    """All connections on which plain HTTP is spoken."""

    _app: ASGIApp
    _send_timeout: float
    _frames: str = framing(())
    _proxies: TrustedProxies = NO_PROXIES
    _config: Config = attrs.field(factory=_config, init=False)
    _worker: WorkerContext = attrs.field(factory=partial(WorkerContext, None), init=False)
    _streams: set[PrefixStream] = attrs.field(factory=set, init=False)

    def __len__(self) -> int:
        return len(self._streams)

    async def serve(self, stream: SocketOrTls, received: bytes) -> None:
        """Serve requests until either side has had enough; ``received`` was read already."""
        prefixed = PrefixStream(stream, received, send_timeout=self._send_timeout)
        app: AppWrapper = wrap_app(self._app, 0, "asgi")  # type: ignore[arg-type]
        self._streams.add(prefixed)
        try:
            connection = _Connection(app, self._config, self._worker, prefixed)
            connection.frames, connection.proxies = self._frames, self._proxies
            await connection.run()
        except* NETWORK_ERRORS:
            # The client left in the middle of something.
            pass
        except* h11.ProtocolError as errors:
            # Some of what clients can send confuses Hypercorn: this connection is lost, and no other.
            logger.debug("An HTTP client was dropped: {}", first_leaf(errors))
        finally:
            self._streams.discard(prefixed)

    async def end_idle(self) -> None:
        """Close connections that wait for their next request, now and from now on."""
        await self._worker.terminated.set()

    async def cut(self) -> None:
        """Close all sockets, whatever goes on on them.

        Hypercorn shields what it sends from cancellation: without this, a client that reads nothing
        would hold up whoever cancels the connection.
        """
        for stream in list(self._streams):
            await trio.aclose_forcefully(stream)

    async def cut_when_cancelled(self) -> None:
        """Wait to be cancelled, and then `cut`."""
        try:
            await trio.sleep_forever()
        finally:
            await self.cut()


class _Connection(TCPServer):
    """Hypercorn's connection, for the one protocol that is spoken here.

    The original would also turn to HTTP/2 and to WebSockets of its own when a client asks for them in
    clear text, and there a malformed request ends in an exception, that is to say in the end of the server.
    """

    frames = framing(())
    proxies = NO_PROXIES

    def __init__(self, app: AppWrapper, config: Config, context: WorkerContext, stream: PrefixStream) -> None:
        super().__init__(app, config, context, ConnectionState({}), stream)  # type: ignore[arg-type]
        self._prefixed = stream
        # Not the task group's own scope: it lets a cancellation of that out, and up to the whole server.
        self._whole = trio.CancelScope()

    async def run(self) -> None:
        try:
            with self._whole:
                await self._converse()
        finally:
            await self._close()

    async def _converse(self) -> None:
        async with TaskGroup() as task_group:
            self._task_group = task_group
            self.protocol = self._http1(task_group)  # type: ignore[assignment]
            await self.idle_task.restart(task_group, self._idle_timeout)
            await self._read_data()
            # The original keeps a connection whose client has left until its idle time is over.
            await self.idle_task.stop()

    def _http1(self, task_group: TaskGroup) -> H11Protocol:
        socket = self._prefixed.socket
        client, server = socket.getpeername()[:2], socket.getsockname()[:2]
        state = ConnectionState({})
        tls = self._prefixed.is_tls
        protocol = _Http1(
            self.app, self.config, self.context, task_group, state, tls, client, server, self.protocol_send
        )
        protocol.frames, protocol.proxies, protocol.peer = self.frames, self.proxies, client
        protocol.cut = self._whole
        return protocol


class _Http1(H11Protocol):
    """HTTP/1.1 without upgrades: a server may ignore that a client asks for one (RFC 9110, 7.8).

    Every answer gets its `safe_headers` here: the application's, and those that Hypercorn gives itself.
    """

    frames = framing(())
    proxies = NO_PROXIES
    peer: tuple[str, int]
    cut: trio.CancelScope

    async def _send_h11_event(self, event: H11SendableEvent) -> None:
        if isinstance(event, h11.Response):
            event = h11.Response(
                status_code=event.status_code, headers=safe_headers(event.headers, self.frames)
            )
        await super()._send_h11_event(event)

    async def _check_protocol(self, event: h11.Request) -> None:
        """Do not turn to HTTP/2."""

    async def _create_stream(self, request: h11.Request) -> None:
        # Each request anew: a proxy sends those of many clients over one connection.
        forwarded = [value.decode("latin-1") for name, value in request.headers if name == b"x-forwarded-for"]
        host, port = self.peer
        self.client = self.proxies.client_of(host, forwarded) or host, port
        fields = [(name, value) for name, value in request.headers if name != b"upgrade"]
        plain = h11.Request(
            method=request.method, headers=fields, target=request.target, http_version=request.http_version
        )
        await super()._create_stream(plain)

    async def _maybe_recycle(self) -> None:
        """Make ready for the next request, or close the connection, whatever the application does.

        Hypercorn does this in the application's task, and tells the application first that the client has
        gone. Starlette's file responses then cancel the task: without a shield the connection would
        neither be read, nor closed, nor given up when it is idle. The deadline is for an application
        that reads nothing: it cannot be told, and nor can the task that reads the request's body for it.
        """
        with trio.move_on_after(RECYCLE_TIME, shield=True) as scope:
            await super()._maybe_recycle()
        if scope.cancelled_caught:
            self.cut.cancel("a request does not end")
