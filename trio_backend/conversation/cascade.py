"""`Cascade`: a responder of three engines. Speech recognition, then a language model, then synthesis."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import attrs
import trio
from trio.abc import ReceiveChannel

from ..engines.base import Message, Prompt, ReplyPart, Text, Thought, ToolRequest
from ..engines.whole import NO_SOUND
from ..errors import EngineError
from ..text.lines import SLICE, Line, LineReader, slices
from .character import Character
from .events import AudioChunk, Problem, Sentence, Transcript
from .responder import Response, ResponseContext
from .synthesis import MadeSentence, Synthesis
from .tool_calls import ToolCaller
from .user_input import UserInput


@attrs.frozen
class Cascade:
    """A `Responder` of the engines of ``character``."""

    character: Character

    @asynccontextmanager
    async def respond(
        self, user_input: UserInput, context: ResponseContext
    ) -> AsyncIterator[ReceiveChannel[Response]]:
        """See `Responder.respond`."""
        send, receive = trio.open_memory_channel[Response | MadeSentence](0)
        with context.timeline.until_gone("the turn"):
            async with trio.open_nursery() as nursery:
                reply = _Reply(self.character, context, send, nursery)
                nursery.start_soon(reply.run, user_input, name="turn/reply")
                yield _Responses(receive)
                nursery.cancel_scope.cancel("the reply is no longer wanted")


@attrs.define(eq=False)
class _Responses(ReceiveChannel[Response]):
    """What comes from the reply's tasks, without a buffer: of a `MadeSentence`, the sound is next."""

    _events: trio.MemoryReceiveChannel[Response | MadeSentence]
    _sound: AudioChunk | None = attrs.field(default=None, init=False)

    async def receive(self) -> Response:
        if self._sound is not None:
            # Others have their turn before each sentence; a turn that is cut goes no further.
            await trio.lowlevel.checkpoint_if_cancelled()
            sound, self._sound = self._sound, None
            return sound
        event = await self._events.receive()
        if isinstance(event, MadeSentence):
            self._sound = event.sound
            return event.sentence
        return event

    async def aclose(self) -> None:
        self._sound = None
        await self._events.aclose()


