"""A streamed message of Anthropic's API, as a machine that is fed: the data of events → parts of a reply.

The events, their order, and that unknown ones are to be passed over, are described at
https://platform.claude.com/docs/en/build-with-claude/streaming.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import attrs
import msgspec

from ...errors import EngineError, RequestRefused
from ..base import Thought, ToolRequest
from ..chat_service import Part, TokenUsage
from ..openai.answers import Halves, decode_json
from ..openai.deltas import ToolRequests

_WORD = re.compile(r"\w{1,48}")


@attrs.define
class _Block:
    type: str = ""
    id: str | None = None
    name: str | None = None
    text: str | None = None
    thinking: str | None = None


@attrs.define
class _BlockDelta:
    type: str = ""
    text: str | None = None
    thinking: str | None = None
    partial_json: str | None = None
    stop_reason: str | None = None
    stop_details: Any = None


@attrs.define
class _MessageEvent:
    type: str = ""
    index: int | None = None
    content_block: _Block = attrs.field(factory=_Block)
    delta: _BlockDelta = attrs.field(factory=_BlockDelta)
    message: Any = None
    usage: Any = None
    error: Any = None


@attrs.define
class _AnyEvent:
    type: str = ""


_decoder, _type_of = msgspec.json.Decoder(_MessageEvent), msgspec.json.Decoder(_AnyEvent)
# New ones may come, with whatever is in them, and are to be passed over.
_KNOWN = frozenset({"message_start", "content_block_start", "content_block_delta", "message_delta", "error"})


@attrs.define(eq=False)
class ClaudeReader:
    """A `ReplyReader` of Claude's events. Requests for tools leave whole, when the model is done."""

    finished: bool = attrs.field(default=False, init=False)
    _thinking: bool = attrs.field(default=False, init=False)
    _halves: Halves = attrs.field(factory=Halves, init=False)
    _requests: ToolRequests = attrs.field(factory=ToolRequests, init=False)
    # Counts are cumulative, and a later event may leave out those that have not changed.
    _counts: dict[str, int] = attrs.field(factory=dict, init=False)

    @property
    def usage(self) -> TokenUsage | None:
        """See `ReplyReader.usage`. What the service calls input came from no cache and went into none."""
        if not self._counts:
            return None
        cached = self._counts.get("cache_read_input_tokens", 0)
        fresh = self._counts.get("input_tokens", 0) + self._counts.get("cache_creation_input_tokens", 0)
        return TokenUsage(fresh + cached, cached, self._counts.get("output_tokens", 0))

    def feed(self, data: str) -> list[Part]:
        """See `ReplyReader.feed`."""
        event = self._decode(data)
        match event.type:
            case "message_start":
                self._count(event.message.get("usage") if isinstance(event.message, dict) else None)
            case "content_block_start":
                return self._begin(event)
            case "content_block_delta":
                return self._read(event)
            case "message_delta":
                self._count(event.usage)
                if event.delta.stop_reason:
                    return self._finish(event.delta)
            case "error":
                raise EngineError(_failure(event.error))
        return []

    def _begin(self, event: _MessageEvent) -> list[Part]:
        block = event.content_block
        if block.type == "tool_use":
            self._requests.add(event.index, block.id, block.name, None)
        return [
            *self._text(block.thinking if block.type == "thinking" else None, thought=True),
            *self._text(block.text if block.type == "text" else None, thought=False),
        ]

    def _read(self, event: _MessageEvent) -> list[Part]:
        delta = event.delta
        match delta.type:
            case "text_delta":
                return list(self._text(delta.text, thought=False))
            case "thinking_delta":
                return list(self._text(delta.thinking, thought=True))
            case "input_json_delta":
                # Of a tool that the service itself runs, too. That names none here, so it is no request.
                self._requests.add(event.index, None, None, delta.partial_json)
        return []

    def _text(self, text: str | None, *, thought: bool) -> Iterator[Part]:
        if not text:
            return
        if thought != self._thinking:
            yield from self._flush()
            self._thinking = thought
        yield from self._part(self._halves.feed(text))

    def _flush(self) -> Iterator[Part]:
        yield from self._part(self._halves.flush())

    def _part(self, text: str) -> Iterator[Part]:
        if text:
            yield Thought(text) if self._thinking else text

    def _finish(self, delta: _BlockDelta) -> list[Part]:
        if delta.stop_reason == "refusal":
            details = delta.stop_details if isinstance(delta.stop_details, dict) else {}
            raise RequestRefused(
                f"claude_llm: the model declined to answer ({_word(details.get('category'), 'refusal')}); "
                "say it in other words, or begin a new conversation"
            )
        requests = self._requests.flush()
        if requests and delta.stop_reason in ("max_tokens", "model_context_window_exceeded"):
            # The last of them is cut, and what a tool does with half of its arguments cannot be taken back.
            raise EngineError("claude_llm: the answer ended amid a tool request; raise max_tokens")
        self.finished = True
        # A tool without arguments is asked for with no JSON at all.
        return [
            *self._flush(),
            *(ToolRequest(each.id, each.name, each.arguments or "{}") for each in requests),
        ]

    def _count(self, usage: object) -> None:
        if isinstance(usage, dict):
            self._counts.update({key: value for key, value in usage.items() if isinstance(value, int)})

    @staticmethod
    def _decode(data: str) -> _MessageEvent:
        try:
            if (kind := decode_json(data, _type_of).type) not in _KNOWN:
                return _MessageEvent(kind)
            return decode_json(data, _decoder)
        except ValueError:
            # Not chained: the error would carry what the model said.
            raise EngineError("claude_llm: the server sent something that is not a message's event") from None


def _failure(error: object) -> str:
    """What an error amid the answer means. Its own text is not repeated: it may quote the prompt."""
    told = _word(error.get("type") if isinstance(error, dict) else None, "error")
    match told:
        case "overloaded_error":
            return f"claude_llm: the service is overloaded ({told}) and broke off its answer; try again soon"
        case "rate_limit_error":
            return f"claude_llm: too many requests ({told}); wait a little, or use another model"
        case _:
            return f"claude_llm: the service broke off its answer ({told}); try again"


def _word(value: object, otherwise: str) -> str:
    return value if isinstance(value, str) and _WORD.fullmatch(value) else otherwise
