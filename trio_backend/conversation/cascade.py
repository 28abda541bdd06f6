"""`Cascade`: a responder of three engines. Speech recognition, then a language model, then synthesis."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs
import trio

from ..audio.pcm import Pcm
from ..audio.utterance import RATE
from ..concurrency import map_in_order
from ..engines.base import Prompt, ReplyPart, Thought, ToolRequest
from ..engines.whole import spoken
from ..errors import EngineError
from ..text.lines import Line, LineReader, slices
from .character import Character
from .events import AudioChunk, Problem, Sentence, Transcript
from .responder import Response, ResponseContext
from .user_input import UserInput
from .wake_word import Heard

# What a sentence without sound has: no samples, at a rate that nobody looks at.
_SILENCE = Pcm(b"", RATE)


@attrs.frozen
class Cascade:
    """A `Responder` of the engines of ``character``."""

    character: Character

    @asynccontextmanager
    async def respond(
        self, user_input: UserInput, context: ResponseContext
    ) -> AsyncIterator[trio.abc.ReceiveChannel[Response]]:
        """See `Responder.respond`."""
        send, receive = trio.open_memory_channel[Response](0)
        with context.timeline.until_gone("the turn"):
            async with trio.open_nursery() as nursery:
                reply = _Reply(self.character, context, send, nursery)
                nursery.start_soon(reply.run, user_input, name="turn/reply")
                yield receive
                nursery.cancel_scope.cancel("the reply is no longer wanted")


@attrs.define(eq=False)
class _Reply:
    """One reply on its way."""

    _character: Character
    _context: ResponseContext
    _events: trio.MemorySendChannel[Response]
    _nursery: trio.Nursery
    _voice_failed: bool = attrs.field(default=False, init=False)

    async def run(self, user_input: UserInput) -> None:
        """From the input to the last sound."""
        context = self._context
        async with self._events:
            text = user_input.text
            if user_input.sound is not None:
                understood = await self._recognize(user_input.sound)
                if understood is None:
                    return
                text = understood
                await self._events.send(Transcript(context.turn, text))
            heard, used = context.hear(text)
            if used is not None:
                await self._events.send(used)
            if heard.answer or heard.request is not None:
                await self._speak(heard)

    async def _recognize(self, sound: Pcm) -> str | None:
        """What is said in ``sound``; None where nothing can be made out."""
        timeline = self._context.timeline
        try:
            with timeline.until_gone("recognition"):
                text = await self._character.ears.transcribe(sound)
        except EngineError as error:
            await self._events.send(Problem("engine-error", str(error)))
            return None
        timeline.transcript()
        return text if text.strip() else None

    async def _speak(self, heard: Heard) -> None:
        """Sentences as they come, each with its sound, in order."""
        context = self._context
        to_synthesis, lines = trio.open_memory_channel[Line](0)
        self._nursery.start_soon(self._write, heard, to_synthesis, name="turn/model")
        with context.timeline.until_gone("synthesis"):
            async with map_in_order(self._synthesize, lines, ahead=context.ahead) as sentences:
                index = 0
                async for line, pcm in sentences:
                    await self._hand_out(index, line, pcm)
                    index += 1

    async def _hand_out(self, index: int, line: Line, pcm: Pcm) -> None:
        turn = self._context.turn
        sentence = Sentence(turn, index, line.source, line.display, line.spoken, line.emotions, line.thought)
        await self._events.send(sentence)
        await self._events.send(AudioChunk(turn, index, pcm))

    async def _write(self, heard: Heard, lines: trio.MemorySendChannel[Line]) -> None:
        """What needs no model, then the model's reply, as lines."""
        with lines:
            reader = self._reader()
            for line in (*reader.feed(heard.answer), *reader.flush()):
                await self._send_line(lines, line)
            if heard.request is not None:
                await self._read_reply(self._context.prompt(heard.request), lines)

    async def _read_reply(self, prompt: Prompt, lines: trio.MemorySendChannel[Line]) -> None:
        """The model's tokens, as lines. An error ends the reply; what came before it is still spoken."""
        reader, timeline = self._reader(), self._context.timeline
        try:
            with timeline.until_gone("model"):
                async with self._character.llm.reply(prompt) as parts:
                    async for part in parts:
                        timeline.token()
                        await self._read_part(reader, part, lines)
        except EngineError as error:
            await self._events.send(Problem("engine-error", str(error)))
        for line in reader.flush():
            await self._send_line(lines, line)

    async def _read_part(
        self, reader: LineReader, part: ReplyPart, lines: trio.MemorySendChannel[Line]
    ) -> None:
        if isinstance(part, ToolRequest):
            # No tool is offered to the model yet, so whatever it asks for does not exist.
            return
        # A model may send megabytes at once: others have their turn in between.
        for number, piece in enumerate(slices(part.text)):
            if number:
                await trio.lowlevel.checkpoint()
            for line in reader.feed(piece, thought=isinstance(part, Thought)):
                await self._send_line(lines, line)

    def _reader(self) -> LineReader:
        config = self._character.config
        return LineReader(config.emotions, config.speech_filters, first_early=config.faster_first_response)

    async def _send_line(self, lines: trio.MemorySendChannel[Line], line: Line) -> None:
        self._context.timeline.sentence()
        await lines.send(line)

    async def _synthesize(self, line: Line) -> tuple[Line, Pcm]:
        """The sound of ``line``. An engine that fails leaves it, and the rest of the turn, to be read."""
        if not line.spoken or self._voice_failed:
            return line, _SILENCE
        try:
            return line, await spoken(self._character.tts, line.spoken)
        except EngineError as error:
            # Several sentences may fail at once; that is told once.
            if not self._voice_failed:
                self._voice_failed = True
                await self._events.send(Problem("engine-error", str(error)))
            return line, _SILENCE
