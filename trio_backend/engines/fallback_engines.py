"""One engine made of several: `FallbackLlm`, `FallbackTts` and `FallbackAsr`, and how they are opened.

What is answered by the first that works, and when the next is asked, is said at `Fallbacks`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import Any, Generic, TypeAlias, TypeVar

import attrs
import trio
from trio.abc import ReceiveChannel

from ..audio.pcm import Pcm
from ..config.character import EngineKind
from ..errors import EngineError
from .base import Asr, AsrTranscript, Llm, Prompt, ReplyPart, Thought, Tts
from .fallback import Attempt, Fallbacks, MemberStatistics, Replacement
from .registry import EngineConfig, EngineSource, open_engine
from .settings import Environment
from .whole import WholeSound, helper_tasks, spoken

E = TypeVar("E")
T = TypeVar("T")
HandOut: TypeAlias = Callable[[T], Awaitable[None]]


@attrs.frozen
class FallbackSettings:
    """The engines of a list, all of one kind, and for how many seconds one that failed is left."""

    engines: tuple[EngineConfig, ...]
    seconds: float


def config_of_list(engines: Sequence[EngineConfig], seconds: float) -> EngineConfig:
    """The configuration of ``engines`` as one, by their names; of a single one, its own."""
    if len(engines) == 1:
        return engines[0]
    name = ", ".join(engine.name for engine in engines)
    return EngineConfig(engines[0].kind, name, FallbackSettings(tuple(engines), seconds), _ADAPTER)


@asynccontextmanager
async def open_fallbacks(settings: FallbackSettings, source: EngineSource) -> AsyncIterator[Any]:
    """The engines of a list as one, each opened by ``source`` when it is needed.

    Raises `EngineError` if none can be opened. Leaving the block gives them back.
    """
    async with helper_tasks("the list of engines is no longer needed") as nursery:
        fallbacks = Fallbacks[Any](settings.engines, settings.seconds, source, nursery)
        await fallbacks.open_first()
        yield _WRAPPERS[settings.engines[0].kind](fallbacks)


def replacement_of(engine: object) -> Replacement | None:
    """Which engine of a list is used now in place of another; None where ``engine`` is no list."""
    return engine.fallbacks.replacement if isinstance(engine, _OfSeveral) else None


def members_of(engine: object) -> tuple[MemberStatistics, ...]:
    """The engines of which ``engine`` is made; none where it is no list."""
    return engine.fallbacks.statistics() if isinstance(engine, _OfSeveral) else ()


@attrs.frozen(eq=False)
class _OfSeveral(Generic[E]):
    fallbacks: Fallbacks[E]


class FallbackTts(_OfSeveral[Tts]):
    """A `Tts`. A sentence of which nothing was handed out yet is spoken by the next; of one that was cut in
    the middle the rest is missing: `EngineReplaced` is raised, and the next sentence is the next engine's.
    """

    def speak(self, text: str) -> AbstractAsyncContextManager[ReceiveChannel[Pcm]]:
        """See `Tts.speak`: whole or in chunks, as the engine does it that is going to be asked."""
        current = self.fallbacks.current
        # Only the engine knows whether it makes a sentence at once. Before the block, no work is begun.
        if current is not None and isinstance(current.speak(text), WholeSound):
            return WholeSound(partial(self.fallbacks.ask, partial(_speak_whole, text)))
        return _streamed(self.fallbacks, partial(_speak, text))


class FallbackLlm(_OfSeveral[Llm]):
    """An `Llm`. A reply of which nothing was said yet is the next one's, even where there were thoughts; one
    that was cut later ends with `EngineReplaced`.
    """

    def reply(self, prompt: Prompt) -> AbstractAsyncContextManager[ReceiveChannel[ReplyPart]]:
        """See `Llm.reply`."""
        return _streamed(self.fallbacks, partial(_reply, prompt))


class FallbackAsr(_OfSeveral[Asr]):
    """An `Asr`. The next engine gets all of the utterance, as far as it has come, and then what follows.

    Transcripts that were not final are outdone by those of the next. The sound of an utterance is kept until
    its end for that: 32 kB a second.
    """

    @property
    def streams(self) -> bool:
        """See `Asr.streams`: of the engine that is going to be asked."""
        current = self.fallbacks.current
        return current is not None and current.streams

    def listen(
        self, sound: ReceiveChannel[Pcm]
    ) -> AbstractAsyncContextManager[ReceiveChannel[AsrTranscript]]:
        """See `Asr.listen`."""
        return _streamed(self.fallbacks, partial(_listen, _Recording(sound)))


async def _speak_whole(text: str, tts: Tts, attempt: Attempt) -> Pcm:
    attempt.expect()
    return await spoken(tts, text)


async def _speak(text: str, tts: Tts, attempt: Attempt, hand_out: HandOut[Pcm]) -> None:
    attempt.expect()
    async with tts.speak(text) as chunks:
        async for chunk in chunks:
            attempt.answered()
            await hand_out(chunk)


async def _reply(prompt: Prompt, llm: Llm, attempt: Attempt, hand_out: HandOut[ReplyPart]) -> None:
    attempt.expect()
    async with llm.reply(prompt) as parts:
        async for part in parts:
            if isinstance(part, Thought):
                attempt.is_alive()
            else:
                attempt.answered()
            await hand_out(part)


async def _listen(
    recording: _Recording, asr: Asr, attempt: Attempt, hand_out: HandOut[AsrTranscript]
) -> None:
    async with asr.listen(_Replay(recording, attempt.expect)) as transcripts:
        async for transcript in transcripts:
            if transcript.final:
                attempt.answered()
            await hand_out(transcript)


@asynccontextmanager
async def _streamed(
    fallbacks: Fallbacks[E], request: Callable[[E, Attempt, HandOut[T]], Awaitable[None]]
) -> AsyncIterator[ReceiveChannel[T]]:
    """What ``request`` hands out, and then the error with which it ends, if it does.

    It runs in a task of its own: the engine's stream is a block, and whoever receives may be in another one.
    """
    # Nothing is made while the last piece is not taken.
    send, receive = trio.open_memory_channel[T](0)
    handed_out = _HandedOut(receive)

    async def run() -> None:
        try:
            await fallbacks.ask(lambda engine, attempt: request(engine, attempt, send.send))
        except EngineError as error:
            handed_out.failure = error
        send.close()

    async with helper_tasks("nobody wants the rest") as nursery:
        nursery.start_soon(run, name="list of engines")
        yield handed_out


@attrs.define(eq=False)
class _HandedOut(ReceiveChannel[T]):
    _pieces: trio.MemoryReceiveChannel[T]
    failure: EngineError | None = None

    async def receive(self) -> T:
        try:
            return await self._pieces.receive()
        except trio.EndOfChannel:
            if self.failure is not None:
                raise self.failure from None
            raise

    async def aclose(self) -> None:
        await self._pieces.aclose()


@attrs.define(eq=False)
class _Recording:
    """An utterance that can be heard from its begin again, by one after the other."""

    sound: ReceiveChannel[Pcm]
    chunks: list[Pcm] = attrs.field(factory=list, init=False, repr=False)
    ended: bool = attrs.field(default=False, init=False)


@attrs.define(eq=False)
class _Replay(ReceiveChannel[Pcm]):
    _recording: _Recording
    _ended: Callable[[], None]
    """Called at the end of the utterance."""
    _next: int = attrs.field(default=0, init=False)

    async def receive(self) -> Pcm:
        recording = self._recording
        if self._next < len(recording.chunks) or recording.ended:
            await trio.lowlevel.checkpoint()
        else:
            try:
                recording.chunks.append(await recording.sound.receive())
            except trio.EndOfChannel:
                recording.ended = True
        if self._next == len(recording.chunks):
            self._ended()
            raise trio.EndOfChannel
        self._next += 1
        return recording.chunks[self._next - 1]

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


_WRAPPERS: Mapping[EngineKind, Callable[[Fallbacks[Any]], object]] = {
    "llm": FallbackLlm,
    "tts": FallbackTts,
    "asr": FallbackAsr,
}


class _Unshared:
    """An `EngineSource` for whoever shares no engines."""

    def lease(self, config: EngineConfig) -> AbstractAsyncContextManager[Any]:
        """See `EngineSource.lease`."""
        return open_engine(config)

    async def wait_broken(self, config: EngineConfig) -> str:
        """Its calls tell."""
        await trio.sleep_forever()
        raise AssertionError(config)


class _ListAdapter:
    """The `Adapter` of lists, which no configuration names."""

    NAMES = ()

    def configure(self, name: str, settings: Mapping[str, object], environment: Environment) -> Any:
        """Lists are made by `config_of_list`."""
        raise NotImplementedError

    def open(self, settings: FallbackSettings, /) -> AbstractAsyncContextManager[Any]:
        """For whoever shares no engines."""
        return open_fallbacks(settings, _Unshared())


_ADAPTER = _ListAdapter()
