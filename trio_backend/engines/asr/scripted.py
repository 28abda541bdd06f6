"""`scripted_asr`: ASR that reads what is written in the samples, for tests and demonstrations."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import attrs
import numpy as np
import trio
from trio.abc import ReceiveChannel

from ...audio.pcm import Pcm
from ...audio.utterance import RATE
from ...errors import EngineError
from ..base import AsrTranscript
from ..facts import EngineFacts
from ..settings import Environment, between, read_settings
from ..whole import channel_of, joined

NAMES = ("scripted_asr",)

# Samples below 0 are no letters.
LOUD = -3000

FACTS = EngineFacts(
    streams="as configured",
    cancel="stops at once",
    tried="ours: nothing foreign in it",
    needs="nothing: for tests",
    for_tests=True,
)


@attrs.frozen
class ScriptedAsrConfig:
    """Delays are in seconds. A ``serial`` one does one utterance at a time, like one on a busy machine.

    An utterance that contains ``fail_on`` fails. With ``partial``, what was read so far is told at each chunk
    of sound.
    """

    delay: float = attrs.field(default=0.0, validator=between(0, 3600))
    load: float = attrs.field(default=0.0, validator=between(0, 3600))
    serial: bool = False
    fail_on: str = ""
    partial: bool = False


def configure(name: str, settings: Mapping[str, object], environment: Environment) -> ScriptedAsrConfig:
    """The settings are the fields of `ScriptedAsrConfig`."""
    del name, environment
    return read_settings(ScriptedAsrConfig, settings)


@asynccontextmanager
async def open(config: ScriptedAsrConfig) -> AsyncIterator[ScriptedAsr]:
    """Take as long to load as the configuration says."""
    await trio.sleep(config.load)
    yield ScriptedAsr(config, trio.CapacityLimiter(1 if config.serial else math.inf))


@attrs.frozen
class ScriptedAsr:
    """An `Asr` for which each sample is a letter, by its number in Unicode; silence is none."""

    config: ScriptedAsrConfig
    _utterances: trio.CapacityLimiter = attrs.field(repr=False)

    @property
    def streams(self) -> bool:
        """See `Asr.streams`: as it is configured."""
        return self.config.partial

    def listen(
        self, sound: ReceiveChannel[Pcm]
    ) -> AbstractAsyncContextManager[ReceiveChannel[AsrTranscript]]:
        """The letters of ``sound``."""
        return channel_of(self._transcripts(sound))

    async def _transcripts(self, sound: ReceiveChannel[Pcm]) -> AsyncGenerator[AsrTranscript, None]:
        chunks: list[Pcm] = []
        async for chunk in sound:
            chunks.append(chunk)
            if self.config.partial:
                yield AsrTranscript(read(joined(chunks)), final=False)
        async with self._utterances:
            await trio.sleep(self.config.delay)
        text = read(joined(chunks))
        if self.config.fail_on and self.config.fail_on in text:
            raise EngineError("scripted_asr was told to fail on this utterance")
        yield AsrTranscript(text, final=True)


def write(text: str, *, seconds: float = 0.0) -> Pcm:
    """A sound in which `ScriptedAsr` reads ``text``, of letters up to U+7FFF; loud as speech, and so long."""
    letters = np.array([ord(letter) for letter in text], "<i2")
    rest = np.full(max(0, round(seconds * RATE) - len(letters)), LOUD, "<i2")
    return Pcm(np.concatenate([letters, rest]).tobytes(), RATE)


def read(pcm: Pcm) -> str:
    """What was written."""
    return "".join(chr(sample) for sample in np.frombuffer(pcm.samples, "<i2").tolist() if sample > 0)
