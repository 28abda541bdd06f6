"""`WebSocketWire` over streams in memory: what blocks, for how long, and what a cancel does."""

from __future__ import annotations

import tracemalloc

import pytest
import trio
from trio.testing import MockClock, lockstep_stream_pair, memory_stream_pair

from tests.server.raw_client import CLOSE, CONT, PING, PONG, TEXT, RawClient, close_frame, frame
from trio_backend.errors import WireClosed
from trio_backend.server.websocket import CONTROL_FRAMES, WebSocketWire


def open_pair() -> tuple[WebSocketWire, RawClient]:
    """A wire whose sends never block, and its client."""
    ours, theirs = memory_stream_pair()
    return WebSocketWire(ours), RawClient(theirs)


def open_tight_pair() -> tuple[WebSocketWire, RawClient]:
    """A wire whose sends block until the client has read the last byte, and its client."""
    ours, theirs = lockstep_stream_pair()
    return WebSocketWire(ours), RawClient(theirs)


async def test_a_cancelled_receive_loses_no_message(autojump_clock: MockClock) -> None:
    """Neither a part of one that came, nor one that came whole while nobody looked."""
    wire, client = open_pair()
    data = b"".join(frame(TEXT, b"%d" % number) for number in range(20))
    received: list[str | bytes] = []
    async with trio.open_nursery() as nursery:

        async def trickle() -> None:
            for byte in data:
                await client.send(bytes([byte]))
                await trio.sleep(1)

        nursery.start_soon(trickle)
        while len(received) < 20:
            with trio.move_on_after(0.7):
                received.append(await wire.receive())
    assert received == [str(number) for number in range(20)]


async def test_a_receive_that_is_cancelled_from_the_start_takes_nothing(autojump_clock: MockClock) -> None:
    """A message that waits already stays for the next one who asks."""
    wire, client = open_pair()
    await client.send(frame(TEXT, b"one"), frame(TEXT, b"two"))
    assert await wire.receive() == "one"
    with trio.CancelScope() as scope:
        scope.cancel()
        await wire.receive()
    assert scope.cancelled_caught
    assert await wire.receive() == "two"


async def test_a_send_that_nobody_reads_ends_the_connection(autojump_clock: MockClock) -> None:
    """After `send_timeout`, exactly, for the sender and for the one who receives."""
    wire, _client = open_tight_pair()
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def receive() -> None:
            with pytest.raises(WireClosed):
                await wire.receive()
            assert trio.current_time() == pytest.approx(began + 20)

        began = trio.current_time()
        with pytest.raises(WireClosed) as caught:
            await wire.send(b"x" * 1000)
        assert trio.current_time() == pytest.approx(began + 20)
    assert caught.value.code == 1006
    with pytest.raises(WireClosed):
        await wire.send(b"more")


async def test_those_who_wait_behind_a_stuck_send_learn_it_at_once(autojump_clock: MockClock) -> None:
    """One deadline for all: they do not each wait for their own."""
    wire, _client = open_tight_pair()
    began = trio.current_time()

    async def send() -> None:
        with pytest.raises(WireClosed):
            await wire.send(b"x" * 1000)

    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(send)
    assert trio.current_time() == pytest.approx(began + 20)


async def test_a_send_cancelled_half_way_leaves_no_torn_frame(autojump_clock: MockClock) -> None:
    """What follows half a frame is the end of the stream, and never another frame."""
    wire, client = open_tight_pair()
    async with trio.open_nursery() as nursery:

        @nursery.start_soon
        async def send() -> None:
            with trio.move_on_after(1) as scope:
                await wire.send(b"x" * 1000)
            assert scope.cancelled_caught
            with pytest.raises(WireClosed):
                await wire.send(b"another")

        got = bytearray(await client.stream.receive_some(500))
        await trio.sleep(2)
        while data := await client.stream.receive_some():
            got += data
    assert got in b"\x81\x7e\x03\xe8" + b"x" * 1000


async def test_a_send_that_was_cancelled_before_it_began_changes_nothing(autojump_clock: MockClock) -> None:
    """Nothing of it has left, so the wire is as good as before."""
    wire, client = open_pair()
    with trio.CancelScope() as scope:
        scope.cancel()
        await wire.send(b"never")
    assert scope.cancelled_caught
    await wire.send(b"now")
    assert await client.message() == "now"


async def test_a_send_cancelled_in_the_queue_changes_nothing(autojump_clock: MockClock) -> None:
    """The frame in front of it goes on."""
    wire, client = open_tight_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(wire.send, b"first")
        await trio.testing.wait_all_tasks_blocked()
        with trio.move_on_after(1) as scope:
            await wire.send(b"second")
        assert scope.cancelled_caught
        assert await client.message() == "first"
        nursery.start_soon(wire.send, b"third")
        assert await client.message() == "third"


async def test_frames_of_several_senders_never_mix(autojump_clock: MockClock) -> None:
    """Nor do the pongs that come between: each frame is whole, and each sender's are in order."""
    wire, client = open_tight_pair()
    messages: list[bytes] = []
    pongs = 0

    async def send(name: bytes) -> None:
        for number in range(10):
            await wire.send(b"%s %d " % (name, number) + name * 300)

    async def ping() -> None:
        for _ in range(10):
            await client.send(frame(PING, b"?" * 100))
            await trio.sleep(0.1)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wire.receive)
        nursery.start_soon(ping)
        for name in (b"a", b"b", b"c"):
            nursery.start_soon(send, name)
        while len(messages) < 30 or pongs == 0:
            first, payload = await client.frame()
            if first == 0x80 | PONG:
                assert payload == b"?" * 100
                pongs += 1
            else:
                messages.append(payload)
        nursery.cancel_scope.cancel()
    for name in (b"a", b"b", b"c"):
        mine = [message for message in messages if message.startswith(name)]
        assert mine == [b"%s %d " % (name, number) + name * 300 for number in range(10)]


async def test_pings_do_not_pile_up_behind_a_stuck_send(autojump_clock: MockClock) -> None:
    """Reading goes on meanwhile, and the newest pings are answered in the end."""
    wire, client = open_tight_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(wire.send, b"long")
        await trio.testing.wait_all_tasks_blocked()

        @nursery.start_soon
        async def receive() -> None:
            assert await wire.receive() == "I can still talk"

        await client.send(*(frame(PING, b"%d" % number) for number in range(1000)))
        await client.send(frame(TEXT, b"I can still talk"))
        assert await client.message() == "long"
        pongs = [(await client.frame())[1] for _ in range(CONTROL_FRAMES)]
        assert pongs == [b"%d" % number for number in range(1000 - CONTROL_FRAMES, 1000)]


async def test_closing_ends_a_receive_at_once_with_our_code(autojump_clock: MockClock) -> None:
    """Whoever received need not wait for the client's answer."""
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
