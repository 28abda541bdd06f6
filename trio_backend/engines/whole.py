"""Helpers for adapters: they make the streams that base.py requires out of whole values.

`WholeTts` and `WholeAsr` are base classes for engines that know only whole values, `channel_of` makes a
stream of a generator, `joined_text` one text of several, and `tagged` is for language models that write their
thoughts between tags; `helper_tasks` are the tasks of a stream. `spoken` and `transcribed` are for callers
that have no use for pieces.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Generic, TypeVar

import attrs
import trio
from trio.abc import ReceiveChannel

from ..audio.pcm import Pcm
from ..audio.utterance import RATE
from ..errors import EngineError, EngineReplaced, first_leaf
from ..text.lines import SLICE, slices
from ..text.scripts import WIDE
from ..text.thoughts import Part, ThoughtReader
from .base import Asr, AsrTranscript, ReplyPart, Text, Thought, ToolRequest, Tts

T = TypeVar("T")

NO_SOUND = Pcm(b"", RATE)
"""What a text has of which there is nothing to hear: no samples, at a rate that nobody looks at."""
_WIDE = re.compile(f"[{WIDE}]")


class WholeTts(ABC):
    """A `Tts` that makes the whole sound of a text at once: an adapter writes `synthesize` alone."""

    __slots__ = ()

    @abstractmethod
    async def synthesize(self, text: str) -> Pcm:
        """``text`` as sound; empty where there is nothing to say. Raises `EngineError`.

        A cancel stops the work at once, and returns when it has stopped.
        """

    def speak(self, text: str) -> AbstractAsyncContextManager[ReceiveChannel[Pcm]]:
        """See `Tts.speak`. The work is done in the first ``receive``, by the task that receives."""
        return WholeSound(partial(self.synthesize, text))


@attrs.define(eq=False)
class WholeSound(ReceiveChannel[Pcm]):
    """The sound of a text from an engine that makes it at once: one chunk, or none.

    A caller that knows it asks for the `whole`, and is spared a search for the end. ``make`` is called once.
    """

    make: Callable[[], Awaitable[Pcm]]
    _asked: bool = attrs.field(default=False, init=False)

    async def whole(self) -> Pcm:
        """All of it, perhaps empty: to be asked for instead of `receive`, and once."""
        self._asked = True
        pcm = await self.make()
        # An engine may have made it without one: whoever begins sentences must let others have their turn.
        await trio.lowlevel.checkpoint()
        return pcm

    async def receive(self) -> Pcm:
        """See `ReceiveChannel.receive`."""
        pcm = NO_SOUND if self._asked else await self.whole()
        await trio.lowlevel.checkpoint()
        if not pcm.samples:
            raise trio.EndOfChannel
        return pcm

    async def aclose(self) -> None:
        """See `ReceiveChannel.aclose`."""
        if not self._asked:
            self._asked = True
            await trio.lowlevel.checkpoint()


class WholeAsr(ABC):
    """An `Asr` that takes in a whole utterance at once: an adapter writes `transcribe` alone."""

    __slots__ = ()

    @property
    def streams(self) -> bool:
        """See `Asr.streams`: it does not."""
        return False

    @abstractmethod
    async def transcribe(self, pcm: Pcm) -> str:
        """What is said in ``pcm``; empty where nothing is. Raises `EngineError`.

        A cancel stops the decoding at once, in a child process or on a server.
        """

    def listen(
        self, sound: ReceiveChannel[Pcm]
    ) -> AbstractAsyncContextManager[ReceiveChannel[AsrTranscript]]:
        """See `Asr.listen`. There is only the final transcript; ``sound`` is read in its ``receive``."""
        return channel_of(self._final(sound))

    async def _final(self, sound: ReceiveChannel[Pcm]) -> AsyncGenerator[AsrTranscript, None]:
        yield AsrTranscript(await self.transcribe(joined([chunk async for chunk in sound])), final=True)


def channel_of(values: AsyncGenerator[T, None]) -> ReceiveChannel[T]:
    """What a generator yields, as a channel for one receiver. Closing the channel closes the generator.

    The generator runs in the task that receives, so it has no nursery and no cancel scope around a ``yield``.
    What it raises comes out of ``receive``.
    """
    return _Generated(values)


def tagged(source: ReceiveChannel[str | Thought | ToolRequest]) -> ReceiveChannel[ReplyPart]:
    """The reply of a model that writes its thoughts between ``<think>`` tags, wherever its tokens are torn.

    A token of any length is read and handed out in `slices`, with others having their turn in between.
    Thoughts and requests for tools that the source knows already pass as they are. Closing the channel closes
    ``source``.
    """
    return _Tagged(source)


@asynccontextmanager
async def helper_tasks(reason: str) -> AsyncIterator[trio.Nursery]:
    """A nursery for tasks that are cancelled when the block is left; ``reason`` is why.

    Nothing but a bug comes out of them. So an error of the block itself comes out as it went in, in no group.
    """
    try:
        async with trio.open_nursery() as nursery:
            yield nursery
            nursery.cancel_scope.cancel(reason)
    except BaseExceptionGroup as group:
        _, others = group.split(trio.Cancelled)
        if others is not None and len(others.exceptions) == 1:
            raise first_leaf(others) from None
        raise


async def spoken(tts: Tts, text: str) -> Pcm:
    """The whole sound of ``text``; empty where there is nothing to say. Raises and cancels as `Tts.speak`."""
    while True:
        try:
            async with tts.speak(text) as chunks:
                if isinstance(chunks, WholeSound):
                    return await chunks.whole()
                return joined([chunk async for chunk in chunks])
        except EngineReplaced:
            pass  # Nobody has heard anything of it: the next engine of the list speaks it from the begin.


async def transcribed(asr: Asr, pcm: Pcm) -> str:
    """What is said in the whole of ``pcm``. Raises and cancels as `Asr.listen`."""
    send, sound = trio.open_memory_channel[Pcm](1)  # all that will ever be sent
    with send, sound:
        if pcm.samples:
            send.send_nowait(pcm)
        send.close()
        text = ""
        async with asr.listen(sound) as transcripts:
            async for transcript in transcripts:
                text = transcript.text
        return text


def joined(chunks: list[Pcm]) -> Pcm:
    """The chunks as one sound. Raises `EngineError` where their rates differ."""
    if len(chunks) == 1:
        return chunks[0]
    rate = chunks[0].rate if chunks else RATE
    if any(chunk.rate != rate for chunk in chunks):
        raise EngineError("the sample rate of the sound changed in the middle of it")
    return Pcm(b"".join(chunk.samples for chunk in chunks), rate)


def can_be_said(text: str) -> bool:
    """Whether there is a letter or a digit in it; of anything else no service is asked."""
    return any(character.isalnum() for character in text)


def joined_text(parts: Iterable[str]) -> str:
    """Parts of a transcript as one text: a blank between them, but none beside Chinese or Japanese."""
    whole = ""
    for part in (part.strip() for part in parts):
        apart = whole and part and not _WIDE.match(whole[-1]) and not _WIDE.match(part)
        whole += f" {part}" if apart else part
    return whole


@attrs.define(eq=False)
class _Generated(ReceiveChannel[T], Generic[T]):
    _values: AsyncGenerator[T, None]
    _ended: bool = attrs.field(default=False, init=False)

    async def receive(self) -> T:
        try:
            return await anext(self._values)
        except StopAsyncIteration:
            self._ended = True
            # The generator may have ended without a checkpoint.
            await trio.lowlevel.checkpoint()
            raise trio.EndOfChannel from None

    async def aclose(self) -> None:
        # Mostly the generator was read to its end, which was a checkpoint: that saves a step per sentence.
        if not self._ended:
            await self._values.aclose()
            await trio.lowlevel.checkpoint()


@attrs.define(eq=False)
class _Tagged(ReceiveChannel[ReplyPart]):
    """Reads in the task that receives; holds the rest of one token, and what may be the begin of a tag."""

    _source: ReceiveChannel[str | Thought | ToolRequest]
    _reader: ThoughtReader = attrs.field(factory=ThoughtReader, init=False)
    _pieces: deque[str | Thought | ToolRequest] = attrs.field(factory=deque, init=False)
    _parts: deque[ReplyPart] = attrs.field(factory=deque, init=False)

    async def receive(self) -> ReplyPart:
        if self._parts:
            await trio.lowlevel.checkpoint()
        while not self._parts:
            if self._pieces:
                await trio.lowlevel.checkpoint()
            elif (part := await self._take()) is not None:
                return part
            if self._pieces:
                self._parts.extend(self._read(self._pieces.popleft()))
        return self._parts.popleft()

    async def aclose(self) -> None:
        self._pieces.clear()
        self._parts.clear()
        await self._source.aclose()

    async def _take(self) -> ReplyPart | None:
        """The next token, or None if it is in pieces now; at the end, what was held.

        Then raises `EndOfChannel`.
        """
        try:
            token = await self._source.receive()
        except trio.EndOfChannel:
            self._parts.extend(_parts_of(self._reader.flush()))
            if not self._parts:
                raise
            return None
        if isinstance(token, str) and 0 < len(token) <= SLICE and self._reader.is_plain(token):
            # Nearly every token has no tag, and taking it apart into pieces would cost four times as much.
            return Thought(token) if self._reader.thinking else Text(token)
        if isinstance(token, Thought):
            self._pieces.extend(map(Thought, slices(token.text)))
        elif isinstance(token, str):
            self._pieces.extend(slices(token))
        else:
            self._pieces.append(token)
        return None

    def _read(self, piece: str | Thought | ToolRequest) -> Iterable[ReplyPart]:
        if isinstance(piece, str):
            return _parts_of(self._reader.feed(piece))
        # A model that marks its thoughts itself writes no tags: what was held is text.
        return [*_parts_of(self._reader.flush()), piece]


def _parts_of(parts: Iterable[Part]) -> list[ReplyPart]:
    return [Thought(part.text) if part.thought else Text(part.text) for part in parts if part.text]
