"""A streamed chat completion, as machines that are fed: bytes → the data of events → parts of a reply.

Events are server-sent ones, after the HTML standard,
https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream, of which only ``data``
means anything here. The HTTP library has such a reader, too; that one leaves its connection to the garbage
collector where an event is too long, and knows no byte order mark.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import attrs
import msgspec

from ...errors import AnswerTooLong, EngineError, RequestRefused
from ..base import Thought, ToolRequest
from ..chat_service import Part, TokenUsage
from .answers import Halves, decode_json

LONGEST_EVENT = 2**20
"""Characters. An event is a token, or with some servers a whole answer; more comes from a broken one."""


@attrs.define(eq=False)
class EventReader:
    """Fed the bytes of a stream, in any pieces. What is no UTF-8 becomes U+FFFD."""

    _decoder: codecs.IncrementalDecoder = attrs.field(init=False)
    _begun: bool = attrs.field(default=False, init=False)
    _after_cr: bool = attrs.field(default=False, init=False)
    # In pieces, since a server may send a line byte by byte.
    _line: list[str] = attrs.field(factory=list, init=False)
    _data: list[str] = attrs.field(factory=list, init=False)
    _size: int = attrs.field(default=0, init=False)

    @_decoder.default
    def _utf_8(self) -> codecs.IncrementalDecoder:
        return codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, received: bytes) -> list[str]:
        """The data of the events that ``received`` completes. Raises `AnswerTooLong`."""
        *ends, begin = self._lines(self._decoder.decode(received))
        events = []
        for end in ends:
            line = end
            if self._line:
                line = "".join([*self._line, end])
                # Its pieces are counted, and it is counted again if it is data.
                self._size -= len(line) - len(end)
                self._line.clear()
            if line:
                self._take(line)
            else:
                if self._data:
                    events.append("\n".join(self._data))
                self._data.clear()
                self._size = 0
        if begin:
            self._line.append(begin)
            self._count(len(begin))
        return events

    def _lines(self, text: str) -> list[str]:
        """``text`` at its line ends, which are CR, LF or both; the last piece is the begin of a line."""
        if text and not self._begun:
            self._begun, text = True, text.removeprefix("\ufeff")
        if text and self._after_cr:
            # A pair of them that was torn apart is one end.
            self._after_cr, text = False, text.removeprefix("\n")
        if "\r" in text:
            self._after_cr = text.endswith("\r")
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        return text.split("\n")

    def _take(self, line: str) -> None:
        field, _, value = line.partition(":")
        if field == "data":
            self._data.append(value.removeprefix(" "))
            self._count(len(line) + 1)

    def _count(self, more: int) -> None:
        self._size += more
        if self._size > LONGEST_EVENT:
            raise AnswerTooLong("an event is too long")


MOST_CALLS = 64
"""Tools that one reply may ask for; more comes from a broken server."""

LONGEST_CALLS = 2**20
"""Characters of all their arguments together."""


@attrs.define
class _Function:
    name: str | None = None
    arguments: str | None = None


@attrs.define
class _CallDelta:
    index: int | None = None
    id: str | None = None
    function: _Function = attrs.field(factory=_Function)


@attrs.define
class _Piece:
    """A piece of ``content`` of Mistral's reasoning models, where ``thinking`` is a list of such again."""

    text: str | None = None
    thinking: Any = None


@attrs.define
class _Delta:
    content: str | list[_Piece] | None = None
    # DeepSeek, Zhipu, llama.cpp and LM Studio have the first, Ollama, Groq and OpenRouter the second, and
    # Ollama's own interface, which some servers in front of it pass on, the third. vLLM sends two alike.
    reasoning_content: str | None = None
    reasoning: str | None = None
    thinking: str | None = None
    # Checked one by one: a malformed tool request must not lose the rest of the answer.
    tool_calls: Any = None


@attrs.define
class _Choice:
    delta: _Delta = attrs.field(factory=_Delta)
    finish_reason: str | None = None


@attrs.define
class _Chunk:
    choices: list[_Choice] = attrs.field(factory=list)
    error: Any = None
    # Only counted, for the log: whatever a server sends there loses nobody the answer.
    usage: Any = None
    x_groq: Any = None


_decoder = msgspec.json.Decoder(_Chunk)


