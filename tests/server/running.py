"""A running server on a free port, with the handlers that the tests need."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import trio
from starlette.applications import Starlette
from starlette.types import ASGIApp

from trio_backend.protocol import Utf8
from trio_backend.quota import MemoryQuota
from trio_backend.server import (
    Server,
    ServerOptions,
    ShutdownReport,
    UpgradeRequest,
    WebSocketHandler,
    open_listeners,
    port_of,
)
from trio_backend.server.authentication import AccessToken, Authenticator
from trio_backend.server.http import Folders, HttpContent, http_app, is_public
from trio_backend.server.listener import nothing_is_public
from trio_backend.wire import Wire

NOWHERE = Path("no") / "such" / "folder"


async def echo(wire: Wire, _request: UpgradeRequest) -> None:
    """Say everything again; of bytes, only that they were bytes."""
    while True:
        message = await wire.receive()
        if isinstance(message, Utf8):
            await wire.send(message)
            continue
        await wire.send(message.encode() if isinstance(message, str) else b"%d bytes" % len(message))


async def return_after_one(wire: Wire, _request: UpgradeRequest) -> None:
    """Return after the first message."""
    await wire.receive()


async def pour(wire: Wire, _request: UpgradeRequest) -> None:
    """Send for ever, and receive nothing."""
    while True:
        await wire.send(b"x" * 1_000_000)


def pages(folders: Folders | None = None, *, unready: str = "") -> HttpContent:
    """A site with nothing on it but ``folders``."""

    async def models() -> Mapping[str, object]:
        return {"type": "live2d-models/info", "count": 0, "characters": []}

    return HttpContent(
        folders or Folders(NOWHERE, NOWHERE, NOWHERE, NOWHERE),
        models,
        lambda: unready,
    )


@attrs.define(eq=False)
class Running:
    """A server, where it listens, how to end it, and what was left once it has ended."""

    server: Server
    port: int
    shutdown: trio.Event = attrs.field(factory=trio.Event)
    ended: trio.Event = attrs.field(factory=trio.Event)
    report: ShutdownReport | None = None

    async def stop(self) -> ShutdownReport:
        """Shut down; what was left."""
        self.shutdown.set()
        await self.ended.wait()
        assert self.report is not None
        return self.report

    async def wait_idle(self, count: int) -> None:
        """Wait until so many connections do nothing."""
        with trio.fail_after(10):
            while self.server.count_connections().idle != count:
                await trio.sleep(0.005)

    async def wait_connections(self, count: int) -> None:
        """Wait until the server has this many connections."""
        with trio.fail_after(30):
            # The server has no event for that, and needs none: this is for tests only.
            while self.server.connections != count:
                await trio.sleep(0.005)


@asynccontextmanager
async def run_server(
    options: ServerOptions | None = None,
    *,
    app: ASGIApp | None = None,
    routes: Mapping[str, WebSocketHandler] | None = None,
    quota: MemoryQuota | None = None,
    authenticator: Authenticator | None = None,
) -> AsyncIterator[Running]:
    """A server on 127.0.0.1, shut down when the block is left."""
    handlers = {"/echo": echo, "/once": return_after_one, "/pour": pour, **(routes or {})}
    app = app or http_app(pages())
    public = is_public(app) if isinstance(app, Starlette) else nothing_is_public
    options = options or ServerOptions()
    server = Server(
        options,
        handlers,
        app,
        public=public,
        quota=quota or MemoryQuota(),
        authenticator=authenticator or AccessToken(options.access_token),
    )
    async with open_listeners("127.0.0.1", 0) as listeners, trio.open_nursery() as nursery:
        running = Running(server, port_of(listeners[0]))

        async def serve(task_status: trio.TaskStatus[None]) -> None:
            running.report = await server.serve(listeners, shutdown=running.shutdown, task_status=task_status)
            running.ended.set()

        await nursery.start(serve)
        yield running
        running.shutdown.set()
