"""Messages that never end: what they may hold, and for how long (finding 21)."""

from __future__ import annotations

from contextlib import AsyncExitStack

import pytest
import trio
from trio.testing import MockClock, memory_stream_pair

from tests.server.raw_client import BINARY, CLOSE, CONT, PING, PONG, TEXT, RawClient, announce, connect, frame
from tests.server.running import run_server
from trio_backend.errors import WireClosed
from trio_backend.quota import MemoryQuota
from trio_backend.server import ServerOptions, UpgradeRequest
from trio_backend.server.websocket import WebSocketWire
from trio_backend.wire import Wire

MIB = 2**20
MASK = bytes(4)
HALVES = [
    pytest.param(announce(TEXT, 8 * MIB) + MASK + b"x" * 1000, id="a frame without its end"),
    pytest.param(frame(TEXT, b"x" * 1000, fin=False), id="a fragment without its successor"),
    pytest.param(frame(BINARY, b"x", fin=False) + frame(PONG), id="a pong between fragments"),
    pytest.param(b"\x81", id="half a head"),
    pytest.param(announce(0x80 | PING, 5) + MASK + b"x", id="half a ping"),
]


@pytest.mark.parametrize("half", HALVES)
async def test_half_a_message_has_a_deadline(autojump_clock: MockClock, half: bytes) -> None:
    """60 s after its first byte the connection is over, and the client knows why."""
    ours, theirs = memory_stream_pair()
    wire, client = WebSocketWire(ours), RawClient(theirs, timeout=1000)
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def serve() -> None:
            with pytest.raises(WireClosed, match="1008"):
                await wire.receive()
            await wire.close()

        await trio.sleep(7)
        began = trio.current_time()
        await client.send(half)
        first, payload = await client.frame()
        assert (first, payload[:2]) == (0x80 | CLOSE, (1008).to_bytes(2, "big"))
        assert b"message_timeout" in payload
        assert trio.current_time() == began + 60
        nursery.cancel_scope.cancel()


async def test_a_drop_now_and_then_buys_no_time(autojump_clock: MockClock) -> None:
    """Neither a byte every ten seconds nor the pongs in between."""
    ours, theirs = memory_stream_pair()
    wire, client = WebSocketWire(ours), RawClient(theirs, timeout=1000)
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def drip() -> None:
            await client.send(frame(TEXT, b"x", fin=False))
            while True:
                await trio.sleep(10)
                await client.send(frame(CONT, b"x", fin=False), frame(PONG))

        with trio.fail_after(600), pytest.raises(WireClosed, match="1008"):
            await wire.receive()
        assert trio.current_time() == 60
        nursery.cancel_scope.cancel()


async def test_messages_without_a_pause_are_no_long_message(autojump_clock: MockClock) -> None:
    """Each has its own time, though there is always the beginning of one."""
    ours, theirs = memory_stream_pair()
    wire, client = WebSocketWire(ours), RawClient(theirs)
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def talk() -> None:
            await client.send(frame(TEXT, b"a", fin=False))
            while True:
                await trio.sleep(50)
                await client.send(frame(CONT, b"b"), frame(TEXT, b"a", fin=False))

        for _ in range(10):
            assert await wire.receive() == "ab"
        nursery.cancel_scope.cancel()


async def test_our_own_slowness_is_not_the_clients(autojump_clock: MockClock) -> None:
    """While no task reads, no time passes for the message that lies in the kernel."""
    ours, theirs = memory_stream_pair()
    wire, client = WebSocketWire(ours), RawClient(theirs)
    await client.send(frame(TEXT, b"first"), frame(TEXT, b"sec", fin=False))
    assert await wire.receive() == "first"
    await trio.sleep(1000)
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def end() -> None:
            await trio.sleep(50)
            await client.send(frame(CONT, b"ond"))

        assert await wire.receive() == "second"


async def test_one_client_holds_no_more_than_its_own() -> None:
    """Whatever its message may still become: 1009, and what to change."""
    options = ServerOptions(max_memory_per_client=MIB)
    quota = MemoryQuota()
    async with run_server(options, quota=quota) as running, connect(running.port) as client:
        await client.open()
        for number in range(20):
            await client.send(frame(CONT if number else BINARY, b"x" * 60_000, fin=False))
            await trio.testing.wait_all_tasks_blocked()
            if quota.used > MIB:
                pytest.fail("more than it may")
        first, payload = await client.frame()
        assert (first, payload[:2]) == (0x80 | CLOSE, (1009).to_bytes(2, "big"))
        assert b"max_memory_per_client" in payload
        assert quota.used == 0


async def test_a_crowd_holds_no_more_than_its_share() -> None:
    """Forty clients, 8 MiB less one byte each: those for whom there is no room are told to come later."""
    quota = MemoryQuota(64 * MIB)
    async with run_server(quota=quota) as running, AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(connect(running.port)) for _ in range(40)]
        codes: list[int] = []
        async with trio.open_nursery() as nursery:

            async def attack(client: RawClient) -> None:
                await client.open()
                nursery.start_soon(listen, client)
                try:
                    await client.send(announce(0x80 | BINARY, 8 * MIB) + MASK)
                    for _ in range(127):
                        await client.send(bytes(64 * 1024))
                        assert quota.used <= 64 * MIB
                except trio.BrokenResourceError:
                    pass

            async def listen(client: RawClient) -> None:
                client.timeout = 600
                first, payload = await client.frame()
                assert first == 0x80 | CLOSE
                codes.append(int.from_bytes(payload[:2], "big"))

            for client in clients:
                nursery.start_soon(attack, client)
            with trio.fail_after(20):
                # Seven have room; eight would leave not a byte for what is sent.
                while len(codes) < 40 - 8:
                    await trio.sleep(0.01)
            assert set(codes) == {1013}
            async with connect(running.port) as bystander:
                await bystander.open()
                await bystander.send(frame(TEXT, b"hello"))
                assert await bystander.message() == "hello"
            nursery.cancel_scope.cancel()
        await stack.aclose()
        await running.wait_connections(0)
        assert quota.used == 0


async def test_a_message_is_counted_until_the_next_is_asked_for() -> None:
    """Complete or not: what the handler works on is held, too. One waits; the next stay in the kernel."""
    quota, go = MemoryQuota(), trio.Event()

    async def slow(wire: Wire, _request: UpgradeRequest) -> None:
        await wire.receive()
        await go.wait()
        await wire.receive()

    async with run_server(routes={"/slow": slow}, quota=quota) as running, connect(running.port) as client:
        await client.open("/slow")
        await client.send(frame(BINARY, b"x" * MIB))
        with trio.fail_after(5):
            # To within what is too little to be counted.
            while quota.used < MIB - 20_000:
                await trio.sleep(0.001)
        await trio.testing.wait_all_tasks_blocked()
        assert quota.used < MIB + 100_000
        go.set()
        with trio.fail_after(5):
            while quota.used:
                await trio.sleep(0.001)
