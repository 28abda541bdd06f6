"""`OpenAiLlm`: a language model behind ``/chat/completions``."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import msgspec
import trio

from ...errors import AnswerTooLong, EngineError, HttpFailed
from ..base import Message, Nudge, Prompt, ReplyPart, Tool, ToolRequest, ToolResult
from ..http_answer import HttpAnswer
from ..whole import tagged
from .answers import decode_json, json_of, not_a_stream
from .configs import ChatConfig
from .connection import ModelServer, open_model_server, read_refused, unreachable
from .deltas import DeltaReader, EventReader, Part

_object = msgspec.json.Decoder(dict[str, Any])

LINGER = 0.05
"""Seconds for the last bytes of a finished answer, whose connection can then be used again."""

# Bytes and events without a part of the reply that are read in one step, a millisecond at the worst: a read
# brings up to 64 kB, which as empty lines or empty events were 8 ms. Of a token there are some 200 bytes.
SLICE, QUIET_EVENTS = 8 * 1024, 64


@asynccontextmanager
async def open_chat(config: ChatConfig) -> AsyncIterator[OpenAiLlm]:
    """Nothing is asked yet: the first reply makes the first connection."""
    async with open_model_server(config.endpoint, connect=config.connect_timeout) as server:
        yield OpenAiLlm(config, server)


@attrs.frozen
class OpenAiLlm:
    """An `Llm`. All replies share one pool of connections."""

    config: ChatConfig
    _server: ModelServer

    @asynccontextmanager
    async def reply(self, prompt: Prompt) -> AsyncIterator[trio.abc.ReceiveChannel[ReplyPart]]:
        """The request leaves with the first receive; a receive that is cancelled ends the reply."""
        async with tagged(_ChatReply(self.config, self._server, prompt)) as reply:
            yield reply


@attrs.define(eq=False)
class _ChatReply(trio.abc.ReceiveChannel[Part]):
    """Reads the answer in the task that receives: no task and no buffer of its own."""

    _config: ChatConfig
    _server: ModelServer
    _prompt: Prompt
    _deltas: DeltaReader = attrs.field(factory=DeltaReader, init=False)
    _answer: HttpAnswer | None = attrs.field(default=None, init=False)
    _reader: EventReader = attrs.field(factory=EventReader, init=False)
    _received: bytes = attrs.field(default=b"", init=False, repr=False)
    _events: deque[str] = attrs.field(factory=deque, init=False, repr=False)
    _begun: bool = attrs.field(default=False, init=False)
    _parts: deque[Part] = attrs.field(factory=deque, init=False, repr=False)

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
            await self._answer.finish(within=LINGER if self._deltas.finished else 0)

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

    async def _ask(self) -> HttpAnswer:
        body = await self._body()
        response = await self._server.ask("chat/completions", body, accept="text/event-stream")
        if not response.headers.get("content-type", "").lower().startswith("text/event-stream"):
            answer = await read_refused(response)
            raise EngineError(not_a_stream(self._config.endpoint, answer).text)
        return response

    async def _body(self) -> bytes:
        request = request_of(self._config, self._prompt)
        if any(isinstance(message, Message | Nudge) and message.images for message in self._prompt.messages):
            # Megabytes of images take longer than the loop may be held up.
            return await trio.to_thread.run_sync(json_of, request)
        return json_of(request)


def request_of(config: ChatConfig, prompt: Prompt) -> dict[str, object]:
    """The JSON of the request; what is not set is left to the server."""
    system = [{"role": "system", "content": prompt.system}] if prompt.system else []
    request: dict[str, object] = {
        "model": config.endpoint.model,
        "messages": [*system, *map(_message, prompt.messages)],
        "stream": True,
    }
    if prompt.tools:
        request["tools"] = [_tool(tool) for tool in prompt.tools]
    if config.temperature is not None:
        request["temperature"] = config.temperature
    if config.max_tokens is not None:
        request["max_tokens"] = config.max_tokens
    return request


def _tool(tool: Tool) -> dict[str, object]:
    function = {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)}
    return {"type": "function", "function": function}


def _tool_call(request: ToolRequest) -> dict[str, object]:
    # Servers read the arguments again, and refuse the whole prompt where a model has written no JSON.
    try:
        decode_json(request.arguments, _object)
    except ValueError:
        arguments = "{}"
    else:
        arguments = request.arguments
    return {"id": request.id, "type": "function", "function": {"name": request.name, "arguments": arguments}}


def _message(message: Message | Nudge | ToolResult) -> dict[str, object]:
    if isinstance(message, ToolResult):
        return {"role": "tool", "tool_call_id": message.id, "content": message.content}
    if isinstance(message, Message) and message.requests:
        calls = [_tool_call(request) for request in message.requests]
        return {"role": message.role, "content": message.content or None, "tool_calls": calls}
    # The interface knows no instruction in mid-conversation that all models heed, but the user's words.
    role = "user" if isinstance(message, Nudge) else message.role
    if not message.images:
        return {"role": role, "content": message.content}
    images = [{"type": "image_url", "image_url": {"url": url}} for url in message.images]
    return {"role": role, "content": [{"type": "text", "text": message.content}, *images]}
