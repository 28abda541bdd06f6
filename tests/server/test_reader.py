"""`Reader`, and what is sent at once: on real sockets, where the shortest way is."""

from __future__ import annotations

from collections import Counter

import pytest
import trio
from trio import StapledStream
from trio.testing import MemoryReceiveStream, MemorySendStream, memory_stream_pair, wait_all_tasks_blocked

from tests.server.raw_client import CLOSE, TEXT, RawClient, close_frame
from tests.server.test_keepalive import ON_WINDOWS, open_socket_pair
from trio_backend.errors import WireClosed
from trio_backend.server.websocket import WebSocketWire

ACK = b'{"type":"heartbeat-ack"}'


async def test_a_close_wakes_the_receiver_and_waits_for_the_peer() -> None:
    """The receiver hears the code; that it was woken does not pass for the end of the connection."""
    async with open_socket_pair() as (wire, client), trio.open_nursery() as nursery:
        ends: list[str] = []

        @nursery.start_soon
        async def receive() -> None:
            with pytest.raises(WireClosed) as caught:
                await wire.receive()
            ends.append(f"receive {caught.value.code}")

        @nursery.start_soon
        async def close() -> None:
            await wait_all_tasks_blocked()
            await wire.close(1001)
            ends.append("close")

        assert await client.frame() == (0x80 | CLOSE, b"\x03\xe9")
        await wait_all_tasks_blocked()
        assert ends == ["receive 1001"]
        await client.send(close_frame(1001))
        await client.ended()
    assert ends == ["receive 1001", "close"]


async def test_a_closed_connection_is_not_waited_for() -> None:
    """To receive on what was closed already ends at once, and leaves nothing with Trio."""
    async with open_socket_pair() as (wire, _client):
        await wire._stream.aclose()
        with pytest.raises(WireClosed, match="1006"):
            await wire.receive()


@ON_WINDOWS
async def test_what_is_sent_at_once_is_sent_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel may take a part: the rest follows, before anything else."""
    async with open_socket_pair() as (wire, client):
        put = WebSocketWire._put_at_once
        with monkeypatch.context() as patch:
            patch.setattr(WebSocketWire, "_put_at_once", lambda wire, data: put(wire, data[:5]))
            assert await wire.send_at_once(ACK)
        await wire.send(b"next")
        assert await client.frame() == (0x80 | TEXT, ACK)
        assert await client.frame() == (0x80 | TEXT, b"next")


async def test_what_would_have_to_wait_is_not_sent_at_once() -> None:
    """Nothing of it: `send` says it then."""
    ours, theirs = memory_stream_pair()
    wire, client = WebSocketWire(ours), RawClient(theirs)
    assert not await wire.send_at_once(ACK)
    await wire.send(b"first")
    assert await client.frame() == (0x80 | TEXT, b"first")


async def test_what_is_sent_at_once_tears_no_message() -> None:
    """While another is being sent, it has to wait, though the kernel would take it."""
    async with open_socket_pair() as (wire, client):
        async with wire._send_lock:
            assert not await wire.send_at_once(ACK)
        await wire.send(b"next")
        assert await client.frame() == (0x80 | TEXT, b"next")


@pytest.mark.parametrize("politely", [True, False])
async def test_few_depart_in_one_pass(politely: bool) -> None:
    """Though all leave at the same moment, by a close frame or by none."""
    departures = trio.Semaphore(2)
    passes, ends = 0, Counter[int]()

    async def receive(wire: WebSocketWire) -> None:
        with pytest.raises(WireClosed):
            await wire.receive()
        ends[passes] += 1

    async def leave(stream: StapledStream[MemorySendStream, MemoryReceiveStream]) -> None:
        if politely:
            await stream.send_all(close_frame(1000))
        stream.send_stream.close()

    async with trio.open_nursery() as nursery:
        clients = []
        for _ in range(20):
            ours, theirs = memory_stream_pair()
            nursery.start_soon(receive, WebSocketWire(ours, departures=departures))
            clients.append(theirs)
        await wait_all_tasks_blocked()
        for client in clients:
            nursery.start_soon(leave, client)
        while sum(ends.values()) < 20:
            await trio.lowlevel.checkpoint()
            passes += 1
    assert max(ends.values()) <= 2
