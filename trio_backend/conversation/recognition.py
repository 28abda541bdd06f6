"""`Recognition`: what an engine understands of one utterance, while it is said and after."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import attrs
import trio
from loguru import logger
from trio.abc import ReceiveChannel

from ..audio.pcm import Pcm
from ..audio.utterance import RATE
from ..engines.base import Asr, AsrTranscript
from ..errors import EngineError
from ..text.phrases import LONGEST_HEARD, plain, words
from .end_of_turn import Judgement

# Seconds without sound after which an engine is asked for what it has. A stream brings sound all the time,
# silence too; a client that has stopped sending must not keep an engine, or a connection to it, for ever.
STALLED = 10.0

# Seconds for which a recognition waits for one that nobody wants any more; mostly that needs less. A server
# that hangs must not make the user wait until its deadline, which is a minute.
PATIENCE = 1.0

# Characters of a transcript that are kept: in a minute people say a thousand, and what an engine says beyond
# all reason must not be kept.
LONGEST = 20_000


@attrs.define(eq=False)
class Recognition:
    """Fed with the sound of one utterance; `run` is its task, which `close` ends.

    ``changed`` is called with it after each transcript, and when the last is known or never will be; but not
    after `close`. It is called in the engine's task, and must take microseconds.

    What was not taken by the engine yet is kept here, so the caller bounds what is fed.
    """

    streams: bool
    """Whether there are transcripts before the utterance is complete."""
    _changed: Callable[[Recognition], None]
    text: str = attrs.field(default="", init=False, repr=False)
    """The newest transcript; empty before the first."""
    judgement: Judgement | None = attrs.field(default=None, init=False)
    """What the engine said last of the end of the turn, if it says that."""
    known: bool = attrs.field(default=False, init=False)
    """Whether there was a transcript."""
    _sound: _Sound = attrs.field(factory=lambda: _Sound(), init=False)
    _final: bool = attrs.field(default=False, init=False)
    after: Recognition | None = attrs.field(default=None, init=False, repr=False)
    """One that nobody wants any more; this one waits for its end first, up to `PATIENCE`."""
    _asking: bool = attrs.field(default=False, init=False)
    """Whether the engine was asked."""
    _in_vain: bool = attrs.field(default=False, init=False)
    _closed: bool = attrs.field(default=False, init=False)
    _ended: trio.Event = attrs.field(factory=trio.Event, init=False)
    _scope: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)

    @property
    def failed(self) -> bool:
        """Whether there will be no final transcript of all that was fed."""
        if self._closed or self._in_vain or self._sound.lost:
            return True
        return self._ended.is_set() and not self._final

    @property
    def final(self) -> bool:
        """Whether ``text`` is the last word on all that was fed."""
        return self._final and not self.failed

    @property
    def size(self) -> int:
        """Bytes of sound that wait for the engine."""
        return len(self._sound.waiting)

    def feed(self, samples: bytes) -> None:
        """More of the utterance, 16 kHz mono samples of 16 bits."""
        if not self._ended.is_set():
            self._sound.put(samples)

    def complete(self) -> None:
        """The utterance is over: nothing more is fed."""
        self._sound.complete()

    def close(self) -> None:
        """Nobody wants it any more. The engine is stopped a moment later. Closing twice is harmless."""
        self._closed = True
        self._sound.waiting.clear()
        self._scope.cancel("nobody wants to know what was said")

    def abandon(self) -> bool:
        """`close`, unless an engine of whole utterances is at work: that goes on. Whether it does.

        To stop an engine in a process of its own ends the process, and another one loads for seconds, while
        all sessions wait. What is left of an utterance of seconds takes a fraction of one.
        """
        self._in_vain = True
        if self.streams or not self._asking or self._ended.is_set():
            self.close()
            return False
        return True

    def says(self, text: str) -> bool:
        """Whether what was understood last is ``text``, but for case, width and punctuation."""
        return same_words(self.text, text)

    async def result(self) -> str | None:
        """The final transcript, or None where that failed, or was closed: then somebody may try again."""
        await self._ended.wait()
        return self.text if self.final else None

    async def run(self, engine: Callable[[], AbstractAsyncContextManager[Asr]]) -> None:
        """Recognise with ``engine``, as soon as that is loaded. A failure is noted, and not raised."""
        try:
            with self._scope:
                if self.after is not None:
                    with trio.move_on_after(PATIENCE):
                        await self.after._ended.wait()
                    self.after = None
                self._asking = True
                async with engine() as asr, asr.listen(self._sound) as transcripts:
                    async for transcript in transcripts:
                        self._take(transcript)
        except EngineError as error:
            # Whoever needs the words asks again, with all of the sound, and tells what is wrong then.
            logger.debug("recognition while one speaks: {}", error)
        finally:
            self._ended.set()
            self._sound.waiting.clear()
        if not self._closed and not self._in_vain:
            self._changed(self)

    def _take(self, transcript: AsrTranscript) -> None:
        self.text, self.known, self._final = transcript.text[:LONGEST], True, transcript.final
        if transcript.end_of_turn is not None:
            self.judgement = transcript.end_of_turn
        # The last is told when the engine has ended, and all that can be known is.
        if not transcript.final and not self._closed:
            self._changed(self)


@attrs.define(eq=False)
class _Sound(ReceiveChannel[Pcm]):
    """What waits for the engine, which takes all of it at once: a slow one takes fewer and longer chunks."""

    waiting: bytearray = attrs.field(factory=bytearray)
    lost: bool = False
    """Whether something came after the engine had been told that this was all."""
    _complete: bool = False
    _more: trio.lowlevel.ParkingLot = attrs.field(factory=trio.lowlevel.ParkingLot)

    def put(self, samples: bytes) -> None:
        if self._complete:
            self.lost = True
            return
        self.waiting += samples
        self._more.unpark_all()

    def complete(self) -> None:
        self._complete = True
        self._more.unpark_all()

    async def receive(self) -> Pcm:
        """The next chunk. After `STALLED` seconds without one, there is none."""
        with trio.move_on_after(STALLED) as patience:
            while not self.waiting and not self._complete:
                await self._more.park()
        if patience.cancelled_caught:
            self._complete = True
        if not self.waiting:
            await trio.lowlevel.checkpoint()
            raise trio.EndOfChannel
        await trio.lowlevel.checkpoint()
        chunk = Pcm(bytes(self.waiting), RATE)
        self.waiting.clear()
        return chunk

    async def aclose(self) -> None:
        self._complete = True
        self.waiting.clear()
        await trio.lowlevel.checkpoint()


def same_words(one: str, other: str) -> bool:
    """Whether both say the same, but for case, width and punctuation."""
    if one == other or max(len(one), len(other)) > LONGEST_HEARD:
        return one == other
    return [word.form for word in words(plain(one))] == [word.form for word in words(plain(other))]
