"""The end of the server over real sockets: in time, whatever clients do."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import trio

from tests.server.raw_client import (
    CLOSE,
    TEXT,
    RawClient,
    close_frame,
    connect,
    connect_websocket,
    frame,
    handshake,
)
from tests.server.running import NOWHERE, pages, run_server
from trio_backend.errors import WireClosed
from trio_backend.server import (
    Server,
    ServerOptions,
    UpgradeRequest,
    listener,
    open_listeners,
    port_of,
    websocket,
)
from trio_backend.server.http import Folders, http_app
from trio_backend.wire import Wire

GOING_AWAY = (0x80 | CLOSE, b"\x03\xe9the server is shutting down")


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that waits a minute for whom it waits at all."""
    monkeypatch.setattr(listener, "GRACE_PERIOD", 60)
    monkeypatch.setattr(websocket, "CLOSE_WAIT", 60)


async def test_an_idle_client_is_told_1001_and_no_time_is_lost(patient: None) -> None:
    """A client that answers is gone at once."""

    async def leave(client: RawClient) -> None:
        assert await client.frame() == GOING_AWAY
        await client.send(close_frame(1001))
        await client.ended()

    async with (
        run_server() as running,
        connect_websocket(running.port) as client,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(leave, client)
        with trio.fail_after(30):
            report = await running.stop()
    assert (report.closed_websockets, report.cut_websockets, report.cut_http) == (1, 0, 0)


async def test_a_client_that_does_not_answer_the_close_costs_a_second() -> None:
    """It still gets to read why."""
    async with run_server() as running, connect_websocket(running.port) as client:
        with trio.fail_after(10):
            await running.stop()
        assert await client.frame() == GOING_AWAY
        await client.ended()


async def test_a_client_that_reads_nothing_does_not_hold_up_the_end() -> None:
    """Its handler is stuck in `send`, with megabytes under way."""
    async with run_server() as running, connect_websocket(running.port, "/pour"):
        await trio.sleep(0.1)
        with trio.fail_after(15):
            report = await running.stop()
    assert report.closed_websockets == 1


async def test_a_handler_that_does_not_end_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is cancelled once its time is over, and counted."""
    monkeypatch.setattr(listener, "GRACE_PERIOD", 0.2)
    ended = trio.Event()

    async def stubborn(wire: Wire, _request: UpgradeRequest) -> None:
        try:
            with pytest.raises(WireClosed):
                await wire.receive()
            await trio.sleep_forever()
        finally:
            ended.set()

    routes = {"/stubborn": stubborn}
    async with run_server(routes=routes) as running, connect_websocket(running.port, "/stubborn"):
        with trio.fail_after(10):
            report = await running.stop()
    assert ended.is_set()
    assert (report.closed_websockets, report.cut_websockets) == (1, 1)


async def test_a_download_that_nobody_reads_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hypercorn shields it from being cancelled: the socket is closed under it."""
    monkeypatch.setattr(listener, "GRACE_PERIOD", 0.2)
    (tmp_path / "big.jpg").write_bytes(b"x" * 20_000_000)
    app = http_app(pages(Folders(NOWHERE, tmp_path, NOWHERE, NOWHERE)))
    async with run_server(app=app) as running, connect(running.port) as client:
        await client.send(b"GET /bg/big.jpg HTTP/1.1\r\nHost: x\r\n\r\n")
        await client.stream.receive_some(100)
        with trio.fail_after(10):
            report = await running.stop()
    assert report.cut_http == 1


async def test_idle_http_connections_and_slow_heads_end_at_once(patient: None) -> None:
    """An idle HTTP connection has nothing to finish."""
    async with run_server() as running, connect(running.port) as idle, connect(running.port) as slow:
        await idle.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await idle.answer()).status == 200
        await slow.send(b"GET /healthz HT")
        with trio.fail_after(30):
            report = await running.stop()
        await idle.ended()
        await slow.lost()
    assert (report.closed_websockets, report.cut_http) == (0, 0)


async def test_the_drain_comes_before_the_close() -> None:
    """Handlers may finish what they do; no new connection is accepted."""
    steps: list[str] = []
    talking = trio.Event()

    async def drain() -> None:
        steps.append("drain")
        with pytest.raises(OSError, match="all attempts to connect"):
            await trio.open_tcp_stream("127.0.0.1", port)
        talking.set()
        await trio.sleep(0.1)

    async def talk(wire: Wire, _request: UpgradeRequest) -> None:
        await talking.wait()
        await wire.send(b"the last word")
        try:
            await wire.receive()
        except WireClosed as closed:
            steps.append(str(closed.code))

    shutdown = trio.Event()
    server = Server(ServerOptions(), {"/talk": talk}, http_app(pages()), drain=drain)
    async with open_listeners("127.0.0.1", 0) as listeners, trio.open_nursery() as nursery:
        port = port_of(listeners[0])

        @nursery.start_soon
        async def serve() -> None:
            await server.serve(listeners, shutdown=shutdown)

        async with connect_websocket(port, "/talk") as client:
            shutdown.set()
            assert await client.message() == "the last word"
            assert await client.frame() == GOING_AWAY
    assert steps == ["drain", "1001"]


async def test_cancelling_closes_websockets_with_1001_and_leaves_nothing() -> None:
    """Ctrl-C twice: no drain, but still a word."""
    server = Server(ServerOptions(), {"/wait": wait}, http_app(pages()))
    async with open_listeners("127.0.0.1", 0) as listeners, trio.open_nursery() as nursery:

        @nursery.start_soon
        async def serve() -> None:
            await server.serve(listeners, shutdown=trio.Event())

        async with connect_websocket(port_of(listeners[0]), "/wait") as client:
            nursery.cancel_scope.cancel()
            with trio.CancelScope(shield=True):
                assert await client.closed() == 1001
    assert server.connections == 0


async def wait(_wire: Wire, _request: UpgradeRequest) -> None:
    """Neither send nor receive."""
    await trio.sleep(math.inf)


async def test_a_handler_that_fails_closes_1011_and_the_server_goes_on() -> None:
    """A bug of ours ends the connection that found it; tests/attack/test_boundary.py tries all others."""

    async def broken(wire: Wire, _request: UpgradeRequest) -> None:
        await wire.receive()
        raise RuntimeError("a bug")

    routes = {"/broken": broken}
    async with run_server(routes=routes) as running, connect_websocket(running.port) as bystander:
        async with connect_websocket(running.port, "/broken") as client:
            await client.send(frame(TEXT, b"x"))
            assert await client.frame() == (0x80 | CLOSE, b"\x03\xf3")
        await bystander.send(frame(TEXT, b"still here"))
        assert await bystander.message() == "still here"


async def test_clients_that_come_and_go_leave_nothing_behind() -> None:
    """Five ways to leave, twenty times each: no connection is counted that is not there."""
    async with run_server() as running:
        for _ in range(20):
            async with connect(running.port):
                pass
            async with connect(running.port) as client:
                await client.send(handshake())
                await client.reset()
            async with connect_websocket(running.port) as client:
                await client.send(frame(TEXT, b"x" * 100_000))
            async with connect_websocket(running.port) as client:
                await client.reset()
            async with connect_websocket(running.port) as client:
                await client.send(close_frame(1001))
                assert await client.closed() == 1001
        await running.wait_connections(0)
