"""`HttpLlm`: a language model behind HTTP, whose reply is a stream of server-sent events."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import islice

import attrs
import trio
from loguru import logger

from ..errors import AnswerTooLong, EngineError, HttpFailed
from .base import Message, Nudge, Prompt, ReplyPart
from .chat_service import ChatService, Part, ReplyReader
from .http_answer import HttpAnswer
from .openai.answers import json_of, not_a_stream
from .openai.connection import ModelServer, open_model_server, read_refused, unreachable
from .openai.deltas import EventReader
from .whole import tagged

LINGER = 0.05
"""Seconds for the last bytes of a finished answer, whose connection can then be used again."""

# Bytes and events without a part of the reply that are read in one step, a millisecond at the worst: a read
# brings up to 64 kB, which as empty lines or empty events were 8 ms. Of a token there are some 200 bytes.
SLICE, QUIET_EVENTS = 8 * 1024, 64


@asynccontextmanager
async def open_http_chat(service: ChatService) -> AsyncIterator[HttpLlm]:
    """Nothing is asked yet: the first reply makes the first connection."""
    async with open_model_server(
        service.endpoint, connect=service.connect_timeout, headers=service.headers
    ) as server:
        yield HttpLlm(service, server)


@attrs.frozen
class HttpLlm:
    """An `Llm`. All replies share one pool of connections."""

    config: ChatService
    _server: ModelServer

    @asynccontextmanager
    async def reply(self, prompt: Prompt) -> AsyncIterator[trio.abc.ReceiveChannel[ReplyPart]]:
        """The request leaves with the first receive; a receive that is cancelled ends the reply."""
        async with tagged(_ChatReply(self.config, self._server, prompt)) as reply:
            yield reply


@attrs.define(eq=False)
class _ChatReply(trio.abc.ReceiveChannel[Part]):
    """Reads the answer in the task that receives: no task and no buffer of its own."""

    _config: ChatService
    _server: ModelServer
    _prompt: Prompt
    _deltas: ReplyReader = attrs.field(init=False)
    _answer: HttpAnswer | None = attrs.field(default=None, init=False)
    _reader: EventReader = attrs.field(factory=EventReader, init=False)
    _received: bytes = attrs.field(default=b"", init=False, repr=False)
    _events: deque[str] = attrs.field(factory=deque, init=False, repr=False)
    _begun: bool = attrs.field(default=False, init=False)
    _parts: deque[Part] = attrs.field(factory=deque, init=False, repr=False)

    @_deltas.default
    def _its_reader(self) -> ReplyReader:
        return self._config.reader()

    async def receive(self) -> Part:
        if self._begun:
            return await self._next(trio.current_time() + self._config.token_timeout)
        with trio.move_on_after(self._config.first_token_timeout):
            part = await self._next(math.inf)
            self._begun = True
            return part
        raise self._silent("did not begin to answer", self._config.first_token_timeout)

    async def aclose(self) -> None:
        if self._answer is None:
            await trio.lowlevel.checkpoint()
        else:
            rest = await self._answer.finish(within=LINGER if self._deltas.finished else 0)
            if self._deltas.finished:
                self._tell_usage(rest)

    @property
    def _name(self) -> str:
        return self._config.endpoint.provider.name

    def _silent(self, what: str, timeout: float) -> EngineError:
        return EngineError(f"{self._name}: the model {what} within {timeout:g} s; it may be overloaded")

    async def _next(self, by: float) -> Part:
        """The next part, of which there must be more ``by`` a time of Trio's clock."""
        if self._parts:
            await trio.lowlevel.checkpoint()
            return self._parts.popleft()
        if self._answer is None:
            self._answer = await self._ask()
        try:
            await self._read(self._answer, by)
        except AnswerTooLong:
            raise EngineError(
                f"{self._name}: the model server sent a part of its answer that is too long"
            ) from None
        except HttpFailed as error:
            if error.stage == "silent":
                what = "went silent in the middle of its answer"
                raise self._silent(what, self._config.token_timeout) from error
            raise EngineError(unreachable(self._config.endpoint, error).text) from error
        if not self._parts:
            raise trio.EndOfChannel
        return self._parts.popleft()

    async def _read(self, answer: HttpAnswer, by: float) -> None:
        """Until there is a part, or the reply is over."""
        quiet = 0
        while not self._parts and not self._deltas.finished:
            if quiet >= QUIET_EVENTS:
                quiet = 0
                await trio.lowlevel.checkpoint()
            if self._events:
                quiet += 1
                self._parts.extend(self._deltas.feed(self._events.popleft()))
            elif self._received:
                piece, self._received = self._received[:SLICE], self._received[SLICE:]
                quiet = QUIET_EVENTS if self._received else quiet
                self._events.extend(self._reader.feed(piece))
            elif received := await answer.receive(by=by):
                self._received = received
            else:
                raise EngineError(f"{self._name}: the answer broke off before its end; try again")

    def _tell_usage(self, rest: bytes) -> None:
        """Log what the reply cost, of which some services tell only in ``rest``, behind its end."""
        if self._deltas.usage is None:
            # All has been said: what is wrong behind the end is nobody's concern.
            with suppress(EngineError, AnswerTooLong):
                self._events.extend(self._reader.feed((self._received + rest)[:SLICE]))
                for event in islice(self._events, QUIET_EVENTS):
                    self._deltas.feed(event)
        if (usage := self._deltas.usage) is not None:
            logger.debug(
                "{}: {} tokens read, {} of them from the cache, {} written",
                self._name,
                usage.prompt,
                usage.cached,
                usage.reply,
            )

    async def _ask(self) -> HttpAnswer:
        body = await self._body()
        response = await self._server.ask(self._config.path, body, accept="text/event-stream")
        if not response.headers.get("content-type", "").lower().startswith("text/event-stream"):
            answer = await read_refused(response)
            raise EngineError(not_a_stream(self._config.endpoint, answer).text)
        return response

    async def _body(self) -> bytes:
        request = self._config.request(self._prompt)
        if any(isinstance(message, Message | Nudge) and message.images for message in self._prompt.messages):
            # Megabytes of images take longer than the loop may be held up.
            return await trio.to_thread.run_sync(json_of, request)
        return json_of(request)
