"""`tone_tts`: speech synthesis that hums one note for as long as the text is. Needs nothing."""

from __future__ import annotations

import array
import math
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import attrs
import trio
from trio.abc import ReceiveChannel

from ...audio.pcm import Pcm
from ...audio.utterance import RATE
from ...errors import EngineError
from ..settings import Environment, between, read_settings
from ..whole import channel_of

NAMES = ("tone_tts",)

NOTE = 400  # Hz; divides the rate, so that one period repeats without a click


@attrs.frozen
class ToneConfig:
    """Delays are in seconds. A ``serial`` one does one sentence at a time, like one on a busy machine.

    A sentence that contains ``fail_on`` fails. With a ``chunk`` of so many seconds, the sound comes in chunks
    of that length, ``delay`` before each.
    """

    seconds_per_character: float = attrs.field(default=0.06, validator=between(0, 10))
    delay: float = attrs.field(default=0.0, validator=between(0, 3600))
    load: float = attrs.field(default=0.0, validator=between(0, 3600))
    serial: bool = False
    fail_on: str = ""
    chunk: float = attrs.field(default=0.0, validator=between(0, 3600))


def configure(name: str, settings: Mapping[str, object], environment: Environment) -> ToneConfig:
    """The settings are the fields of `ToneConfig`."""
    del name, environment
    return read_settings(ToneConfig, settings)


@asynccontextmanager
async def open(config: ToneConfig) -> AsyncIterator[Tone]:
    """Take as long to load as the configuration says."""
    await trio.sleep(config.load)
    yield Tone(config, trio.CapacityLimiter(1 if config.serial else math.inf))


@attrs.frozen
class Tone:
    """A `Tts` of 16 kHz."""

    config: ToneConfig
    _sentences: trio.CapacityLimiter = attrs.field(repr=False)

    def speak(self, text: str) -> AbstractAsyncContextManager[ReceiveChannel[Pcm]]:
        """A note of ``seconds_per_character`` times the length of ``text``."""
        return channel_of(self._chunks(text))

    async def _chunks(self, text: str) -> AsyncGenerator[Pcm, None]:
        left = len(text.strip()) * self.config.seconds_per_character
        length = self.config.chunk or math.inf
        while True:
            async with self._sentences:
                await trio.sleep(self.config.delay)
            if self.config.fail_on and self.config.fail_on in text:
                raise EngineError("tone_tts was told to fail on this sentence")
            chunk = hum(min(left, length))
            if chunk.samples:
                yield chunk
            left -= length
            if left <= 0:
                break


def hum(seconds: float) -> Pcm:
    """A note of at least that length, at a third of full volume, in whole periods."""
    period = RATE // NOTE
    wave = array.array("h", (round(11_000 * math.sin(2 * math.pi * i / period)) for i in range(period)))
    if sys.byteorder == "big":
        wave.byteswap()
    return Pcm(wave.tobytes() * math.ceil(seconds * NOTE - 1e-9), RATE)
