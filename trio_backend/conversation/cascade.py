"""`Cascade`: a responder of three engines. Speech recognition, then a language model, then synthesis."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import attrs
import trio

from ..audio.pcm import Pcm
from ..audio.utterance import RATE
from ..concurrency import map_in_order
from ..engines.base import Message, Prompt, Text, Thought, ToolRequest
from ..engines.whole import spoken
from ..errors import EngineError
from ..text.lines import Line, LineReader, slices
from .character import Character
from .events import AudioChunk, Problem, Sentence, Transcript
from .responder import Response, ResponseContext
from .tool_calls import ToolCaller
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
    _synthesis_failed: bool = attrs.field(default=False, init=False)

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
                text = await self._character.speech_engines.transcribe(sound)
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
                await self._read_replies(self._context.prompt(heard.request), lines)

    async def _read_replies(self, prompt: Prompt, lines: trio.MemorySendChannel[Line]) -> None:
        """The model's reply. While it asks for tools, they are called, and it is asked again."""
        context, server = self._context, self._character.tools
        caller = ToolCaller(server, context.turn, self._events.send, context.wait_certain)
        prompt = attrs.evolve(prompt, tools=server.tools)
        for _ in range(context.tool_rounds):
            said, requests = await self._read_reply(prompt, lines)
            if not requests:
                return
            # One after the other, as they were asked for: the second may need what the first has done.
            results = [await caller.call(request) for request in requests]
            message = Message("assistant", said, requests=requests)
            prompt = attrs.evolve(prompt, messages=[*prompt.messages, message, *results])
        _, requests = await self._read_reply(prompt, lines)
        if requests:
            text = f"the model asked for tools more than {context.tool_rounds} times, and is not asked again"
            await self._events.send(Problem("engine-error", text))

    async def _read_reply(
        self, prompt: Prompt, lines: trio.MemorySendChannel[Line]
    ) -> tuple[str, Sequence[ToolRequest]]:
        """The model's tokens, as lines; what it said, and the tools that it asked for.

        An error ends the reply; what came before it is still spoken, and no tool is called.
        """
        reader, timeline = self._reader(), self._context.timeline
        said: list[str] = []
        requests: list[ToolRequest] = []
        try:
            with timeline.until_gone("model"):
                async with self._character.llm.reply(prompt) as parts:
                    async for part in parts:
                        timeline.token()
                        if isinstance(part, ToolRequest):
                            requests.append(part)
                            continue
                        if isinstance(part, Text):
                            said.append(part.text)
                        await self._read_part(reader, part, lines)
        except EngineError as error:
            requests.clear()
            await self._events.send(Problem("engine-error", str(error)))
        for line in reader.flush():
            await self._send_line(lines, line)
        return "".join(said), requests

    async def _read_part(
        self, reader: LineReader, part: Text | Thought, lines: trio.MemorySendChannel[Line]
    ) -> None:
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
        if not line.spoken or self._synthesis_failed:
            return line, _SILENCE
        try:
            return line, await spoken(self._character.tts, line.spoken)
        except EngineError as error:
            # Several sentences may fail at once; that is told once.
            if not self._synthesis_failed:
                self._synthesis_failed = True
                await self._events.send(Problem("engine-error", str(error)))
            return line, _SILENCE
