"""One task pings all idle connections, and aborts those that do not answer, on the virtual clock."""

from __future__ import annotations

import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MockClock, memory_stream_pair

from tests.server.raw_client import PING, PONG, TEXT, RawClient, frame
from trio_backend.errors import WireClosed
from trio_backend.server import ServerOptions
from trio_backend.server.keepalive import ping_idle_connections
from trio_backend.server.websocket import WebSocketWire

MANY = 1_000_000
OPTIONS = ServerOptions(ping_interval=20, pong_timeout=45)


def open_pair() -> tuple[WebSocketWire, RawClient]:
    ours, theirs = memory_stream_pair()
    return WebSocketWire(ours), RawClient(theirs, timeout=100)


async def test_a_client_that_answers_no_ping_is_dropped(autojump_clock: MockClock) -> None:
    """After two rounds of pings, and at most one interval later than it could be."""
    wire, client = open_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ping_idle_connections, [wire], OPTIONS)
        with pytest.raises(WireClosed) as caught:
            await wire.receive()
        assert caught.value.code == 1006
        assert trio.current_time() == 60
        nursery.cancel_scope.cancel()
    assert [await client.frame(), await client.frame()] == [(0x80 | PING, b"")] * 2
    await client.ended()


async def test_a_client_that_answers_stays_for_ever(autojump_clock: MockClock) -> None:
    """A pong is all that is asked of an idle client."""
    wire, client = open_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ping_idle_connections, [wire], OPTIONS)
        nursery.start_soon(wire.receive)
        for _ in range(50):
            assert await client.frame() == (0x80 | PING, b"")
            await trio.sleep(15)
            await client.send(frame(PONG))
        assert trio.current_time() > 900
        nursery.cancel_scope.cancel()


async def test_a_wire_on_which_nobody_receives_is_left_alone(autojump_clock: MockClock) -> None:
    """Its pongs may lie unread: that is our slowness, and not the client's."""
    wire, client = open_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ping_idle_connections, [wire], OPTIONS)
        await trio.sleep(1000)
        nursery.start_soon(wire.receive)
        await trio.sleep(1)
        await wire.send(b"still here")
        assert await client.message() == "still here"
        nursery.cancel_scope.cancel()


async def test_silence_counts_from_when_a_task_begins_to_receive(autojump_clock: MockClock) -> None:
    """A wire that was not read for a quarter of an hour gets the whole `pong_timeout` after that."""
    wire, client = open_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ping_idle_connections, [wire], OPTIONS)
        await trio.sleep(1010)
        nursery.start_soon(wire.receive)
        assert await client.frame() == (0x80 | PING, b"")
        assert trio.current_time() == 1020
        await client.send(frame(PONG))
        await wire.send(b"still here")
        assert await client.message() == "still here"
        nursery.cancel_scope.cancel()


async def test_a_stuck_ping_does_not_delay_the_others(autojump_clock: MockClock) -> None:
    """A client that reads nothing is not pinged at the cost of those that do."""
    stuck_stream, _unread = trio.testing.lockstep_stream_pair()
    stuck = WebSocketWire(stuck_stream)
    wire, client = open_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ping_idle_connections, [stuck, wire], OPTIONS)
        nursery.start_soon(wire.receive)

        @nursery.start_soon
        async def receive() -> None:
            with pytest.raises(WireClosed):
                await stuck.receive()

        for number in range(1, 4):
            assert await client.frame() == (0x80 | PING, b"")
            assert trio.current_time() <= 40 * number
            await client.send(frame(PONG))
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def open_socket_pair() -> AsyncIterator[tuple[WebSocketWire, RawClient]]:
    """A wire on a real socket, and its client."""
    ours, theirs = (trio.SocketStream(trio.socket.from_stdlib_socket(end)) for end in socket.socketpair())
    async with ours, theirs:
        yield WebSocketWire(ours), RawClient(theirs)


ON_WINDOWS = pytest.mark.skipif(sys.platform == "win32", reason="there every ping takes the slow way")


@ON_WINDOWS
async def test_a_ping_that_the_kernel_takes_needs_no_wait() -> None:
    """Nor does one to a client that is being written to, or is gone: those need none."""
    async with open_socket_pair() as (wire, client):
        assert wire.ping_nowait()
        assert await client.frame() == (0x80 | PING, b"")
        await wire.abort()
        assert wire.ping_nowait()
        await client.ended()


@ON_WINDOWS
async def test_a_ping_that_must_wait_is_not_begun() -> None:
    """A client that reads nothing gets no part of a frame before it can have it all."""
    async with open_socket_pair() as (wire, client):
        sent = 0
        while sent < MANY and wire.ping_nowait():
            sent += 1
        assert 1 < sent < MANY
        assert [await client.frame() for _ in range(sent)] == [(0x80 | PING, b"")] * sent
        assert wire.ping_nowait()
        assert await client.frame() == (0x80 | PING, b"")


async def test_nothing_follows_half_a_ping(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel without room may take one byte of two: then the connection is lost, and its reader knows."""
    async with open_socket_pair() as (wire, _client), trio.open_nursery() as nursery:

        @nursery.start_soon
        async def receive() -> None:
            with pytest.raises(WireClosed, match="1006"):
                await wire.receive()

        await trio.testing.wait_all_tasks_blocked()
        with monkeypatch.context() as patch:
            patch.setattr(WebSocketWire, "_put_at_once", lambda _wire, _data: 1)
            assert wire.ping_nowait()
        with pytest.raises(WireClosed):
            await wire.send(b"more")


async def test_what_was_just_read_is_a_sign_of_life(autojump_clock: MockClock) -> None:
    """Though whoever read it is not yet back to wait for more, and the client had long been silent."""
    ours, _ = memory_stream_pair()
    wire = WebSocketWire(ours)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ping_idle_connections, [wire], OPTIONS)

        @nursery.start_soon
        async def speak() -> None:
            await trio.sleep_until(trio.current_time() + 60)
            # Without a checkpoint: it is there in the pass in which the round begins that would give it up.
            ours.receive_stream.put_data(frame(TEXT, b"here I am"))

        assert await wire.receive() == "here I am"
        await trio.sleep(1)
        await wire.send(b"still there")  # raises where the connection was given up
        nursery.cancel_scope.cancel()
