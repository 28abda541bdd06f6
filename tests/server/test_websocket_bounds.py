"""`WebSocketWire` under load: memory and time that a client can cost."""

from __future__ import annotations

import tracemalloc

import trio
from trio.testing import MockClock

from tests.server.pairs import open_pair
from tests.server.raw_client import CONT, PONG, TEXT, frame


async def test_a_waiting_wire_does_not_keep_the_last_message(autojump_clock: MockClock) -> None:
    """An idle connection costs kilobytes, however much was said on it before."""
    wire, client = open_pair()
    size = 5_000_000
    await client.send(frame(TEXT, b"x" * size))
    async with trio.open_nursery() as nursery:
        tracemalloc.start()
        try:

            @nursery.start_soon
            async def receive() -> None:
                for _ in range(2):
                    assert len(await wire.receive()) == size

            await trio.testing.wait_all_tasks_blocked()
            current, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        nursery.cancel_scope.cancel()
    assert peak > size
    assert current < size / 10


async def test_tiny_fragments_cost_no_more_than_their_bytes(autojump_clock: MockClock) -> None:
    """A list of fragments would take fifty times as much, and empty ones would be free of charge."""
    wire, client = open_pair()
    fragments = frame(CONT, b"x", fin=False) + frame(CONT, b"", fin=False)
    await client.send(frame(TEXT, b"", fin=False))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(wire.receive)
        tracemalloc.start()
        try:
            for _ in range(20):
                await client.send(fragments * 1000)
                await trio.testing.wait_all_tasks_blocked()
            current, _peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        nursery.cancel_scope.cancel()
    assert current < 300_000


async def test_a_flood_of_tiny_frames_leaves_time_for_others(autojump_clock: MockClock) -> None:
    """They come in faster than they are understood: every millisecond or so the others have their turn."""
    wire, client = open_pair()
    await client.send(frame(PONG) * 10_000, frame(TEXT, b"end"))
    turns = 0
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def others() -> None:
            nonlocal turns
            while True:
                await trio.lowlevel.checkpoint()
                turns += 1

        assert await wire.receive() == "end"
        nursery.cancel_scope.cancel()
    assert turns >= 7


async def test_messages_that_wait_leave_time_for_others(autojump_clock: MockClock) -> None:
    """A client that talks without a pause does not keep the loop to itself."""
    wire, client = open_pair()
    await client.send(frame(TEXT, b"x") * 5000)
    turns = 0
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def others() -> None:
            nonlocal turns
            while True:
                await trio.lowlevel.checkpoint()
                turns += 1

        for _ in range(5000):
            await wire.receive()
        nursery.cancel_scope.cancel()
    assert turns >= 10
