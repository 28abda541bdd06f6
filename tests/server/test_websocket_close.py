"""The end of a `WebSocketWire`, on the virtual clock: close frames, and how long each side waits."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from tests.server.pairs import open_pair, open_tight_pair
from tests.server.raw_client import CLOSE, TEXT, RawClient, close_frame, frame
from trio_backend.errors import WireClosed
from trio_backend.quota import MemoryQuota
from trio_backend.server.websocket import WebSocketWire


async def test_closing_ends_a_receive_at_once_with_our_code(autojump_clock: MockClock) -> None:
    """The task that receives need not wait for the client's answer."""
    wire, client = open_pair()
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def receive() -> None:
            with pytest.raises(WireClosed) as caught:
                await wire.receive()
            assert (caught.value.code, caught.value.reason) == (1001, "going")
            assert trio.current_time() == began

        await trio.testing.wait_all_tasks_blocked()
        began = trio.current_time()
        nursery.start_soon(wire.close, 1001, "going")
        assert await client.frame() == (0x80 | CLOSE, b"\x03\xe9going")
        await trio.sleep(0.5)
        await client.send(frame(TEXT, b"too late"), close_frame(1001))
    assert trio.current_time() == began + 0.5
    await client.ended()
    with pytest.raises(WireClosed) as caught:
        await wire.send(b"too late")
    assert caught.value.code == 1001


async def test_closing_waits_a_second_for_the_answer(autojump_clock: MockClock) -> None:
    """And goes on without it, even if the client talks on."""
    wire, client = open_pair()
    async with trio.open_nursery() as nursery:
        began = trio.current_time()
        nursery.start_soon(wire.close, 1000)
        for _ in range(15):
            await trio.sleep(0.1)
            if trio.current_time() - began < 0.95:
                await client.send(frame(TEXT, b"and another thing"))
    assert await client.frame() == (0x80 | CLOSE, b"\x03\xe8")
    await client.ended()
    with pytest.raises(WireClosed):
        await wire.receive()


async def test_closing_does_not_wait_for_a_stuck_send(autojump_clock: MockClock) -> None:
    """A client that does not read cannot hold up a shutdown: all leave after a second."""
    wire, _client = open_tight_pair()
    began = trio.current_time()

    async def send() -> None:
        with pytest.raises(WireClosed):
            await wire.send(b"x" * 1000)

    async def receive() -> None:
        with pytest.raises(WireClosed) as caught:
            await wire.receive()
        assert caught.value.code == 1001

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send)
        nursery.start_soon(receive)
        await trio.testing.wait_all_tasks_blocked()
        await wire.close(1001)
    assert trio.current_time() == pytest.approx(began + 1)


async def test_closing_twice_at_once_is_harmless(autojump_clock: MockClock) -> None:
    """The shutdown and the handler's end may coincide; the first code counts."""
    wire, client = open_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(wire.close, 1001)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(wire.close, 1000)
        await trio.testing.wait_all_tasks_blocked()
        assert await client.frame() == (0x80 | CLOSE, b"\x03\xe9")
        await client.send(close_frame(1001))
    await wire.close()
    await client.ended()


async def test_a_close_that_is_cancelled_aborts(autojump_clock: MockClock) -> None:
    """The socket is gone either way."""
    wire, client = open_pair()
    with trio.move_on_after(0.5):
        await wire.close()
    assert await client.frame() == (0x80 | CLOSE, b"\x03\xe8")
    await client.ended()


async def test_a_reason_is_cut_to_what_a_close_frame_holds(autojump_clock: MockClock) -> None:
    """125 bytes, two of them for the code, and no character cut in two."""
    wire, client = open_pair()
    await wire.close(1008, "ö" * 100)
    _, payload = await client.frame()
    assert payload[2:].decode() == "ö" * 61


async def test_messages_before_the_peers_close_are_still_delivered(autojump_clock: MockClock) -> None:
    """The peer said them while everything was in order."""
    wire, client = open_pair()
    await client.send(frame(TEXT, b"one"), frame(TEXT, b"two"), close_frame(4000, b"enough"))
    assert [await wire.receive(), await wire.receive()] == ["one", "two"]
    for _ in range(2):
        with pytest.raises(WireClosed) as caught:
            await wire.receive()
        assert (caught.value.code, caught.value.reason) == (4000, "enough")


async def test_a_wire_that_is_closed_holds_nothing(autojump_clock: MockClock) -> None:
    """Half a message counts as long as it may still be completed, and no longer."""
    quota = MemoryQuota()
    ours, theirs = trio.testing.memory_stream_pair()
    wire, client = WebSocketWire(ours, quota=quota), RawClient(theirs)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.send, frame(TEXT, b"x" * 100_000, fin=False))
        with trio.move_on_after(1):
            await wire.receive()
    assert quota.used >= 100_000
    await wire.close()
    assert quota.used == 0
