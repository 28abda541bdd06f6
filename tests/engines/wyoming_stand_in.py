"""A stand-in for Wyoming servers, which can misbehave; what it says is in bytes, as they are on the wire."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import trio
import trio.lowlevel

from tests.engines.speech_sounds import opened
from trio_backend.audio.pcm import Pcm
from trio_backend.engines.base import Asr, Tts
from trio_backend.engines.registry import configure, open_engine
from trio_backend.engines.settings import Environment
from trio_backend.engines.tts.tone import hum
from trio_backend.engines.wyoming import WyomingEvent, WyomingReader

TRANSCRIPT = b'{"type": "transcript", "version": "1.10.2", "data_length": 26}\n{"text": " Hello there. "}'


@attrs.define(eq=False)
class WyomingClient:
    """One client, as the stand-in sees it."""

    stream: trio.SocketStream
    heard: list[WyomingEvent] = attrs.field(factory=list)
    left: trio.Event = attrs.field(factory=trio.Event)
    left_at: float = 0.0
    said_at: float = 0.0
    _reader: WyomingReader = attrs.field(factory=WyomingReader)

    async def hear(self) -> WyomingEvent | None:
        """The client's next event; None when it has left."""
        while (event := self._reader.next_event()) is None:
            data = await self.stream.receive_some()
            if not data:
                return None
            self._reader.feed(data)
        self.heard.append(event)
        return event

    async def hear_all(self) -> None:
        """Everything up to the end of the sound."""
        while (event := await self.hear()) is not None and event.type != "audio-stop":
            pass


WyomingBehaviour = Callable[[WyomingClient], Awaitable[None]]


def answering(data: bytes, *, closes: bool = False) -> WyomingBehaviour:
    """Answer with these bytes at the end of the sound."""

    async def answer(client: WyomingClient) -> None:
        await client.hear_all()
        client.said_at = trio.current_time()
        await client.stream.send_all(data)
        if closes:
            await client.stream.aclose()

    return answer


SPOKEN = {"rate": 22_050, "width": 2, "channels": 1}


def sound_event(samples: bytes) -> bytes:
    """As Piper's server writes it: short data in the line itself."""
    line = {"type": "audio-chunk", "data": {**SPOKEN, "timestamp": 0}, "payload_length": len(samples)}
    return json.dumps(line).encode() + b"\n" + samples


def line(kind: str, data: object) -> bytes:
    """An event without bytes."""
    return json.dumps({"type": kind, "data": data}).encode() + b"\n"


def speaking(pcm: Callable[[str], Pcm], *, most: int | None = None) -> WyomingBehaviour:
    """Say what is asked for, in pieces of 1024 samples; with ``most``, no more of them, and not the end."""

    async def answer(client: WyomingClient) -> None:
        while (event := await client.hear()) is not None:
            assert event.type == "synthesize"
            samples = pcm(event.data["text"]).samples
            pieces = [samples[at : at + 2048] for at in range(0, len(samples), 2048)]
            client.said_at = trio.current_time()
            await client.stream.send_all(line("audio-start", SPOKEN))
            for piece in pieces[:most]:
                await client.stream.send_all(sound_event(piece))
                await trio.lowlevel.checkpoint()
            if most is None:
                await client.stream.send_all(line("audio-stop", {"timestamp": None}))

    return answer


def tone_of(text: str) -> Pcm:
    """A tone, the longer the more is said."""
    return hum(0.01 * len(text[:400])).resampled(22_050)


@asynccontextmanager
async def open_wyoming_tts() -> AsyncIterator[Tts]:
    """The adapter, and a server that hums."""
    async with open_wyoming_stand_in(speaking(tone_of)) as server:
        config = configure(
            "tts", "wyoming_tts", {"base_url": server.url}, environment=Environment(Path(), {})
        )
        async with open_engine(config) as tts:
            yield tts


@attrs.define(eq=False)
class WyomingStandIn:
    """Each client is treated as ``behaviour`` says."""

    port: int
    behaviour: WyomingBehaviour
    clients: list[WyomingClient] = attrs.field(factory=list)

    @property
    def url(self) -> str:
        return f"tcp://127.0.0.1:{self.port}"

    async def serve(self, stream: trio.SocketStream) -> None:
        client = WyomingClient(stream)
        self.clients.append(client)
        try:
            await self.behaviour(client)
            while await client.hear():
                pass
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        finally:
            client.left_at = trio.current_time()
            client.left.set()


@asynccontextmanager
async def open_wyoming_stand_in(behaviour: WyomingBehaviour) -> AsyncIterator[WyomingStandIn]:
    """A stand-in on a free port of this machine, until the block is left."""
    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        server = WyomingStandIn(listener.socket.getsockname()[1], behaviour)
        nursery.start_soon(trio.serve_listeners, server.serve, [listener])
        yield server
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def open_wyoming_asr() -> AsyncIterator[Asr]:
    """The adapter, and a server that always understands the same."""
    async with (
        open_wyoming_stand_in(answering(TRANSCRIPT)) as server,
        opened("wyoming_asr", {"base_url": server.url})() as asr,
    ):
        yield asr
