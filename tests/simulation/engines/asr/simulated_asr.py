"""`simulated_asr`: speech recognition that hears “spoken n.” in its n-th utterance."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import attrs

from tests.simulation.world import World, here
from trio_backend.audio.pcm import Pcm
from trio_backend.engines.settings import Environment, read_settings
from trio_backend.engines.whole import WholeAsr
from trio_backend.errors import EngineError

NAMES = ("simulated_asr",)


@attrs.frozen
class SimulatedAsrConfig:
    """Nothing to choose."""


def configure(name: str, settings: Mapping[str, object], environment: Environment) -> SimulatedAsrConfig:
    """There are no settings."""
    del name, environment
    return read_settings(SimulatedAsrConfig, settings)


@asynccontextmanager
async def open(_config: SimulatedAsrConfig) -> AsyncIterator[SimulatedAsr]:
    """At once."""
    world = here()
    with world.in_use():
        yield SimulatedAsr(world)


@attrs.frozen
class SimulatedAsr(WholeAsr):
    """An `Asr`."""

    world: World

    async def transcribe(self, pcm: Pcm) -> str:
        """See `WholeAsr.transcribe`."""
        del pcm
        with self.world.in_use():
            await self.world.wait(0.0, 0.05, 0.5)
            if self.world.chance(self.world.chances.recognition_fails):
                raise EngineError("the simulated recognition fails")
            self.world.heard += 1
            return f"spoken {self.world.heard}."
