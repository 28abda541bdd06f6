"""`StreamedUtterance`: sound on its way to the recogniser, and the transcript on its way back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

import attrs
import trio

from ...audio.pcm import Pcm
from ...audio.resampling import StreamResampler
from ...audio.utterance import RATE
from ...conversation.speech_engines import Standby
from ...engines.base import Asr
from ...engines.wyoming import WyomingEvent
from ...errors import ProtocolError
from ...quota import Claim

RATES = (8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
"""Of sound that is taken; Home Assistant sends 16 kHz. Odd rates would cost a hundred times as much."""

AT_ONCE = 16_384
"""Bytes that are resampled at once: 190 ms at 44.1 kHz, which take 2 ms."""

Tell: TypeAlias = Callable[[WyomingEvent], Awaitable[None]]


@attrs.define(eq=False)
class StreamedUtterance:
    """One utterance. One task feeds it, and another one runs `run`.

    The sound is not kept here: whoever feeds it waits until the recogniser takes it. But most recognisers
    keep it until it is whole, which is what ``claim`` is for.
    """

    _longest: float
    """Seconds that it may have."""
    _patience: float
    """Seconds for the recogniser to take a piece, and after the last one for the transcript."""
    _claim: Claim
    _put: trio.MemorySendChannel[Pcm] = attrs.field(init=False)
    _get: trio.MemoryReceiveChannel[Pcm] = attrs.field(init=False)
    _resampler: StreamResampler | None = attrs.field(default=None, init=False)
    _seconds: float = attrs.field(default=0.0, init=False)
    over: trio.Event = attrs.field(factory=trio.Event, init=False)
    """Set when the transcript was told."""

    def __attrs_post_init__(self) -> None:
        self._put, self._get = trio.open_memory_channel[Pcm](0)

    async def feed(self, event: WyomingEvent) -> None:
        """Take in an ``audio-chunk``. Raises `ProtocolError`, and `trio.TooSlowError`."""
        rate = rate_of(event.data)
        if self._resampler is None:
            self._resampler = StreamResampler(rate, RATE)
        if rate != self._resampler.rate or len(event.payload) % 2:
            raise ProtocolError("bad-event", "audio-chunk: half a sample, or another rate than before")
        self._seconds += len(event.payload) / 2 / rate
        if self._seconds > self._longest:
            text = f"the utterance is longer than {self._longest:g} s (max_utterance)"
            raise ProtocolError("utterance-too-long", text)
        self._claim.resize(round(self._seconds * RATE * 2))
        for start in range(0, len(event.payload), AT_ONCE):
            await self._send(self._resampler.feed(event.payload[start : start + AT_ONCE]))

    async def finish(self) -> None:
        """That was all; returns when the transcript was told. Raises as `feed` does."""
        if self._resampler is not None:
            await self._send(self._resampler.flush())
        self._put.close()
        with trio.fail_after(self._patience):
            await self.over.wait()

    async def run(self, asr: Standby[Asr], tell: Tell) -> None:
        """Recognise, and ``tell`` what is understood. Raises `EngineError`.

        Chunks cannot be taken back, so one is told only of words on which two transcripts agree, and none
        after a transcript that contradicts what was told. ``transcript`` has the whole in any case.
        """
        with self._claim, self._get:
            await self._run(asr, tell)
        self.over.set()

    async def _run(self, asr: Standby[Asr], tell: Tell) -> None:
        told, before, text = "", "", ""
        await tell(WyomingEvent("transcript-start"))
        async with asr.engine() as engine, engine.listen(self._get) as transcripts:
            async for transcript in transcripts:
                text = transcript.text
                agreed = text if transcript.final else common_words(before, text)
                if agreed.startswith(told) and agreed != told:
                    await tell(WyomingEvent("transcript-chunk", {"text": agreed[len(told) :]}))
                    told = agreed
                before = text
        await tell(WyomingEvent("transcript", {"text": text}))
        await tell(WyomingEvent("transcript-stop"))

    async def _send(self, samples: bytes) -> None:
        if samples:
            with trio.fail_after(self._patience):
                try:
                    await self._put.send(Pcm(samples, RATE))
                except trio.BrokenResourceError:
                    # The recogniser has heard enough; or it has failed, and this is about to be cancelled.
                    await self.over.wait()


def rate_of(data: Mapping[str, object]) -> int:
    """The rate of an ``audio-start`` or ``audio-chunk``. Raises `ProtocolError` for what is not taken."""
    rate = data.get("rate")
    if not isinstance(rate, int) or rate not in RATES or data.get("width") != 2 or data.get("channels") != 1:
        raise ProtocolError("bad-event", "sound has to be 16-bit mono, best at 16000 samples a second")
    return rate


def common_words(before: str, after: str) -> str:
    """The whole words with which both begin; ``after`` to the end if ``before`` is the same."""
    if before == after:
        return after
    same = 0
    while same < min(len(before), len(after)) and before[same] == after[same]:
        same += 1
    # A word that ends where the other text goes on may be a part of another word there.
    return after[: after.rfind(" ", 0, same) + 1].rstrip()
