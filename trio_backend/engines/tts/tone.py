"""`tone_tts`: speech synthesis that hums one note for as long as the text is. Needs nothing."""

from __future__ import annotations

import array
import math
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial

import attrs
import trio
from trio.abc import ReceiveChannel

from ...audio.pcm import Pcm
from ...audio.utterance import RATE
from ...errors import EngineError
from ..facts import EngineFacts
from ..settings import Environment, between, read_settings
from ..whole import WholeSound, channel_of

NAMES = ("tone_tts",)

NOTE = 400  # Hz; divides the rate, so that one period repeats without a click

FACTS = EngineFacts(
    streams="yes",
    cancel="stops at once",
    tried="ours: nothing foreign in it",
    needs="nothing: a tone, for tests",
    for_tests=True,
)


@attrs.frozen
class ToneConfig:
    """Delays are in seconds. A ``serial`` one does one sentence at a time, like one on a busy machine.

    A sentence that contains ``fail_on`` fails. With a ``chunk`` of so many seconds, the sound comes in chunks
    of that length, ``delay`` before each. ``pause`` is how many seconds it is silent at each comma.
    """

    seconds_per_character: float = attrs.field(default=0.06, validator=between(0, 10))
    delay: float = attrs.field(default=0.0, validator=between(0, 3600))
    load: float = attrs.field(default=0.0, validator=between(0, 3600))
    serial: bool = False
    fail_on: str = ""
    chunk: float = attrs.field(default=0.0, validator=between(0, 3600))
    pause: float = attrs.field(default=0.0, validator=between(0, 60))


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
        """A note of ``seconds_per_character`` times the length of ``text``, with its pauses."""
        if not self.config.chunk:
            return WholeSound(partial(self._whole, text))
        return channel_of(self._chunks(text))

    async def _whole(self, text: str) -> Pcm:
        await self._work()
        return self._sound(text)

    async def _chunks(self, text: str) -> AsyncGenerator[Pcm, None]:
        await self._work()
        sound = self._sound(text).samples
        size = 2 * round(self.config.chunk * RATE)
        for at in range(0, len(sound), size):
            if at:
                await self._work()
            yield Pcm(sound[at : at + size], RATE)

    async def _work(self) -> None:
        async with self._sentences:
            await trio.sleep(self.config.delay)

    def _sound(self, text: str) -> Pcm:
        config = self.config
        if config.fail_on and config.fail_on in text:
            raise EngineError("tone_tts was told to fail on this sentence")
        text = text.strip()
        if not config.pause:
            return hum(len(text) * config.seconds_per_character)
        silence = bytes(2 * round(config.pause * RATE))
        notes = [hum(len(part) * config.seconds_per_character).samples for part in text.split(",")]
        return Pcm(silence.join(notes), RATE)


def hum(seconds: float) -> Pcm:
    """A note of at least that length, at a third of full volume, in whole periods."""
    return Pcm(_PERIOD * math.ceil(seconds * NOTE - 1e-9), RATE)


def _period() -> bytes:
    period = RATE // NOTE
    wave = array.array("h", (round(11_000 * math.sin(2 * math.pi * i / period)) for i in range(period)))
    if sys.byteorder == "big":
        wave.byteswap()
    return wave.tobytes()


_PERIOD = _period()
