"""What the conversation asks of its engines: seven Protocols, and the values that they exchange.

Three kinds are streams: a call gives an asynchronous context manager, whose value is a channel. The same
rules hold for all three.

- Work may begin when the block is entered, or as late as the first ``receive``.
- Leaving the block, or cancelling it, stops the model, the child process or the connection at once, and
  returns when that has happened. A ``receive`` that was cancelled ends the stream: only leave the block then.
- ``receive`` raises `EngineError` where the engine fails; what was received before stands.
- Nothing is kept from one call to the next. Calls may overlap; an engine that does one thing at a time lets
  them queue.

An engine that knows only whole values, or writes its thoughts between ``<think>`` tags, is turned into one of
these by `WholeTts`, `WholeAsr` or `tagged`, in whole.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Literal, Protocol, TypeAlias

import attrs
from trio.abc import ReceiveChannel

from ..audio.endpointing import Rules
from ..audio.pcm import Pcm
from ..errors import EngineError


@attrs.frozen
class Text:
    """A piece of what the character says; never empty, and cut anywhere."""

    text: str


@attrs.frozen
class Thought:
    """A piece of what it thinks: shown, but neither spoken nor remembered. Never empty, and cut anywhere."""

    text: str


@attrs.frozen
class ToolRequest:
    """The model asks for a tool, and ends its reply to wait for the result.

    ``id`` is what the result has to name. ``arguments`` is JSON text as the model wrote it, complete but not
    checked: it may be no JSON at all.
    """

    id: str
    name: str
    arguments: str


ReplyPart: TypeAlias = Text | Thought | ToolRequest


EndOfTurn: TypeAlias = Literal["eager", "resumed", "final"]


@attrs.frozen
class AsrTranscript:
    """What was said, as far as it is understood; a ``final`` one is the last, and may be empty.

    ``text`` is all that was said in the sound so far, not what is new. ``end_of_turn`` is the engine's own
    judgement, where it has one: the speaker has probably finished (``eager``), went on after all
    (``resumed``), or has finished (``final``). A judgement stands until the next one, so most transcripts
    have None; after ``final``, too, somebody may speak on, and that is ``resumed``. A final transcript ends
    the stream, and has None.
    """

    text: str
    final: bool
    end_of_turn: EndOfTurn | None = None


@attrs.frozen
class Message:
    """One thing said. ``images`` are data URLs; ``name`` is the speaker, where there are several.

    ``requests`` are the tools that the assistant asked for after it had said this; a `ToolResult` follows for
    each of them, in the same order.
    """

    role: Literal["user", "assistant"]
    content: str
    name: str = ""
    images: Sequence[str] = ()
    requests: Sequence[ToolRequest] = ()


@attrs.frozen
class ToolResult:
    """What became of the `ToolRequest` of that ``id``. Where it ``failed``, ``content`` says why."""

    id: str
    content: str
    failed: bool = False


@attrs.frozen
class Nudge:
    """Nobody said anything: the character is to speak of its own accord. ``content`` is the instruction."""

    content: str
    images: Sequence[str] = ()


@attrs.frozen
class Tool:
    """A tool that is offered to the model. ``parameters`` is the JSON Schema of its arguments, an object."""

    name: str
    description: str
    parameters: Mapping[str, object] = attrs.field(factory=dict, hash=False)


@attrs.frozen
class Prompt:
    """What a model reads: who it is, and what was said so far, oldest first. It answers the last message.

    ``system`` is the whole system prompt. ``character`` and ``emotions`` (the keywords that its face
    knows, in lower case) are in there too, and stand here for engines that read no prose. ``tools`` are those
    that it may ask for.
    """

    system: str
    messages: Sequence[Message | Nudge | ToolResult]
    character: str = ""
    emotions: Sequence[str] = ()
    tools: Sequence[Tool] = ()


class Llm(Protocol):
    """A language model."""

    def reply(self, prompt: Prompt) -> AbstractAsyncContextManager[ReceiveChannel[ReplyPart]]:
        """The reply to ``prompt``, in parts, as the model makes them."""
        ...


class Tts(Protocol):
    """Speech synthesis."""

    def speak(self, text: str) -> AbstractAsyncContextManager[ReceiveChannel[Pcm]]:
        """``text`` as sound: chunks of any length but none empty, in order, all of one rate.

        No chunk where there is nothing to say. A caller may play one while the next is made.
        """
        ...


class Asr(Protocol):
    """Speech recognition."""

    @property
    def streams(self) -> bool:
        """Whether it recognises while one speaks, so that its last words come soon after the sound.

        One that does not needs the whole utterance first, and gives the final transcript alone: who is in a
        hurry asks it more than once, on what there is.
        """
        ...

    def listen(
        self, sound: ReceiveChannel[Pcm]
    ) -> AbstractAsyncContextManager[ReceiveChannel[AsrTranscript]]:
        """What is said in ``sound``, the chunks of one utterance, all of one rate.

        Any number of transcripts that are not final, each better than the one before, then a final one after
        ``sound`` has ended. The engine reads ``sound`` and does not close it; how much that is, the caller
        bounds.
        """
        ...


class Detector(Protocol):
    """Tells speech from other sound, in one microphone's stream. Has a memory of that stream."""

    def probability(self, window: bytes) -> float:
        """How likely somebody speaks in ``window``, the next 32 ms: 512 samples of 16 bits at 16 kHz.

        Called in the session's loop, so it takes some 0.1 ms, and never more than 2.
        """
        ...


class Vad(Protocol):
    """Voice activity detection, for any number of microphones."""

    @property
    def rules(self) -> Rules:
        """What counts as speech, by the probabilities of its detectors."""
        ...

    def detector(self) -> Detector:
        """One for a new stream. Called in the session's loop, and takes a few milliseconds at most."""
        ...


class TurnDetector(Protocol):
    """Hears whether somebody has finished, by what was said and how, for any number of microphones."""

    async def probability(self, pcm: Pcm) -> float:
        """How likely the turn is over, from 0 to 1; ``pcm`` is what was said, and the pause behind.

        Takes 10 to 100 ms, and waits for its turn where others ask, too. Raises `EngineError`. A cancel
        returns at once.
        """
        ...


class Translator(Protocol):
    """Translates what is said into the language in which it is spoken."""

    async def translate(self, text: str, llm: Llm) -> str:
        """``text``, a sentence, in the other language; never empty, and within a deadline of its own.

        ``llm`` is the character's language model, for a translator that has none itself. Calls may overlap.
        Raises `EngineError`. A cancel stops the work at once, and returns when it has stopped.
        """
        ...


class ToolServer(Protocol):
    """Tools that a model may ask for."""

    @property
    def tools(self) -> Sequence[Tool]:
        """Those that are offered now, by different names."""
        ...

    async def call(self, request: ToolRequest) -> str:
        """What the tool gives, as text for the model. ``request`` names one of `tools`.

        Raises `EngineError`, with words for the model, where the arguments are wrong or the tool fails. A
        cancel ends the call at once; what the tool has done by then stays done.
        """
        ...


@attrs.frozen
class NoTools:
    """A `ToolServer` that offers nothing: what characters have that are given no tools."""

    @property
    def tools(self) -> Sequence[Tool]:
        """See `ToolServer.tools`."""
        return ()

    async def call(self, request: ToolRequest) -> str:
        """See `ToolServer.call`."""
        raise EngineError(f"there is no tool {request.name!r}")
