"""The events of a streamed chat completion, as tokens."""

from __future__ import annotations

from typing import Any

import attrs
import msgspec

from ...errors import EngineError
from .json_text import Halves, decode_json


@attrs.define
class _Delta:
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None


@attrs.define
class _Choice:
    delta: _Delta = attrs.field(factory=_Delta)
    finish_reason: str | None = None


@attrs.define
class _Chunk:
    choices: list[_Choice] = attrs.field(factory=list)
    error: Any = None


_decoder = msgspec.json.Decoder(_Chunk)


@attrs.define(eq=False)
class DeltaReader:
    """Fed the data of one event after the other; ``finished`` once the model has said that it is done.

    What a model reasons before it answers comes in fields of its own, and is put in ``<think>`` here.
    Characters whose halves come in two events are put together; no half ever leaves here.
    """

    finished: bool = attrs.field(default=False, init=False)
    _thinking: bool = attrs.field(default=False, init=False)
    _halves: Halves = attrs.field(factory=Halves, init=False)

    def feed(self, data: str) -> str:
        """The next piece of the reply, often empty. Raises `EngineError` where the model stopped in error."""
        if data.strip() == "[DONE]":
            return self._finish()
        chunk = self._decode(data)
        if chunk.error:
            raise EngineError("the model server broke off its answer with an error; its own log says why")
        # The last event of many servers has no choice, only a count of tokens.
        return self._read(chunk.choices[0]) if chunk.choices else ""

    def _read(self, choice: _Choice) -> str:
        text = self._text(choice.delta)
        if choice.finish_reason == "content_filter":
            raise EngineError("the provider's content filter stopped the answer; say it in other words")
        return text + self._finish() if choice.finish_reason else text

    def _text(self, delta: _Delta) -> str:
        thought = delta.reasoning_content or delta.reasoning or ""
        text = ""
        if thought and not self._thinking:
            text += f"{self._halves.flush()}<think>"
            self._thinking = True
        text += self._halves.feed(thought)
        if delta.content and self._thinking:
            text += f"{self._halves.flush()}</think>"
            self._thinking = False
        return text + self._halves.feed(delta.content or "")

    def _finish(self) -> str:
        self.finished = True
        thinking, self._thinking = self._thinking, False
        return self._halves.flush() + ("</think>" if thinking else "")

    @staticmethod
    def _decode(data: str) -> _Chunk:
        try:
            return decode_json(data, _decoder)
        except ValueError:
            # Not chained: the error would carry what the model said.
            raise EngineError("the model server sent something that is no chat completion") from None
