"""`WebSocketWire` on the virtual clock: what blocks, for how long, and what a cancel does."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from tests.server.pairs import open_pair, open_tight_pair
from tests.server.raw_client import BINARY, PING, PONG, TEXT, frame
from trio_backend.errors import WireClosed
from trio_backend.protocol import SoundFrame, decode_frame, encode_frame
from trio_backend.server.websocket import CONTROL_FRAMES


async def test_a_cancelled_receive_loses_no_message(autojump_clock: MockClock) -> None:
    """Neither a part of one that came, nor one that came whole while no task received."""
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
    """A message that waits already stays for the next `receive`."""
    wire, client = open_pair()
    await client.send(frame(TEXT, b"one"), frame(TEXT, b"two"))
    assert await wire.receive() == "one"
    with trio.CancelScope() as scope:
        scope.cancel()
        await wire.receive()
    assert scope.cancelled_caught
    assert await wire.receive() == "two"


async def test_a_send_that_nobody_reads_ends_the_connection(autojump_clock: MockClock) -> None:
    """After `send_timeout`, exactly, for the sending task and for the receiving one."""
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


async def test_tasks_that_wait_behind_a_stuck_send_get_the_error_at_once(autojump_clock: MockClock) -> None:
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


@pytest.mark.parametrize("size", [10, 100_000, 300_000])
async def test_sound_goes_out_as_a_binary_frame(autojump_clock: MockClock, size: int) -> None:
    """Of any size; all else is text, at once too."""
    wire, client = open_pair()
    samples = bytes(size - size % 2)
    data = encode_frame(SoundFrame(1, 2, 24_000, last=True, samples=samples))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(wire.send, data)
        first, payload = await client.frame()
        nursery.start_soon(wire.send, b"text")
        following = await client.frame()
    assert first == 0x80 | BINARY
    assert decode_frame(payload) == SoundFrame(1, 2, 24_000, last=True, samples=samples)
    assert following == (0x80 | TEXT, b"text")
