"""A server that hears, in memory and on the virtual clock; each of its fields can break a promise."""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs
import numpy as np
import trio

from tests.memory_wire import MemoryWire, memory_wire_pair
from trio_backend.audio.encoding import encode_sound
from trio_backend.audio.pcm import Pcm
from trio_backend.audio.utterance import RATE
from trio_backend.errors import WireClosed
from trio_backend.protocol.sound import SoundFrame, encode_frame
from trio_backend.prove.voice_waveform import marked_tone

LOUD = 0.02
"""RMS of a message that has speech in it."""


@attrs.define(eq=False)
class VoiceServer:
    """Takes any silence of ``end_of_turn`` seconds for the end, and answers ``reply`` seconds later."""

    end_of_turn: float = 0.8
    reply: float = 1.0
    interrupt: float = 0.3
    """How long speech lasts before it stops a reply; infinity: nothing does."""
    silent: bool = False
    """Its replies are zeros."""
    sound: float = 2.0
    """Seconds of a reply."""
    lead: float = 0.0
    """Seconds of silence at the beginning of its sound."""
    streams: bool = False
    """It sends binary frames instead of WAV files."""
    heard: list[str] = attrs.field(factory=list)
    played: list[str] = attrs.field(factory=list)
    """The sentences that the client says it plays."""

    async def serve(self, wire: MemoryWire) -> None:
        """One client, until it leaves."""
        async with trio.open_nursery() as nursery:
            session = _Hearing(self, wire, nursery)
            try:
                while True:
                    await session.take(await wire.receive())
            except WireClosed:
                nursery.cancel_scope.cancel("the client is gone")


@attrs.define(eq=False)
class _Hearing:
    server: VoiceServer
    wire: MemoryWire
    nursery: trio.Nursery
    _speech: float = 0.0
    _silence: float = math.inf
    _ended: bool = True
    _reply: trio.CancelScope | None = None

    async def take(self, frame: str | bytes) -> None:
        if isinstance(frame, bytes):
            return await self._hear(np.frombuffer(frame, "<i2").astype(np.float64) / 32768)
        message = json.loads(frame)
        self.server.heard.append(message["type"])
        if message["type"] == "audio-play-start":
            self.server.played.append(message["display_text"]["text"])
        match message["type"]:
            case "raw-audio-data":
                await self._hear(np.asarray(message["audio"]))
            case "mic-audio-end" | "text-input":
                self._reply = trio.CancelScope()
                self.nursery.start_soon(self._answer, self._reply)
            case "interrupt-signal" if self._reply is not None:
                self._reply.cancel()
            case "heartbeat":
                await self._tell("heartbeat-ack")
        return None

    async def _hear(self, samples: np.ndarray) -> None:
        seconds, server = len(samples) / RATE, self.server
        if float(np.sqrt(np.mean(samples**2))) >= LOUD:
            self._speech += seconds
            self._silence, self._ended = 0.0, False
            if self._reply is not None and self._speech >= server.interrupt:
                self._reply.cancel()
                self._reply = None
                await self._tell("control", text="interrupt")
            return
        self._silence += seconds
        if self._silence >= server.end_of_turn and not self._ended:
            self._ended, self._speech = True, 0.0
            await self._tell("control", text="mic-audio-end")

    async def _answer(self, scope: trio.CancelScope) -> None:
        with scope:
            await self._tell("control", text="conversation-chain-start")
            await trio.sleep(self.server.reply)
            samples = marked_tone(7, self.server.sound, RATE, lead=self.server.lead)
            pcm = Pcm(bytes(len(samples)) if self.server.silent else samples, RATE)
            if self.server.streams:
                shown = {"text": "Yes.", "name": "Mao", "avatar": ""}
                await self._tell("audio", audio=None, stream=True, display_text=shown)
                await self.wire.send_binary(
                    encode_frame(SoundFrame(1, 0, RATE, last=True, samples=pcm.samples))
                )
            else:
                audio, volumes = encode_sound(pcm)
                shown = {"text": "Yes.", "name": "Mao", "avatar": ""}
                assert audio is not None
                await self._tell("audio", audio=audio.decode(), volumes=list(volumes), display_text=shown)
            await self._tell("backend-synth-complete")

    async def _tell(self, type: str, **fields: object) -> None:
        await self.wire.send(json.dumps({"type": type, **fields}).encode())


@asynccontextmanager
async def open_voice_wire(server: VoiceServer) -> AsyncIterator[MemoryWire]:
    """A wire to ``server``, which greets nobody."""
    ours, theirs = memory_wire_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.serve, theirs)
        yield ours
        nursery.cancel_scope.cancel("the test is over")
