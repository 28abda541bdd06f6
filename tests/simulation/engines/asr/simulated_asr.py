"""`simulated_asr`: speech recognition that hears “spoken n.” in its n-th utterance, or what is no words."""

from __future__ import annotations

from array import array
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import attrs
from trio.abc import ReceiveChannel

from tests.simulation.world import Said, World, here
from trio_backend.audio.pcm import Pcm
from trio_backend.engines.base import AsrTranscript
from trio_backend.engines.settings import Environment, read_settings
from trio_backend.engines.whole import WholeAsr, channel_of
from trio_backend.errors import EngineError

NAMES = ("simulated_asr",)


@attrs.frozen
class SimulatedAsrConfig:
    """``partial``: it streams, and has the words before the end."""

    partial: bool = False


def configure(name: str, settings: Mapping[str, object], environment: Environment) -> SimulatedAsrConfig:
    """The setting is the field of `SimulatedAsrConfig`."""
    del name, environment
    return read_settings(SimulatedAsrConfig, settings)


@asynccontextmanager
async def open(config: SimulatedAsrConfig) -> AsyncIterator[SimulatedAsr]:
    """At once."""
    world = here()
    with world.in_use():
        yield SimulatedAsr(world, config.partial)


@attrs.frozen
class SimulatedAsr(WholeAsr):
    """An `Asr`. How loud it is says what it is: see `Said`."""

    world: World
    partial: bool

    @property
    def streams(self) -> bool:
        """See `Asr.streams`: as it is configured."""
        return self.partial

    def listen(
        self, sound: ReceiveChannel[Pcm]
    ) -> AbstractAsyncContextManager[ReceiveChannel[AsrTranscript]]:
        """See `Asr.listen`."""
        return channel_of(self._transcripts(sound)) if self.partial else super().listen(sound)

    async def _transcripts(self, sound: ReceiveChannel[Pcm]) -> AsyncGenerator[AsrTranscript, None]:
        said, text, loudest = Said.NOTHING, "", 0
        async for chunk in sound:
            loudest = max(loudest, _loudest(chunk))
            if Said.of(loudest) is not said:
                said = Said.of(loudest)
                text = self._words(said)
            # Not with the first window: it takes a while to understand something.
            if text and self.world.chance(0.5):
                yield AsrTranscript(text, final=False)
        with self.world.in_use():
            await self.world.wait(0.0, 0.05, 0.5)
        yield AsrTranscript(text, final=True)

    async def transcribe(self, pcm: Pcm) -> str:
        """See `WholeAsr.transcribe`."""
        with self.world.in_use():
            await self.world.wait(0.0, 0.05, 0.5)
            if self.world.chance(self.world.chances.recognition_fails):
                raise EngineError("the simulated recognition fails")
            return self._words(Said.of(_loudest(pcm)))

    def _words(self, said: Said) -> str:
        match said:
            case Said.NOTHING:
                return ""
            case Said.BACKCHANNEL:
                return "uh-huh"
            case Said.ECHO:
                return self.world.spoken
        self.world.heard += 1
        return f"spoken {self.world.heard}."


def _loudest(pcm: Pcm) -> int:
    return max(array("h", pcm.samples), default=0)
