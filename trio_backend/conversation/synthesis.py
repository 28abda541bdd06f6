"""`Synthesis`: sentences and their sound, handed out in the order of the text while they are being made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

import attrs
import trio
from loguru import logger
from trio.abc import ReceiveChannel

from ..audio.pcm import Pcm
from ..engines.base import Tts
from ..engines.whole import NO_SOUND, WholeSound, can_be_said, joined
from ..errors import EngineError, EngineReplaced, RequestRefused
from .events import AudioChunk, Problem, Sentence
from .responder import Response
from .timeline import Timeline

Translate: TypeAlias = Callable[[str], Awaitable[str]]
"""See `Translator.translate`."""

BUFFERED = 20.0
"""Seconds of a sentence that are made before the sentences before it were handed out; then its engine waits.
Hardly any sentence is longer. Of a voice of 24 kHz it is 1 MB, ``synthesis_ahead`` times."""


@attrs.frozen
class MadeSentence:
    """A sentence whose sound is whole: both are handed over at once, which costs half as much."""

    sentence: Sentence
    sound: AudioChunk


@attrs.define(eq=False)
class Synthesis:
    """Has the sentences of one reply spoken, several at once. An engine that fails leaves them to be read.

    One that is followed by the next of its list (`EngineReplaced`) does not: sentences of which nothing was
    handed out yet are spoken anew, those too whose own requests have not failed yet. Of one that was cut the
    rest is missing. One that is refused (`RequestRefused`) is read; those behind it are spoken.

    With ``translate`` each sentence is translated before it is spoken; what is shown stays. One for which
    that fails is spoken as it is.
    """

    _tts: Tts
    _timeline: Timeline
    _events: trio.MemorySendChannel[Response | MadeSentence]
    _translate: Translate | None = None
    _failed: bool = attrs.field(default=False, init=False)
    _refused: bool = attrs.field(default=False, init=False)
    _ahead: dict[SoundBuffer, trio.CancelScope] = attrs.field(factory=dict, init=False)
    """Of the sentences that are being made before their time, what ends the making."""
    _untranslated: bool = attrs.field(default=False, init=False)
    """Whether it was told that a translation has failed."""

    async def speak(self, sentence: Sentence, before: trio.Event | None) -> None:
        """Hand out ``sentence`` and its sound, after ``before`` is set.

        From an engine that streams the chunks are handed out as they come; of one that makes the whole sound
        at once, all together. The last chunk says so, and may be empty.
        """
        if not sentence.spoken or self._failed:
            await self._hand_over(sentence, NO_SOUND, before)
            return
        if self._translate is not None and can_be_said(sentence.spoken):
            sentence = await self._translated(sentence, self._translate)
        async with self._tts.speak(sentence.spoken) as sound:
            if isinstance(sound, WholeSound):
                await self._hand_over(sentence, await self._whole(sound), before)
            elif before is None or before.is_set():
                await self._stream(sentence, sound)
            else:
                await self._stream_after(sentence, sound, before)

    async def _translated(self, sentence: Sentence, translate: Translate) -> Sentence:
        """``sentence`` as it is to be spoken, so that whoever listens for an echo knows what was said."""
        try:
            return attrs.evolve(sentence, spoken=await translate(sentence.spoken))
        except EngineError as error:
            # Several sentences may fail at once; that is told once.
            if not self._untranslated:
                self._untranslated = True
                logger.warning("translator: {}", error)
                await self._events.send(Problem("engine-error", f"{error}; it is spoken as it is shown"))
            return sentence

    async def _hand_over(self, sentence: Sentence, pcm: Pcm, before: trio.Event | None) -> None:
        if before is not None and not before.is_set():
            await before.wait()
        await self._events.send(MadeSentence(sentence, AudioChunk(sentence.turn, sentence.index, pcm)))

    async def _whole(self, sound: WholeSound) -> Pcm:
        try:
            pcm = await sound.whole()
        except EngineError as error:
            await self._fail(error)
            return NO_SOUND
        if pcm.samples:
            self._timeline.made_sound()
        return pcm

    async def _stream(self, sentence: Sentence, sound: ReceiveChannel[Pcm]) -> None:
        """While a chunk is not taken, the engine is not read."""
        turn, index, rate = sentence.turn, sentence.index, 0
        await self._events.send(sentence)
        try:
            async for pcm in sound:
                self._timeline.made_sound()
                rate = same_rate(pcm, rate)
                await self._events.send(AudioChunk(turn, index, pcm, last=False))
        except EngineError as error:
            await self._fail(error)
        await self._events.send(AudioChunk(turn, index, NO_SOUND))

    async def _stream_after(self, sentence: Sentence, sound: ReceiveChannel[Pcm], before: trio.Event) -> None:
        """As `_stream`, but what comes before its time waits in a buffer."""
        turn, index, buffer = sentence.turn, sentence.index, SoundBuffer()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._fill, buffer, sentence, sound, name="turn/sentence ahead")
            await before.wait()
            pcm, last = await buffer.take()
            if last:
                await self._events.send(MadeSentence(sentence, AudioChunk(turn, index, pcm)))
                return
            await self._events.send(sentence)
            await self._events.send(AudioChunk(turn, index, pcm, last=False))
            while not last:
                pcm, last = await buffer.take()
                await self._events.send(AudioChunk(turn, index, pcm, last))

    async def _fill(self, buffer: SoundBuffer, sentence: Sentence, sound: ReceiveChannel[Pcm]) -> None:
        failure: EngineError | None = None
        with trio.CancelScope() as making:
            self._ahead[buffer] = making
            try:
                await buffer.fill(sound)
            except EngineError as error:
                failure = error
            finally:
                del self._ahead[buffer]
        if (making.cancelled_caught or isinstance(failure, EngineReplaced)) and buffer.clear():
            if failure is not None:
                self._begin_anew()
            # As often as there are engines, at most: the last one is replaced by none.
            async with self._tts.speak(sentence.spoken) as again:
                await self._fill(buffer, sentence, again)
        elif failure is not None:
            await self._fail(failure)

    async def _fail(self, error: EngineError) -> None:
        # Several sentences may fail at once; that is told once. Of a replacement the character tells.
        match error:
            case EngineReplaced():
                self._begin_anew()
                told = True
            case RequestRefused():
                told, self._refused = self._refused, True
            case _:
                told, self._failed = self._failed, True
        if not told:
            await self._events.send(Problem("engine-error", str(error)))

    def _begin_anew(self) -> None:
        """Have what the engine that was left is still making ahead made by the next one."""
        for buffer, making in self._ahead.items():
            if not buffer.begun:
                making.cancel("its engine was left")


def same_rate(pcm: Pcm, rate: int) -> int:
    """The rate of ``pcm``, which has to be ``rate``; 0 for the first chunk. Raises `EngineError`."""
    if rate and pcm.rate != rate:
        raise EngineError("the sample rate of the sound changed in the middle of it")
    return pcm.rate


@attrs.define(eq=False)
class SoundBuffer:
    """One task fills it from a stream, another takes out all that is there."""

    _chunks: list[Pcm] = attrs.field(factory=list, init=False)
    _rate: int = attrs.field(default=0, init=False)
    _seconds: float = attrs.field(default=0.0, init=False)
    _ended: bool = attrs.field(default=False, init=False)
    begun: bool = attrs.field(default=False, init=False)
    """Whether something was taken."""
    _changed: trio.lowlevel.ParkingLot = attrs.field(factory=trio.lowlevel.ParkingLot, init=False)

    async def fill(self, stream: ReceiveChannel[Pcm]) -> None:
        """Read ``stream`` to its end. Raises `EngineError` as it does, and where its rate changes.

        However it ends, what has come can be taken.
        """
        try:
            async for pcm in stream:
                self._rate = same_rate(pcm, self._rate)
                self._chunks.append(pcm)
                self._seconds += pcm.seconds
                self._changed.unpark_all()
                while self._seconds >= BUFFERED:
                    await self._changed.park()
        finally:
            self._ended = True
            self._changed.unpark_all()

    async def take(self) -> tuple[Pcm, bool]:
        """All that is there, once there is something, and whether that was the last."""
        while not self._chunks and not self._ended:
            await self._changed.park()
        pcm = joined(self._chunks) if self._chunks else NO_SOUND
        self._chunks, self._seconds, self.begun = [], 0.0, True
        self._changed.unpark_all()
        return pcm, self._ended

    def clear(self) -> bool:
        """Begin anew, to be filled from another stream; False, and nothing is done, if something was taken.

        To be called right after `fill` has raised.
        """
        if not self.begun:
            self._chunks, self._rate, self._seconds, self._ended = [], 0, 0.0, False
        return not self.begun
