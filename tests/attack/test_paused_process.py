"""A process that was stopped for a while drops no client that is still there (finding 25)."""

from __future__ import annotations

import signal
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock, memory_stream_pair

from tests.server.raw_client import PING, PONG, TEXT, RawClient, connect_websocket, frame
from tests.serving.servers import open_server_process
from trio_backend.config.load import packaged_conf
from trio_backend.errors import WireClosed
from trio_backend.server import ServerOptions
from trio_backend.server.keepalive import ping_idle_connections
from trio_backend.server.websocket import WebSocketWire

OPTIONS = ServerOptions(ping_interval=20, pong_timeout=45)


@pytest.mark.parametrize("paused", [5, 30, 60, 10_000])
@pytest.mark.parametrize("begins", [37, 57, 39.5])
async def test_a_pause_is_not_the_clients_silence(
    autojump_clock: MockClock, begins: float, paused: float
) -> None:
    """It answers every ping that it gets; while we are stopped it gets none."""
    ours, theirs = memory_stream_pair()
    wire, client = WebSocketWire(ours), RawClient(theirs, timeout=100_000)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ping_idle_connections, [wire], OPTIONS)
        nursery.start_soon(wire.receive)

        @nursery.start_soon
        async def answer() -> None:
            while (await client.frame())[0] == 0x80 | PING:
                await client.send(frame(PONG))

        await trio.sleep_until(trio.current_time() + begins)
        autojump_clock.jump(paused)
        await trio.sleep(200)
        await wire.send(b"still here")  # raises where the connection was dropped
        nursery.cancel_scope.cancel()


async def test_a_client_that_left_during_the_pause_is_dropped_afterwards(autojump_clock: MockClock) -> None:
    """Everybody has the whole time again, and no more than that."""
    ours, theirs = memory_stream_pair()
    wire, client = WebSocketWire(ours), RawClient(theirs)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ping_idle_connections, [wire], OPTIONS)

        @nursery.start_soon
        async def pause() -> None:
            await trio.sleep(15)
            autojump_clock.jump(50)

        with pytest.raises(WireClosed, match="1006"):
            await wire.receive()
        # It woke at 65, and looks each 20 s.
        assert trio.current_time() == 65 + 60
        nursery.cancel_scope.cancel()
    await client.frame()


async def test_half_a_message_that_waits_in_the_kernel_is_in_time(autojump_clock: MockClock) -> None:
    """Its rest came while we were stopped, and could not be read."""
    ours, theirs = memory_stream_pair()
    wire, client = WebSocketWire(ours), RawClient(theirs)
    text = frame(TEXT, b"hello")
    await client.send(text[:3])
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def pause() -> None:
            await trio.sleep(5)
            autojump_clock.jump(500)
            # The kernel had these before we were stopped, or got them since.
            await client.send(text[3:6])
            await trio.sleep(1)
            await client.send(text[6:])

        assert await wire.receive() == "hello"


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGSTOP there")
async def test_a_stopped_server_keeps_its_clients(tmp_path: Path) -> None:
    """A real one, with pings of half a second, stopped for longer than an answer to one may take."""
    conf = tmp_path / "conf.yaml"
    text = (packaged_conf() / "conf.yaml").read_text("utf-8")
    times = "system_config:\n  ping_interval: 0.5\n  pong_timeout: 4\n"
    conf.write_text(text.replace("system_config:\n", times), "utf-8")
    async with open_server_process(conf, tmp_path) as server, AsyncExitStack() as stack:
        port = int(server.address.rpartition(":")[2])
        clients = [await stack.enter_async_context(connect_websocket(port, "/client-ws")) for _ in range(20)]
        lost: list[RawClient] = []

        async def answer(client: RawClient) -> None:
            client.timeout = 60
            try:
                while True:
                    if (await client.frame())[0] == 0x80 | PING:
                        await client.send(frame(PONG))
            except (AssertionError, trio.BrokenResourceError):
                lost.append(client)

        async with trio.open_nursery() as nursery:
            for client in clients:
                nursery.start_soon(answer, client)
            await trio.sleep(0.8)
            server.process.send_signal(signal.SIGSTOP)
            await trio.sleep(5)
            server.process.send_signal(signal.SIGCONT)
            await trio.sleep(2)
            nursery.cancel_scope.cancel()
        assert not lost
