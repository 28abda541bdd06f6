"""`simulated_tts`: speech synthesis whose delays and failures are its world's."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import attrs
import trio
from trio.abc import ReceiveChannel

from tests.simulation.world import World, here
from trio_backend.audio.pcm import Pcm
from trio_backend.engines.settings import Environment, read_settings
from trio_backend.engines.tts.tone import hum
from trio_backend.engines.whole import WholeTts, channel_of
from trio_backend.errors import EngineError

NAMES = ("simulated_tts",)


@attrs.frozen
class SimulatedTtsConfig:
    """Nothing to choose."""


def configure(name: str, settings: Mapping[str, object], environment: Environment) -> SimulatedTtsConfig:
    """There are no settings."""
    del name, environment
    return read_settings(SimulatedTtsConfig, settings)


@asynccontextmanager
async def open(_config: SimulatedTtsConfig) -> AsyncIterator[SimulatedTts]:
    """At once."""
    world = here()
    with world.in_use():
        yield SimulatedTts(world)


@attrs.frozen
class SimulatedTts(WholeTts):
    """A `Tts` that hums up to a second: longer sound would be encoded in a thread, which no seed decides.

    Every other sentence comes in chunks.
    """

    world: World

    def speak(self, text: str) -> AbstractAsyncContextManager[ReceiveChannel[Pcm]]:
        """See `Tts.speak`."""
        self.world.spoken = text
        return channel_of(self._chunks()) if self.world.chance(0.5) else super().speak(text)

    async def synthesize(self, text: str) -> Pcm:
        """See `WholeTts.synthesize`."""
        del text
        return await self._make(0.0, 0.1, 0.5, 1.0)

    async def _chunks(self) -> AsyncGenerator[Pcm, None]:
        for _ in range(self.world.random.randint(1, 4)):
            yield await self._make(0.05, 0.1, 0.25)

    async def _make(self, *seconds: float) -> Pcm:
        with self.world.in_use():
            await self.world.wait(0.0, 0.0, 0.02, 0.3, 1.0)
            if self.world.chance(self.world.chances.synthesis_hangs):
                await trio.sleep_forever()
            if self.world.chance(self.world.chances.synthesis_fails):
                raise EngineError("the simulated synthesis fails")
            return hum(self.world.random.choice(seconds))
