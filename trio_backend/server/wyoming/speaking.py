"""Text that comes in pieces, spoken sentence by sentence while it comes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import attrs
import trio

from ...audio.pcm import Pcm
from ...conversation.events import AudioChunk, Problem, Sentence, TurnId
from ...conversation.responder import Response
from ...conversation.synthesis import MadeSentence, Synthesis
from ...conversation.timeline import Timeline
from ...engines.base import Tts
from ...errors import EngineError, ProtocolError
from ...text.lines import Line, LineReader, SpeechFilters, slices
from ...text.thoughts import Part, ThoughtReader


@attrs.define(eq=False)
class TextToSpeak:
    """Cuts a text into sentences, and hands on those of which something is spoken.

    ``longest`` is how many characters it may have, as it is written and as it is spoken.
    """

    _filters: SpeechFilters
    _longest: int
    _sentences: trio.MemorySendChannel[str]
    _thoughts: ThoughtReader = attrs.field(factory=ThoughtReader, init=False)
    _lines: LineReader = attrs.field(init=False)
    _written: int = attrs.field(default=0, init=False)
    _spoken: int = attrs.field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self._lines = LineReader((), self._filters, first_early=False)

    async def feed(self, text: str) -> None:
        """Take in the next piece; waits while enough sentences are being spoken.

        Raises `ProtocolError` if the text is too long.
        """
        self._written += len(text)
        self._check(self._written)
        for piece in slices(text):
            await self._read(self._thoughts.feed(piece))
            # Others have their turn in between.
            await trio.lowlevel.checkpoint()

    async def finish(self) -> None:
        """There is no more of it: what is left is the last sentence."""
        await self._read(self._thoughts.flush())
        await self._hand_on(self._lines.flush())
        self._sentences.close()

    async def _read(self, parts: list[Part]) -> None:
        for part in parts:
            await self._hand_on(self._lines.feed(part.text, thought=part.thought))

    async def _hand_on(self, lines: list[Line]) -> None:
        for line in lines:
            # NFKC can make 18 characters of one: U+FDFA stands for a whole phrase.
            self._spoken += len(line.spoken)
            self._check(self._spoken)
            if line.spoken:
                await self._sentences.send(line.spoken)

    def _check(self, length: int) -> None:
        if length > self._longest:
            text = f"the text is longer than {self._longest} characters (max_speech_text)"
            raise ProtocolError("text-too-long", text)


async def speak_in_order(
    sentences: trio.MemoryReceiveChannel[str],
    tts: Tts,
    give: Callable[[Pcm], Awaitable[None]],
    *,
    ahead: int,
) -> None:
    """Speak ``sentences``, up to ``ahead`` of them at once; ``give`` gets their sound in order, as it comes.

    Raises `EngineError`, and what ``give`` raises, in an `ExceptionGroup`. A cancel stops the engine.
    """
    send, events = trio.open_memory_channel[Response | MadeSentence](0)
    async with trio.open_nursery() as nursery, events:
        synthesis = Synthesis(tts, Timeline(), send)
        nursery.start_soon(_speak_all, sentences, synthesis, send, ahead, name="wyoming/sentences")
        async for event in events:
            match event:
                case Problem(text=text):
                    raise EngineError(text)
                case MadeSentence(sound=chunk) | (AudioChunk() as chunk):
                    if chunk.pcm.samples:
                        await give(chunk.pcm)
                case _:
                    pass  # the sentence, before its sound


async def _speak_all(
    sentences: trio.MemoryReceiveChannel[str],
    synthesis: Synthesis,
    events: trio.MemorySendChannel[Response | MadeSentence],
    ahead: int,
) -> None:
    room, before, count = trio.Semaphore(ahead), None, 0

    async def speak(sentence: Sentence, before: trio.Event | None, sent: trio.Event) -> None:
        await synthesis.speak(sentence, before)
        sent.set()
        room.release()

    async with events, trio.open_nursery() as nursery:
        async for text in sentences:
            await room.acquire()
            sentence, sent = Sentence(TurnId(0), count, text, text, text), trio.Event()
            nursery.start_soon(speak, sentence, before, sent, name="wyoming/sentence")
            before, count = sent, count + 1
