"""A Wyoming server on the virtual clock, and clients on streams in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any, cast

import attrs
import pytest
import trio
from trio.testing import memory_stream_pair

from trio_backend.backend import Backend
from trio_backend.boundary import Boundary
from trio_backend.config.system import SystemConfig
from trio_backend.config.wyoming import WyomingEngines, WyomingSettings
from trio_backend.engines.wyoming import WyomingEvent, WyomingReader, encoded
from trio_backend.quota import MemoryQuota
from trio_backend.server.wyoming.listener import WyomingListener

SPEECH = {"rate": 16_000, "width": 2, "channels": 1}


class _Socket:
    def __init__(self, host: str) -> None:
        self.host = host

    def getpeername(self) -> tuple[str, int]:
        """Where the client is said to be."""
        return self.host, 1


@attrs.define(eq=False)
class PeerStream(trio.abc.HalfCloseableStream):
    """The server's end of a stream in memory, with an address."""

    stream: trio.StapledStream[Any, Any]
    socket: _Socket
    stuck: bool = False
    """Whether the client takes nothing any more."""

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        if self.stuck:
            await trio.sleep_forever()
        await self.stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self.stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        return bytes(await self.stream.receive_some(max_bytes))

    async def send_eof(self) -> None:
        await self.stream.send_eof()

    async def aclose(self) -> None:
        await self.stream.aclose()


@attrs.define(eq=False)
class MemoryListener:
    """What a `trio.SocketListener` is for `accept_all`."""

    put: trio.MemorySendChannel[PeerStream]
    get: trio.MemoryReceiveChannel[PeerStream]

    async def accept(self) -> PeerStream:
        """The next client."""
        return await self.get.receive()

    async def __aenter__(self) -> MemoryListener:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.get.aclose()


@attrs.define(eq=False)
class Satellite:
    """A client."""

    stream: trio.StapledStream[Any, Any]
    peer: PeerStream
    reader: WyomingReader = attrs.field(factory=WyomingReader)

    async def say(self, kind: str, data: Mapping[str, object] | None = None, payload: bytes = b"") -> None:
        """Send an event."""
        await self.stream.send_all(encoded(WyomingEvent(kind, data or {}, payload)))

    async def hear(self) -> WyomingEvent | None:
        """The next event; None when the server has closed."""
        while (event := self.reader.next_event()) is None:
            try:
                data = await self.stream.receive_some()
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return None
            if not data:
                return None
            self.reader.feed(data)
        return event

    async def until(self, last: str) -> list[WyomingEvent]:
        """All events up to the first ``last``, with it; fewer if the server closes."""
        heard: list[WyomingEvent] = []
        while (event := await self.hear()) is not None:
            heard.append(event)
            if event.type == last:
                break
        return heard

    async def ask(self, text: str, **context: object) -> WyomingEvent:
        """What the character says to ``text``."""
        await self.say("transcript", {"text": text, **({"context": context} if context else {})})
        while (event := await self.hear()) is not None:
            if event.type in ("handled", "not-handled", "error"):
                return event
        raise AssertionError("the server has closed")

    async def leave(self) -> None:
        """Close."""
        await self.stream.aclose()


@attrs.define(eq=False)
class WyomingRun:
    """A running server, and how to come in."""

    listener: MemoryListener
    shutdown: trio.Event
    bugs: list[str]
    server: WyomingListener
    nursery: trio.Nursery
    ended: trio.Event = attrs.field(factory=trio.Event)

    async def connect(self, host: str = "192.168.1.9") -> Satellite:
        """A client at ``host``."""
        ours, theirs = memory_stream_pair()
        peer = PeerStream(theirs, _Socket(host))
        await self.listener.put.send(peer)
        return Satellite(ours, peer)


@pytest.fixture
def settings() -> WyomingSettings:
    """``system_config.wyoming``."""
    return WyomingSettings(port=0)


@pytest.fixture
def system(settings: WyomingSettings) -> SystemConfig:
    """The limits of the backend."""
    return SystemConfig(preload=False, wyoming=settings)


@pytest.fixture
async def served(backend: Backend, nursery: trio.Nursery) -> AsyncIterator[WyomingRun]:
    """A server for the base character, mao: the echo model, a tone, and a recogniser that always hears it."""
    bugs: list[str] = []
    base = backend.services.catalog.base
    server = WyomingListener(
        backend.services, WyomingEngines.of(base), backend.lease, Boundary(bugs.append), MemoryQuota()
    )
    listener, shutdown = MemoryListener(*trio.open_memory_channel[PeerStream](0)), trio.Event()
    running = WyomingRun(listener, shutdown, bugs, server, nursery)

    async def serve() -> None:
        await server.serve([cast(trio.SocketListener, listener)], shutdown=shutdown)
        running.ended.set()

    nursery.start_soon(serve)
    yield running
    shutdown.set()
    assert not bugs