@attrs.define(eq=False)
class _Reply:
    """One reply on its way.

    One task reads the model; each sentence has one, which sends it when those before it were sent.
    """

    _character: Character
    _context: ResponseContext
    _events: trio.MemorySendChannel[Response | MadeSentence]
    _nursery: trio.Nursery
    _sentences: int = attrs.field(default=0, init=False)
    _last: trio.Event | None = attrs.field(default=None, init=False)
    """Set when the last sentence so far was sent."""
    _ahead: trio.Semaphore = attrs.field(init=False)
    """Sentences that may still be begun before one of those in synthesis was sent."""
    _synthesis: Synthesis = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._ahead = trio.Semaphore(self._context.ahead)
        self._synthesis = Synthesis(
            self._character.tts, self._context.timeline, self._events, self._character.translate
        )

    async def run(self, user_input: UserInput) -> None:
        """From the input to the last sound; then the channel is closed."""
        await self._answer(user_input)
        if self._last is not None:
            await self._last.wait()
        # Not on an error, nor on a cancel: the sentences that are being sent end with the nursery, for the
        # right reason.
        self._events.close()

    async def _answer(self, user_input: UserInput) -> None:
        """All but the sentences that are still on their way."""
        context, text = self._context, user_input.text
        if user_input.is_speech:
            understood = await self._recognize(user_input)
            if understood is None:
                return
            text = understood
            await self._events.send(Transcript(context.turn, text))
        heard, used = context.hear(text)
        if used is not None:
            await self._events.send(used)
        if heard.answer:
            reader = self._reader()
            for line in (*reader.feed(heard.answer), *reader.flush()):
                await self._begin(line)
        if heard.request is not None:
            await self._read_replies(context.prompt(heard.request))

    async def _recognize(self, user_input: UserInput) -> str | None:
        """What was said; None where nothing can be made out."""
        timeline = self._context.timeline
        try:
            with timeline.until_gone("recognition"):
                sound, recognition = user_input.sound or NO_SOUND, user_input.recognition
                text = user_input.text or await self._character.speech_engines.transcribe(sound, recognition)
        except EngineError as error:
            await self._events.send(Problem("engine-error", str(error)))
            return None
        timeline.transcript()
        await self._tell_replacements()
        return text if text.strip() else None

    async def _read_replies(self, prompt: Prompt) -> None:
        """The model's reply. While it asks for tools, they are called, and it is asked again."""
        context, server = self._context, self._character.tools
        caller = ToolCaller(server, context.turn, self._events.send, context.wait_certain)
        prompt = attrs.evolve(prompt, tools=server.tools)
        for _ in range(context.tool_rounds):
            said, requests = await self._read_reply(prompt)
            if not requests:
                return
            # One after the other, as they were asked for: the second may need what the first has done.
            results = [await caller.call(request) for request in requests]
            message = Message("assistant", said, requests=requests)
            prompt = attrs.evolve(prompt, messages=[*prompt.messages, message, *results])
        _, requests = await self._read_reply(prompt)
        if requests:
            text = f"the model asked for tools more than {context.tool_rounds} times, and is not asked again"
            await self._events.send(Problem("engine-error", text))

    async def _read_reply(self, prompt: Prompt) -> tuple[str, Sequence[ToolRequest]]:
        """The model's tokens, as lines; what it said, and the tools that it asked for.

        An error ends the reply; what came before it is still spoken, and no tool is called.
        """
        reader, timeline = self._reader(), self._context.timeline
        said: list[str] = []
        requests: list[ToolRequest] = []
        try:
            with timeline.until_gone("model"):
                async with self._character.llm.reply(prompt) as parts:
                    await self._read_parts(parts, reader, said, requests)
        except EngineError as error:
            requests.clear()
            await self._events.send(Problem("engine-error", str(error)))
        await self._tell_replacements()
        for line in reader.flush():
            await self._begin(line)
        return "".join(said), requests

    async def _read_parts(
        self,
        parts: ReceiveChannel[ReplyPart],
        reader: LineReader,
        said: list[str],
        requests: list[ToolRequest],
    ) -> None:
        timeline = self._context.timeline
        async for part in parts:
            timeline.tokens += 1
            if timeline.first_token is None:
                timeline.token()
            if isinstance(part, ToolRequest):
                requests.append(part)
                continue
            thought = isinstance(part, Thought)
            if not thought:
                said.append(part.text)
            if len(part.text) > SLICE:
                await self._read_long(reader, part)
            else:  # as it is with most parts, and a step of its own would cost more than the rest
                for line in reader.feed(part.text, thought=thought):
                    await self._begin(line)

    async def _read_long(self, reader: LineReader, part: Text | Thought) -> None:
        # A model may send megabytes at once: others have their turn in between.
        for number, piece in enumerate(slices(part.text)):
            if number:
                await trio.lowlevel.checkpoint()
            for line in reader.feed(piece, thought=isinstance(part, Thought)):
                await self._begin(line)

    def _reader(self) -> LineReader:
        config = self._character.config
        return LineReader(config.emotions, config.speech_filters, first_early=config.faster_first_response)

    async def _begin(self, line: Line) -> None:
        """Have ``line`` spoken and sent, as soon as fewer than ``ahead`` are on their way."""
        self._context.timeline.sentence()
        # A step of the scheduler less for each sentence: the model's next token is one soon enough.
        if self._ahead.value:
            self._ahead.acquire_nowait()
        else:
            await self._ahead.acquire()
        before, self._last = self._last, trio.Event()
        self._nursery.start_soon(self._speak, line, self._sentences, before, self._last, name="turn/sentence")
        self._sentences += 1

    async def _speak(self, line: Line, index: int, before: trio.Event | None, sent: trio.Event) -> None:
        """``line`` with its sound, after the one ``before``."""
        context = self._context
        sentence = Sentence(
            context.turn, index, line.source, line.display, line.spoken, line.emotions, line.thought
        )
        with context.timeline.until_gone("synthesis"):
            await self._synthesis.speak(sentence, before)
        await self._tell_replacements()
        sent.set()
        self._ahead.release()

    async def _tell_replacements(self) -> None:
        """Say which engine was used in place of another, once for each time that one fails."""
        for text in self._character.replacements.take():
            await self._events.send(Problem("engine-replaced", text))
