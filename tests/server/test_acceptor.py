"""Refusals over the limits, the end of connections, and accepting while handles are short."""

from __future__ import annotations

import errno
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import cast

import pytest
import trio
from loguru import logger
from trio.testing import MockClock

from tests.server.raw_client import connect, connect_websocket, handshake
from tests.server.running import Running, run_server
from tests.server.test_tls import connect_tls, options
from trio_backend.errors import WireClosed
from trio_backend.server import ServerOptions, UpgradeRequest, acceptor, sockets
from trio_backend.server.sockets import accept_all
from trio_backend.wire import Wire


@asynccontextmanager
async def full_server() -> AsyncIterator[Running]:
    """A server in which this machine's programs have all the connections that they may have."""
    async with run_server(ServerOptions(max_connections=10)) as running, AsyncExitStack() as stack:
        for _ in range(9):
            await stack.enter_async_context(connect_websocket(running.port))
        yield running


async def test_so_many_refusals_are_sent_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """One more is closed without an answer; when they are over, the next is answered again."""
    monkeypatch.setattr(acceptor, "MAX_REFUSALS", 5)
    async with full_server() as running:
        for _ in range(2):
            async with AsyncExitStack() as stack:
                refused = [await stack.enter_async_context(connect(running.port)) for _ in range(5)]
                for client in refused:
                    assert (await client.answer()).status == 503
                async with connect(running.port) as late:
                    with suppress(trio.BrokenResourceError):
                        assert await late.stream.receive_some(100) == b""
            # Each has closed, and so its refusal will soon be over.
            with trio.fail_after(30):
                while running.server._acceptor._refusals:
                    await trio.sleep(0.005)


def test_a_hundred_refusals_are_sent_at_a_time() -> None:
    """More would be a load of its own."""
    assert acceptor.MAX_REFUSALS == 100


async def test_over_the_limit_the_refusal_speaks_tls() -> None:
    """A browser could not read it otherwise."""
    async with run_server(options(max_connections=10)) as running, AsyncExitStack() as stack:
        for _ in range(9):
            client = await stack.enter_async_context(connect_tls(running.port))
            await client.send(handshake())
            assert (await client.answer()).status == 101
        async with connect_tls(running.port) as client:
            assert (await client.answer()).status == 503


async def test_the_shutdown_waits_for_connections_that_are_open() -> None:
    """A handler that has something to do after the close gets the time, also after others have left."""

    async def slow(wire: Wire, _request: UpgradeRequest) -> None:
        with pytest.raises(WireClosed):
            await wire.receive()
        await trio.sleep(0.3)

    async with run_server(routes={"/slow": slow}) as running:
        async with connect_websocket(running.port):
            await running.wait_connections(1)
        await running.wait_connections(0)
        async with connect_websocket(running.port, "/slow"):
            with trio.fail_after(5):
                report = await running.stop()
        assert (report.closed_websockets, report.cut_websockets) == (1, 0)


class Short:
    """A listener of a process that is out of handles now and then: ``script`` says when."""

    def __init__(self, script: str) -> None:
        self.script = list(script)
        self.asked: list[float] = []

    async def __aenter__(self) -> Short:
        return self

    async def __aexit__(self, *_: object) -> None:
        await trio.lowlevel.checkpoint()

    async def accept(self) -> object:
        """An ``x`` is a failure, anything else a stream."""
        await trio.lowlevel.checkpoint()
        self.asked.append(trio.current_time())
        if not self.script:
            await trio.sleep_forever()
        if self.script.pop(0) == "x":
            raise OSError(errno.EMFILE, "no more")
        return object()


async def test_a_shortage_of_handles_is_waited_out_and_logged_once(autojump_clock: MockClock) -> None:
    """Not asking all the time; the next one is logged again."""
    warnings: list[str] = []
    number = logger.add(lambda text: warnings.append(str(text)), level="WARNING", format="{message}")
    listener, admitted = Short("xxx.xx."), []

    async def admit(stream: object) -> None:
        await trio.lowlevel.checkpoint()
        admitted.append(stream)

    try:
        with trio.move_on_after(60):
            await accept_all(cast(trio.SocketListener, listener), admit)
    finally:
        logger.remove(number)
    assert len(admitted) == 2
    assert len(warnings) == 2
    assert listener.asked[-1] - listener.asked[0] == pytest.approx(5 * sockets.ACCEPT_BACKOFF)
    assert sockets.ACCEPT_BACKOFF >= 0.05
