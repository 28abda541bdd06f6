"""`HttpConnections`: plain HTTP, served by Hypercorn on streams that we accepted."""

from __future__ import annotations

import logging
from functools import partial

import attrs
import trio
from hypercorn.config import Config
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState
from hypercorn.utils import wrap_app
from starlette.types import ASGIApp

from .prefix import PrefixStream, SocketOrTls, TlsPrefixStream
from .request import MAX_HEAD_SIZE

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
class HttpConnections:
    """All connections on which plain HTTP is spoken."""

    _app: ASGIApp
    _send_timeout: float
    _config: Config = attrs.field(factory=_config, init=False)
    _worker: WorkerContext = attrs.field(factory=partial(WorkerContext, None), init=False)
    _streams: set[PrefixStream] = attrs.field(factory=set, init=False)

    def __len__(self) -> int:
        return len(self._streams)

    async def serve(self, stream: SocketOrTls, received: bytes) -> None:
        """Serve requests until either side has had enough; ``received`` was read already."""
        kind = TlsPrefixStream if isinstance(stream, trio.SSLStream) else PrefixStream
        prefixed = kind(stream, received, send_timeout=self._send_timeout)
        self._streams.add(prefixed)
        try:
            app = wrap_app(self._app, 0, "asgi")  # type: ignore[arg-type]
            await TCPServer(app, self._config, self._worker, ConnectionState({}), prefixed)  # type: ignore[arg-type]
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

    async def cut_at_the_end(self) -> None:
        """Wait to be cancelled, and then `cut`."""
        try:
            await trio.sleep_forever()
        finally:
            await self.cut()
