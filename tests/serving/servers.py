"""Real servers for tests: in this process, or as a child that can be killed; and clients on real sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import attrs
import httpx2
import trio
import trio_websocket

from tests.client import Client
from tests.server_process import TIMEOUT
from tests.server_process import ServerProcess as ServerProcess
from tests.server_process import open_server_process as open_server_process
from trio_backend.client.connection import shake_hands
from trio_backend.config.character import EngineChoice
from trio_backend.config.folder import Config
from trio_backend.config.load import load_config, packaged_conf
from trio_backend.errors import WireClosed
from trio_backend.quota import MemoryQuota
from trio_backend.server.authentication import Authenticator
from trio_backend.serving import serve


@attrs.frozen
class SocketWire:
    """The client's end of a real WebSocket, as a `Wire`."""

    connection: trio_websocket.WebSocketConnection
    quota: MemoryQuota = attrs.field(factory=MemoryQuota, init=False)

    async def receive(self) -> str | bytes:
        """See `Wire.receive`."""
        try:
            return await self.connection.get_message()
        except trio_websocket.ConnectionClosed as closed:
            raise WireClosed(closed.reason.code if closed.reason else 1006) from None

    async def send(self, message: bytes) -> None:
        """See `Wire.send`."""
        try:
            await self.connection.send_message(message.decode())
        except trio_websocket.ConnectionClosed as closed:
            raise WireClosed(closed.reason.code if closed.reason else 1006) from None

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """See `Wire.close`."""
        await self.connection.aclose(code, reason)


@asynccontextmanager
async def open_client(
    address: str, path: str = "/client-ws", *, greeted: bool = True
) -> AsyncIterator[Client]:
    """A client of the server at ``address`` that has read the greeting, unless it is not to wait for that."""
    host, port = address.removeprefix("http://").split(":")
    # The stream is ours: where the server closes first, the library leaves it open.
    async with await trio.open_tcp_stream(host, int(port)) as stream, trio.open_nursery() as nursery:
        websocket = await shake_hands(nursery, stream, host, path)
        assert websocket is not None
        async with websocket:
            client = Client(SocketWire(websocket))
            if greeted:
                await client.until("control", text="start-mic")
            yield client


def configured(folder: Path, *, llm: EngineChoice, tts: EngineChoice, **system: object) -> Config:
    """The shipped configuration with other engines, on a free port, with its data in ``folder``."""
    config = load_config(packaged_conf() / "conf.yaml", environ={}).config
    changes: Mapping[str, object] = {
        "port": 0,
        "history_file": str(folder / "history.sqlite3"),
        "cache_dir": str(folder / "cache"),
        **system,
    }
    return attrs.evolve(
        config,
        system=attrs.evolve(config.system, **changes),  # type: ignore[arg-type]
        character=attrs.evolve(config.character, llm=llm, tts=tts),
    )


@asynccontextmanager
async def open_server(config: Config, authenticator: Authenticator | None = None) -> AsyncIterator[str]:
    """A server in this process; its address. It is shut down in good order when the block is left."""
    shutdown = trio.Event()
    async with trio.open_nursery() as nursery:
        address = await nursery.start(partial(serve, config, shutdown=shutdown, authenticator=authenticator))
        yield str(address)
        shutdown.set()


async def wait_ready(address: str) -> None:
    """Wait until the server says that its first character is there."""
    async with httpx2.AsyncClient() as client:
        with trio.fail_after(TIMEOUT):
            while (await client.get(f"{address}/readyz")).status_code != 200:
                await trio.sleep(0.02)
