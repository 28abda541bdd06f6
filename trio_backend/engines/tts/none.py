"""`none_tts`: speech synthesis that gives no sound, for characters that are only read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import attrs
import trio

from ...audio.pcm import Pcm
from ...audio.utterance import RATE
from ..facts import EngineFacts
from ..settings import Environment, read_settings
from ..whole import WholeTts

NAMES = ("none_tts",)

FACTS = EngineFacts(
    streams="no",
    cancel="stops at once",
    tried="ours: nothing foreign in it",
    needs="nothing: it is silent",
)


@attrs.frozen
class NoneConfig:
    """Nothing to set."""


def configure(name: str, settings: Mapping[str, object], environment: Environment) -> NoneConfig:
    """There are no settings."""
    del name, environment
    return read_settings(NoneConfig, settings)


@asynccontextmanager
async def open(config: NoneConfig) -> AsyncIterator[SilentTts]:
    """There is nothing to load."""
    del config
    yield SilentTts()


@attrs.frozen
class SilentTts(WholeTts):
    """A `Tts` whose sound is always empty."""

    async def synthesize(self, text: str) -> Pcm:
        """No sound, whatever the text."""
        del text
        await trio.lowlevel.checkpoint()
        return Pcm(b"", RATE)
