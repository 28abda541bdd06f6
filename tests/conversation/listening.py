"""An input of speech with engines that are told what to understand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import attrs
import trio
from trio.abc import ReceiveChannel
from trio.testing import wait_all_tasks_blocked

from tests.conftest import character
from trio_backend.audio.endpointing import WINDOW_BYTES, Rules
from trio_backend.audio.pcm import Pcm
from trio_backend.config.character import EngineChoice
from trio_backend.conversation.end_of_turn import Judgement, SpeechTiming
from trio_backend.conversation.events import Event, PartialTranscript
from trio_backend.conversation.microphone import Microphone
from trio_backend.conversation.recognition import Recognition
from trio_backend.conversation.speech_engines import SpeechEngines, open_speech_engines
from trio_backend.conversation.speech_input import SpeechInput
from trio_backend.engines.base import AsrTranscript

from .talking import Talking

RULES = Rules(db_threshold=0, required_hits=2, required_misses=100, smoothing_window=1)


@attrs.define(eq=False)
class Told:
    """A `Vad` for which sound is speech, and an `Asr` that says what it is told to say."""

    streams: bool = True
    rules: Rules = RULES
    heard: list[bytes] = attrs.field(factory=list)
    _transcripts: list[trio.MemorySendChannel[AsrTranscript]] = attrs.field(factory=list)

    def detector(self) -> Told:
        """Itself."""
        return self

    def probability(self, window: bytes) -> float:
        """Sound is speech."""
        return float(any(window))

    @asynccontextmanager
    async def listen(self, sound: ReceiveChannel[Pcm]) -> AsyncIterator[ReceiveChannel[AsrTranscript]]:
        """Notes what it hears; what it understands is told by `say`."""
        number = len(self.heard)
        self.heard.append(b"")
        send, receive = trio.open_memory_channel[AsrTranscript](10)
        self._transcripts.append(send)

        async def hear() -> None:
            async for chunk in sound:
                self.heard[number] += chunk.samples

        async with trio.open_nursery() as nursery:
            nursery.start_soon(hear)
            with receive:
                yield receive
            nursery.cancel_scope.cancel()

    async def say(self, text: str, judgement: Judgement | None = None, *, final: bool = False) -> None:
        """The newest transcript of the newest utterance."""
        self._transcripts[-1].send_nowait(AsrTranscript(text, final, judgement))
        if final:
            self._transcripts[-1].close()
        await wait_all_tasks_blocked()

    @asynccontextmanager
    async def lease(self, choice: EngineChoice) -> AsyncIterator[Told]:
        """Either kind of engine, at once."""
        del choice
        await trio.lowlevel.checkpoint()
        yield self


@attrs.define(eq=False)
class Turns:
    """`ProvisionalTurns` that notes in ``log`` what is begun and discarded."""

    log: list[str]
    _begun: bool = False

    def begin(self, words: str, recognition: Recognition) -> bool:
        """Note it."""
        del recognition
        self.log.append(f"begin {words}")
        self._begun = True
        return True

    def discard(self) -> None:
        """Note it, if there was something to discard."""
        if self._begun:
            self.log.append("discard")
        self._begun = False

    def recognition_discarded(self) -> None:
        """Note it."""
        self.log.append("in vain")


@attrs.define(eq=False)
class Listening:
    """A `SpeechInput` at work, and what it told."""

    input: SpeechInput
    asr: Told
    engines: SpeechEngines
    log: list[str]
    turns: Turns
    speaking: Talking

    async def hear(self, speech: int = 0, silence: int = 0) -> None:
        """So many windows of each."""
        for _ in range(speech):
            await self.input.listen(b"\1\1" * (WINDOW_BYTES // 2), self.engines)
        for _ in range(silence):
            await self.input.listen(bytes(WINDOW_BYTES), self.engines)
        await wait_all_tasks_blocked()

    def take(self) -> list[str]:
        """What was noted since the last time."""
        taken, self.log[:] = [*self.log], []
        return taken


@asynccontextmanager
async def listening(
    *,
    streams: bool = True,
    pause: float = 0.2,
    limit: float = 60,
    min_interrupt: float = 0.0,
    says: str = "",
    keep: Callable[[int], None] = lambda _size: None,
) -> AsyncIterator[Listening]:
    """Engines that are loaded, and an input that heard silence, while the character ``says`` something."""
    log, asr = list[str](), Told(streams)
    speaking = Talking(log, says, notes_stop=bool(says))

    async def emit(event: Event) -> None:
        await trio.lowlevel.checkpoint()
        name = f"partial {event.text}" if isinstance(event, PartialTranscript) else type(event).__name__
        log.append(name)

    async with (
        trio.open_nursery() as nursery,
        open_speech_engines(character("mao"), asr.lease) as engines,
    ):
        turns = Turns(log)
        timing = SpeechTiming(pause, 0.3, 1.6, min_interrupt)
        microphone = Microphone(limit, keep)
        speech_input = SpeechInput(emit, speaking, microphone, nursery, timing=timing, turns=turns)
        at_work = Listening(speech_input, asr, engines, log, turns, speaking)
        await at_work.hear(silence=2)
        yield at_work
        speech_input.close()
        nursery.cancel_scope.cancel("the test is over")
