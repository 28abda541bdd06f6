"""`HttpConnections`: plain HTTP/1.1, served by Hypercorn on connections that `Acceptor` accepted."""

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

# Seconds that the end of one request may take before the connection can serve the next one.
RECYCLE_TIMEOUT = 1.0
# Seconds that a connection may be idle. A page's next request mostly follows sooner, and each open connection
# counts against the limit.
KEEP_ALIVE = 15


def _config() -> Config:
    config = Config()
    config.errorlog = logging.getLogger("hypercorn.error")
    config.h11_max_incomplete_size = MAX_HEAD_SIZE
    config.include_server_header = False
    # Hypercorn also limits the time for the head of each further request with it.
    config.keep_alive_timeout = KEEP_ALIVE
    return config


@attrs.define(eq=False)
class BoundedRequests:
    """An ASGI application in front of another. A bug there is answered with 500, or ends the connection if
    an answer was begun; it is logged by the boundary, and the server goes on."""

    _app: ASGIApp
    _boundary: Boundary
    answering: int = attrs.field(default=0, init=False)
    """How many requests are being answered."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.answering += 1
        try:
            await self._answer(scope, receive, send)
        finally:
            self.answering -= 1

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
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
                # The client has left during its request, or during our answer.
                pass

        if not await self._boundary.run("http", answer) and not started:
            # If an answer was begun, Hypercorn closes the connection: the client sees that it is incomplete.
            failure = PlainTextResponse(
                "the server failed at this request; its log says where\n",
                500,
                headers={"Connection": "close"},
            )
            await failure(scope, receive, send)


@attrs.define(eq=False)
class HttpConnections:
    """The open HTTP connections. `len` gives their number.

    ``frames`` is the `framing` of the answers; a send may take ``send_timeout`` seconds.
    """

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
        """Serve requests until the connection ends; ``received`` are its first bytes.

        Raises nothing when the client leaves. A cancel does not reach what Hypercorn is sending: call `cut`.
        """
        prefixed = PrefixStream(stream, received, send_timeout=self._send_timeout)
        app: AppWrapper = wrap_app(self._app, 0, "asgi")  # type: ignore[arg-type]
        self._streams.add(prefixed)
        try:
            connection = _Connection(app, self._config, self._worker, prefixed)
            connection.frames, connection.proxies = self._frames, self._proxies
            await connection.run()
        except* NETWORK_ERRORS:
            # The client has left.
            pass
        except* h11.ProtocolError as errors:
            # Hypercorn lets some errors in what clients send through: only this connection ends.
            logger.debug("an HTTP connection was closed: {}", first_leaf(errors))
        finally:
            self._streams.discard(prefixed)

    async def end_idle(self) -> None:
        """Close the connections that are idle, and the others after their current request."""
        await self._worker.terminated.set()

    async def cut(self) -> None:
        """Close all sockets now.

        Hypercorn shields its sends from cancellation: without this, a client that reads nothing would delay a
        cancel of its connection by ``send_timeout``.
        """
        for stream in list(self._streams):
            await trio.aclose_forcefully(stream)

    async def cut_when_cancelled(self) -> None:
        """Wait until cancelled, and then `cut`: so that a cancelled server does not wait for its clients."""
        try:
            await trio.sleep_forever()
        finally:
            await self.cut()


class _Connection(TCPServer):
    """Hypercorn's connection, for HTTP/1.1 only.

    The original also switches to HTTP/2 and to WebSockets of its own if a client asks for that in plain text.
    There a malformed request raises an exception, which would end the server.
    """

    frames = framing(())
    proxies = NO_PROXIES

    def __init__(self, app: AppWrapper, config: Config, context: WorkerContext, stream: PrefixStream) -> None:
        super().__init__(app, config, context, ConnectionState({}), stream)  # type: ignore[arg-type]
        self._prefixed = stream
        # Not the task group's own scope: Hypercorn's task group lets a cancel of that out, up to the whole
        # server.
        self._scope = trio.CancelScope()

    async def run(self) -> None:
        try:
            with self._scope:
                await self._serve_requests()
        finally:
            await self._close()

    async def _serve_requests(self) -> None:
        async with TaskGroup() as task_group:
            self._task_group = task_group
            self.protocol = self._http1(task_group)  # type: ignore[assignment]
            await self.idle_task.restart(task_group, self._idle_timeout)
            await self._read_data()
            # The original keeps a connection whose client has left open until `KEEP_ALIVE` is over.
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
        protocol.cut = self._scope
        return protocol


class _Http1(H11Protocol):
    """HTTP/1.1 without upgrades: a server may ignore requests for one (RFC 9110, section 7.8).

    Every answer gets its `safe_headers` here: the application's, and those that Hypercorn makes itself.
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
        """Do not switch to HTTP/2."""

    async def _create_stream(self, request: h11.Request) -> None:
        # For each request anew: a proxy sends those of many clients over one connection.
        forwarded = [value.decode("latin-1") for name, value in request.headers if name == b"x-forwarded-for"]
        host, port = self.peer
        self.client = self.proxies.client_of(host, forwarded) or host, port
        fields = [(name, value) for name, value in request.headers if name != b"upgrade"]
        plain = h11.Request(
            method=request.method, headers=fields, target=request.target, http_version=request.http_version
        )
        await super()._create_stream(plain)

    async def _maybe_recycle(self) -> None:
        """Get ready for the next request, or close the connection, whatever the application does.

        Hypercorn does this in the application's task, and sends the application a disconnect first.
        Starlette's file responses then cancel the task: without the shield the connection would neither be
        read, nor closed, nor end when it is idle. The deadline is for applications that do not read the
        disconnect, and so would block this for ever.
        """
        with trio.move_on_after(RECYCLE_TIMEOUT, shield=True) as scope:
            await super()._maybe_recycle()
        if scope.cancelled_caught:
            self.cut.cancel("the end of a request takes too long")