@attrs.define(eq=False)
class DeltaReader:
    """Fed the data of one event after the other; ``finished`` once the model has said that it is done.

    What a model reasons before it answers comes in fields of its own. Characters whose halves come in two
    events are put together; no half ever leaves here. Requests for tools come in pieces, and leave whole when
    the model is done.
    """

    finished: bool = attrs.field(default=False, init=False)
    usage: TokenUsage | None = attrs.field(default=None, init=False)
    _thinking: bool = attrs.field(default=False, init=False)
    _halves: Halves = attrs.field(factory=Halves, init=False)
    _calls: ToolRequests = attrs.field(factory=lambda: ToolRequests(), init=False)

    def feed(self, data: str) -> list[Part]:
        """The next parts of the reply, often none. Raises `EngineError` where the model stopped in error."""
        if data.strip() == "[DONE]":
            return self._finish()
        chunk = self._decode(data)
        if chunk.error:
            raise EngineError("the model server broke off its answer with an error; its own log says why")
        groq = chunk.x_groq.get("usage") if isinstance(chunk.x_groq, dict) else None
        self.usage = usage_of(chunk.usage or groq) or self.usage
        # The last event of many servers has no choice, only a count of tokens.
        return self._read(chunk.choices[0]) if chunk.choices else []

    def _read(self, choice: _Choice) -> list[Part]:
        delta = choice.delta
        thought = delta.reasoning_content or delta.reasoning or delta.thinking or ""
        parts = [*self._text(thought, thought=True)]
        if isinstance(delta.content, list):
            for piece in delta.content:
                parts += self._text(_thinking_of(piece), thought=True)
                parts += self._text(piece.text or "", thought=False)
        else:
            parts += self._text(delta.content or "", thought=False)
        for call in _call_deltas(delta.tool_calls):
            self._calls.add(call.index, call.id, call.function.name, call.function.arguments)
        if choice.finish_reason == "content_filter":
            raise RequestRefused("the provider's content filter stopped the answer; say it in other words")
        if not choice.finish_reason:
            return parts
        rest = self._finish()
        if choice.finish_reason == "length" and any(isinstance(part, ToolRequest) for part in rest):
            # The last of them is cut, and what a tool does with half of its arguments cannot be taken back.
            raise EngineError("the model's answer ended amid a tool request; raise max_tokens")
        return [*parts, *rest]

    def _text(self, text: str, *, thought: bool) -> Iterator[Part]:
        if text and thought != self._thinking:
            yield from self._flush()
            self._thinking = thought
        yield from self._part(self._halves.feed(text))

    def _flush(self) -> Iterator[Part]:
        yield from self._part(self._halves.flush())

    def _part(self, text: str) -> Iterator[Part]:
        if text:
            yield Thought(text) if self._thinking else text

    def _finish(self) -> list[Part]:
        self.finished = True
        return [*self._flush(), *self._calls.flush()]

    @staticmethod
    def _decode(data: str) -> _Chunk:
        try:
            return decode_json(data, _decoder)
        except ValueError:
            # Not chained: the error would carry what the model said.
            raise EngineError("the model server sent something that is not a chat completion") from None


def _thinking_of(piece: _Piece) -> str:
    if isinstance(piece.thinking, str):
        return piece.thinking
    inner = piece.thinking if isinstance(piece.thinking, list) else ()
    texts = [part.get("text") for part in inner if isinstance(part, dict)]
    return "".join(text for text in texts if isinstance(text, str))


def usage_of(usage: object) -> TokenUsage | None:
    """What is counted in the ``usage`` of an answer; None where that is nothing of the kind."""
    if not isinstance(usage, dict):
        return None
    details = usage.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else None
    # DeepSeek has a name of its own.
    cached = cached or usage.get("prompt_cache_hit_tokens")
    return TokenUsage(*map(_count, (usage.get("prompt_tokens"), cached, usage.get("completion_tokens"))))


def _count(value: object) -> int:
    return value if isinstance(value, int) else 0


@attrs.define(eq=False)
class _Call:
    index: int | None
    id: str
    name: str = ""
    arguments: list[str] = attrs.field(factory=list)


@attrs.define(eq=False)
class ToolRequests:
    """Requests for tools, put together from their pieces."""

    _calls: list[_Call] = attrs.field(factory=list, init=False)
    _size: int = attrs.field(default=0, init=False)

    def add(self, index: int | None, call_id: str | None, name: str | None, arguments: str | None) -> None:
        """One piece: of a request that was begun, or the first of another one. Raises `EngineError`."""
        call = next((call for call in reversed(self._calls) if call.index == index), None)
        # Some servers number all calls 0, or none, and tell them apart by their ids alone.
        if call is None or (call_id and call_id != call.id):
            call = _Call(index, call_id or f"call_{len(self._calls)}")
            self._calls.append(call)
        call.name = name or call.name
        call.arguments.append(arguments or "")
        self._size += len(call.arguments[-1]) + 1
        if self._size > LONGEST_CALLS or len(self._calls) > MOST_CALLS:
            raise EngineError("the model server sent a tool request that is too long")

    def flush(self) -> list[ToolRequest]:
        """What is asked for, in order, and nothing the next time. A request that names no tool is none."""
        calls, self._calls = self._calls, []
        return [ToolRequest(call.id, call.name, "".join(call.arguments)) for call in calls if call.name]


def _call_deltas(value: object) -> Iterator[_CallDelta]:
    for delta in value if isinstance(value, list) else ():
        with suppress(msgspec.ValidationError):
            yield msgspec.convert(delta, _CallDelta)
