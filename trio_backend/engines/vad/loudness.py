"""`loudness_vad`: whatever is loud is speech. Needs no library, and quiet surroundings."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import attrs

from ...audio.endpointing import Rules
from ..facts import EngineFacts
from ..settings import Environment, read_settings
from . import Thresholds

NAMES = ("loudness_vad",)

FACTS = EngineFacts(
    streams="yes",
    cancel="stops at once",
    tried="ours: nothing foreign in it",
    needs="nothing",
)


@attrs.frozen
class LoudnessConfig:
    """What counts as speech: only the loudness does."""

    rules: Rules


def configure(name: str, settings: Mapping[str, object], environment: Environment) -> LoudnessConfig:
    """The settings are those of `Thresholds`."""
    del name, environment
    return LoudnessConfig(read_settings(Thresholds, settings).rules())


@asynccontextmanager
async def open(config: LoudnessConfig) -> AsyncIterator[Loudness]:
    """There is nothing to load."""
    yield Loudness(config.rules)


@attrs.frozen
class Loudness:
    """A `Vad`, and each `Detector` of it: the rules do all the work."""

    rules: Rules

    def detector(self) -> Loudness:
        """There is nothing to remember."""
        return self

    def probability(self, window: bytes) -> float:
        """Always 1: see `Rules.hit`."""
        del window
        return 1.0
