"""Clients that never read what they are sent: that takes memory, too (finding 29)."""

from __future__ import annotations

from contextlib import AsyncExitStack

import pytest
import trio

from tests.memory_wire import memory_wire_pair
from tests.server.raw_client import CLOSE, TEXT, connect_websocket, frame
from tests.server.running import run_server
from trio_backend.errors import WireClosed
from trio_backend.protocol.rate import RateLimit
from trio_backend.quota import MemoryQuota
from trio_backend.rooms.members import Member
from trio_backend.server import ServerOptions, UpgradeRequest
from trio_backend.user import NOBODY
from trio_backend.wire import Wire

MIB = 2**20
ANSWER = 24 * MIB


async def answer(wire: Wire, _request: UpgradeRequest) -> None:
    """Something large, each time its own."""
    while True:
        await wire.receive()
        await wire.send(bytes(ANSWER))


async def test_answers_that_nobody_reads_stay_within_the_share_of_all() -> None:
    """A client that comes when no memory is left is told to try later; the others keep theirs."""
    quota = MemoryQuota(100 * MIB)
    async with run_server(routes={"/large": answer}, quota=quota) as running, AsyncExitStack() as stack:
        for _ in range(4):
            client = await stack.enter_async_context(connect_websocket(running.port, "/large"))
            await client.send(frame(TEXT, b"go on"))
        with trio.fail_after(5):
            while quota.used < 4 * ANSWER:
                await trio.sleep(0.005)
        for _ in range(6):
            client = await stack.enter_async_context(connect_websocket(running.port, "/large"))
            await client.send(frame(TEXT, b"go on"))
            first, payload = await client.frame()
            assert (first, payload[:2]) == (0x80 | CLOSE, (1013).to_bytes(2, "big"))
            assert b"max_memory_share" in payload
            assert quota.used <= 100 * MIB
        await stack.aclose()
        await running.wait_connections(0)
        assert quota.used == 0


async def test_an_answer_larger_than_a_client_may_hold_is_not_sent() -> None:
    """Not a byte of it, so that the reason can be."""
    options = ServerOptions(max_memory_per_client=MIB)
    async with (
        run_server(options, routes={"/large": answer}) as running,
        connect_websocket(running.port, "/large") as client,
    ):
        await client.send(frame(TEXT, b"go on"))
        first, payload = await client.frame()
        assert (first, payload[:2]) == (0x80 | CLOSE, (1008).to_bytes(2, "big"))
        assert b"max_memory_per_client" in payload


async def test_what_was_read_is_not_counted() -> None:
    """Any number of them, one after the other."""
    quota = MemoryQuota(ANSWER + MIB)
    async with (
        run_server(routes={"/large": answer}, quota=quota) as running,
        connect_websocket(running.port, "/large") as client,
    ):
        for _ in range(3):
            await client.send(frame(TEXT, b"go on"))
            assert len(await client.message()) == ANSWER


async def test_a_rooms_messages_are_counted_for_clients_that_do_not_read_them() -> None:
    """64 large ones would be gigabytes in a large room."""
    ours, theirs = memory_wire_pair()
    theirs.quota = quota = MemoryQuota(MIB)
    member = Member.of(theirs, NOBODY, outbox=64, limit=RateLimit(100, 100))
    with member.gone:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(member.write)
            await trio.testing.wait_all_tasks_blocked()
            for _ in range(10):
                member.post(bytes(300_000))
                assert quota.used <= MIB
    assert member.gone.cancel_called
    assert quota.used == 0
    await member.close_wire()
    with pytest.raises(WireClosed, match="1013"):
        await ours.receive()
