"""Lists of engines: who is asked, when, and what is lost when one fails. On the virtual clock."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import attrs
import pytest
import trio
from loguru import logger
from trio.abc import ReceiveChannel
from trio.testing import MockClock, wait_all_tasks_blocked

from trio_backend.audio.pcm import Pcm
from trio_backend.config.character import EngineKind
from trio_backend.engines.base import (
    AsrTranscript,
    Llm,
    Message,
    Prompt,
    ReplyPart,
    Text,
    Thought,
    Tts,
)
from trio_backend.engines.fallback import LOADING_PATIENCE, RETRY_PATIENCE
from trio_backend.engines.fallback_engines import config_of_list, members_of, replacement_of
from trio_backend.engines.leases import Leases
from trio_backend.engines.registry import EngineConfig, open_engine
from trio_backend.engines.settings import Environment
from trio_backend.engines.whole import WholeSound, WholeTts, channel_of, spoken, transcribed
from trio_backend.errors import EngineError, EngineReplaced, RequestRefused

RATE = 16_000
PROMPT = Prompt("You are Mao.", [Message("user", "Hello.")])


@attrs.define(eq=False)
class Engine:
    """A `Tts`, an `Llm` and an `Asr` that does what the test says, and writes down what it is asked.

    It takes ``load`` seconds to open, and ``delay`` for each of its ``pieces``; after ``fails_at`` of them it
    fails, or hangs. While ``broken``, it cannot be opened.
    """

    name: str
    pieces: int = 2
    delay: float = 1.0
    load: float = 0.0
    fails_at: int | None = None
    hangs: bool = False
    broken: bool = False
    streams: bool = True
    error: type[EngineError] = EngineError
    log: list[str] = attrs.field(factory=list)
    at_work: int = 0
    open: int = 0
    breakdown: trio.Event = attrs.field(factory=trio.Event)

    NAMES = ()

    def configure(self, name: str, settings: Mapping[str, object], environment: Environment) -> Any:
        """No file names it."""
        raise NotImplementedError

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Engine]:
        """As often as it is wanted."""
        await trio.sleep(self.load)
        if self.broken:
            raise EngineError(f"{self.name} cannot be opened")
        self.open += 1
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._break_down)
                yield self
                nursery.cancel_scope.cancel()
        finally:
            self.open -= 1

    async def _break_down(self) -> None:
        await self.breakdown.wait()
        self.breakdown = trio.Event()
        raise EngineError(f"{self.name} is on fire")

    def note(self, what: str) -> None:
        self.log.append(f"{trio.current_time():g} {what}")

    async def step(self, done: int) -> None:
        """Before the next piece, of which so many are done."""
        if self.fails_at is not None and done >= self.fails_at:
            if self.hangs:
                await trio.sleep_forever()
            raise self.error(f"{self.name} fails")
        await trio.sleep(self.delay)

    def speak(self, text: str) -> AbstractAsyncContextManager[ReceiveChannel[Pcm]]:
        """Pieces of half a second."""
        return self._block(text, self._chunks())

    def reply(self, prompt: Prompt) -> AbstractAsyncContextManager[ReceiveChannel[ReplyPart]]:
        """A thought first."""
        return self._block(prompt.messages[-1].content, self._parts())

    def listen(
        self, sound: ReceiveChannel[Pcm]
    ) -> AbstractAsyncContextManager[ReceiveChannel[AsrTranscript]]:
        """Tells how much sound there was."""
        return self._block("", self._transcripts(sound))

    @asynccontextmanager
    async def _block(
        self, what: str, values: AsyncGenerator[Any, None]
    ) -> AsyncIterator[ReceiveChannel[Any]]:
        self.note(what)
        self.at_work += 1
        try:
            # Left by the task that has entered it, and no other: a nursery says so.
            async with trio.open_nursery(), channel_of(values) as channel:
                yield channel
        except* EngineError as group:
            raise group.exceptions[0] from None
        finally:
            self.at_work -= 1

    async def _chunks(self) -> AsyncGenerator[Pcm, None]:
        for done in range(self.pieces):
            await self.step(done)
            yield Pcm(bytes(RATE), RATE)

    async def _parts(self) -> AsyncGenerator[ReplyPart, None]:
        yield Thought(f"{self.name} thinks")
        for done in range(self.pieces):
            await self.step(done)
            yield Text(f"{self.name}{done} ")

    async def _transcripts(self, sound: ReceiveChannel[Pcm]) -> AsyncGenerator[AsrTranscript, None]:
        seconds = 0.0
        done = 0
        async for chunk in sound:
            await self.step(done)
            done, seconds = done + 1, seconds + chunk.seconds
            yield AsrTranscript(f"{self.name}: {seconds:g}", final=False)
        await self.step(done)
        yield AsrTranscript(f"{self.name}: {seconds:g}", final=True)


@attrs.define(eq=False)
class WholeEngine(Engine, WholeTts):
    """One that makes a sentence at once."""

    def speak(self, text: str) -> AbstractAsyncContextManager[ReceiveChannel[Pcm]]:
        """See `WholeTts`."""
        return WholeTts.speak(self, text)

    async def synthesize(self, text: str) -> Pcm:
        """As long as all pieces."""
        self.note(text)
        for done in range(self.pieces):
            await self.step(done)
        return Pcm(bytes(RATE * self.pieces), RATE)


@attrs.frozen(eq=False)
class Opener:
    """An `Adapter` of such an engine."""

    engine: Engine
    NAMES = ()

    def configure(self, name: str, settings: Mapping[str, object], environment: Environment) -> Any:
        """No file names it."""
        raise NotImplementedError

    def open(self, settings: object, /) -> AbstractAsyncContextManager[Any]:
        """The engine."""
        del settings
        return self.engine.opened()


def list_of(kind: EngineKind, *engines: Engine, seconds: float = 60.0) -> EngineConfig:
    """The list of ``engines``."""
    return config_of_list([EngineConfig(kind, one.name, one.name, Opener(one)) for one in engines], seconds)


@asynccontextmanager
async def leases() -> AsyncIterator[Leases]:
    """Until the block is left."""
    async with trio.open_nursery() as nursery:
        yield Leases(nursery)
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def listed(kind: EngineKind, *engines: Engine, seconds: float = 60.0) -> AsyncIterator[Any]:
    """The list of ``engines``, leased."""
    async with leases() as all_engines, all_engines.lease(list_of(kind, *engines, seconds=seconds)) as engine:
        yield engine
    assert [(one.at_work, one.open) for one in engines] == [(0, 0)] * len(engines)


@pytest.fixture
def warnings() -> Iterator[list[str]]:
    """What the log says from WARNING on."""
    lines: list[str] = []
    sink = logger.add(lambda message: lines.append(message.record["message"]), level="WARNING")
    yield lines
    logger.remove(sink)


async def sound_of(tts: Tts, text: str) -> list[tuple[float, float]]:
    """When each piece came, and how long it is."""
    async with tts.speak(text) as chunks:
        return [(trio.current_time(), chunk.seconds) async for chunk in chunks]


# One after the other.


@pytest.mark.parametrize("kind", [Engine, WholeEngine])
async def test_a_sentence_is_spoken_by_the_next(
    autojump_clock: MockClock, warnings: list[str], kind: type[Engine]
) -> None:
    """It is whole; the next sentence is given to the next engine at once, and the log says it once."""
    first, second = kind("first", fails_at=0), kind("second")
    async with listed("tts", first, second) as tts:
        for text in ("One.", "Two.", "Three."):
            assert (await spoken(tts, text)).seconds == 1
        assert [one.name for one in members_of(tts)] == ["first", "second"]
        assert [one.state for one in members_of(tts)] == ["left", "in use"]
    assert first.log == ["0 One."]
    assert second.log == ["0 One.", "2 Two.", "4 Three."]
    assert warnings == ["tts/first fails; second is used instead, for 60 s"]


async def test_an_engine_that_failed_is_tried_again_after_a_while(
    autojump_clock: MockClock, warnings: list[str]
) -> None:
    """By the first request after that; while it fails, that is said once in each period."""
    first, second = Engine("first", fails_at=0), Engine("second")
    async with listed("tts", first, second, seconds=30) as tts:
        for _ in range(40):
            assert (await spoken(tts, "One.")).seconds == 1
        assert first.log == ["0 One.", "30 One.", "60 One."]
        assert len(warnings) == 3
        assert replacement_of(tts) is not None
        first.fails_at = None
        await trio.sleep(20)
        assert (await spoken(tts, "Again.")).seconds == 1
        assert first.log[-1] == "100 Again."
        assert replacement_of(tts) is None
        assert [one.state for one in members_of(tts)] == ["in use", "ready"]
        await spoken(tts, "And again.")
    assert second.log[-1] == "78 One."
    assert len(warnings) == 3


async def test_only_one_request_tries_an_engine_again(autojump_clock: MockClock) -> None:
    """The others meanwhile speak with the next: fifty sessions do not wait for one dead service."""
    first, second = Engine("first", fails_at=0), Engine("second")
    async with listed("tts", first, second) as tts:
        await spoken(tts, "One.")
        await trio.sleep(60)
        first.hangs = True
        ends: list[float] = []

        async def say() -> None:
            began = trio.current_time()
            await spoken(tts, "Two.")
            ends.append(trio.current_time() - began)

        async with trio.open_nursery() as nursery:
            for _ in range(50):
                nursery.start_soon(say)
        assert sorted(ends) == [2] * 49 + [2 + RETRY_PATIENCE]
    assert first.log == ["0 One.", "62 Two."]


async def test_an_engine_that_is_tried_again_may_take_as_long_as_it_takes(autojump_clock: MockClock) -> None:
    """What is slow by nature is not taken for dead."""
    first, second = Engine("first", pieces=1, delay=40.0), Engine("second")
    async with listed("tts", first, second, seconds=10) as tts:
        await spoken(tts, "One.")
        first.fails_at = 0
        await spoken(tts, "Two.")
        await trio.sleep(10)
        first.fails_at = None
        assert await sound_of(tts, "Three.") == [(92, 0.5)]
        assert replacement_of(tts) is None


async def test_sentences_under_way_move_too(autojump_clock: MockClock, warnings: list[str]) -> None:
    """Of a service that hangs, the first to see it is the last to wait; and that is told once."""
    first, second = Engine("first", delay=20.0), Engine("second")
    async with listed("tts", first, second) as tts, trio.open_nursery() as nursery:
        ends: list[tuple[str, float]] = []

        async def say(text: str) -> None:
            await spoken(tts, text)
            ends.append((text, trio.current_time()))

        for text in ("One.", "Two.", "Three."):
            nursery.start_soon(say, text)
            await trio.sleep(1)
        first.fails_at = 0
        nursery.start_soon(say, "Four.")
        await wait_all_tasks_blocked()
        assert first.at_work == 0
        await trio.sleep(2.5)
        assert sorted(ends) == [("Four.", 5), ("One.", 5), ("Three.", 5), ("Two.", 5)]
    assert len(warnings) == 1


async def test_what_fails_later_in_the_same_period_is_not_told_again(
    autojump_clock: MockClock, warnings: list[str]
) -> None:
    """Sentences that had begun may end well or not; and the period is not made longer."""
    first, second = Engine("first", pieces=9), Engine("second")
    async with listed("tts", first, second) as tts, trio.open_nursery() as nursery:

        async def say(starts: float) -> None:
            await trio.sleep(starts)
            await spoken(tts, "One.")

        nursery.start_soon(say, 0)
        nursery.start_soon(say, 0.5)
        await trio.sleep(1.75)
        first.fails_at = 0
        await trio.sleep(10)
        assert len(warnings) == 1
        assert [one.left for one in members_of(tts)] == [62 - 11.75, 0]


async def test_a_sentence_of_an_engine_that_makes_it_at_once_comes_at_once(autojump_clock: MockClock) -> None:
    """With its sound, as from that engine alone; of one that hands out chunks, chunks."""
    async with listed("tts", WholeEngine("first"), Engine("second")) as tts:
        assert isinstance(tts.speak("One."), WholeSound)
    async with listed("tts", Engine("first"), WholeEngine("second")) as tts:
        assert not isinstance(tts.speak("One."), WholeSound)


async def test_a_sentence_that_was_cut_ends_there(autojump_clock: MockClock) -> None:
    """What was handed out is not said again; the next sentence is the next engine's."""
    first, second = Engine("first", fails_at=1), Engine("second")
    async with listed("tts", first, second) as tts:
        async with tts.speak("One.") as chunks:
            await chunks.receive()
            assert trio.current_time() == 1
            with pytest.raises(EngineReplaced, match="first fails"):
                await chunks.receive()
        assert second.log == []
        assert await sound_of(tts, "Two.") == [(2, 0.5), (3, 0.5)]


async def test_who_wants_the_whole_of_a_cut_sentence_gets_it(autojump_clock: MockClock) -> None:
    """Nobody has heard a part of it."""
    first, second = Engine("first", fails_at=1), Engine("second")
    async with listed("tts", first, second) as tts:
        assert (await spoken(tts, "One.")).seconds == 1
    assert second.log == ["1 One."]


async def test_the_last_of_the_list_fails_like_one_alone(autojump_clock: MockClock) -> None:
    """With its own error; it is asked again by the next request, since there is no other."""
    first, second = Engine("first", fails_at=0), Engine("second", fails_at=0)
    async with listed("tts", first, second) as tts:
        for _ in range(2):
            with pytest.raises(EngineError, match=r"second fails|first fails") as caught:
                await spoken(tts, "One.")
            assert not isinstance(caught.value, EngineReplaced)
        second.fails_at = None
        assert (await spoken(tts, "Two.")).seconds == 1
    assert len(second.log) == 3


async def test_before_nothing_is_said_one_that_failed_is_tried_again(autojump_clock: MockClock) -> None:
    """Its failure may have passed."""
    first, second = Engine("first", fails_at=0), Engine("second")
    async with listed("tts", first, second) as tts:
        await spoken(tts, "One.")
        first.fails_at, second.fails_at = None, 0
        assert (await spoken(tts, "Two.")).seconds == 1
        assert first.log == ["0 One.", "2 Two."]
        assert replacement_of(tts) is None


# What is refused.


async def test_a_request_that_is_refused_takes_the_engine_from_nobody(
    autojump_clock: MockClock, warnings: list[str]
) -> None:
    """The next answers that one request; sentences under way go on, and the next ones are the first's."""
    first, second = Engine("first", error=RequestRefused), Engine("second")
    async with listed("tts", first, second) as tts, trio.open_nursery() as nursery:
        await spoken(tts, "One.")
        nursery.start_soon(spoken, tts, "Under way.")
        await trio.sleep(0.5)
        first.fails_at = 0
        async with tts.speak("Something forbidden.") as chunks:
            await wait_all_tasks_blocked()
            first.fails_at = None
            assert (await chunks.receive()).seconds == 0.5
        await spoken(tts, "Two.")
        assert replacement_of(tts) is None
    assert second.log == ["2.5 Something forbidden."]
    assert warnings == []


async def test_what_is_refused_amid_the_answer_is_not_said_twice(autojump_clock: MockClock) -> None:
    """A content filter looks at the answer, too: the reply ends, and the next one is the same model's."""
    first, second = Engine("first"), Engine("second")
    async with listed("llm", first, second) as llm:
        async with llm.reply(PROMPT) as parts:
            assert len([part async for part in parts]) == 3
        first.fails_at, first.error = 1, RequestRefused
        async with llm.reply(PROMPT) as parts:
            with pytest.raises(RequestRefused):
                assert [part async for part in parts]
        assert replacement_of(llm) is None
    assert second.log == []


async def test_an_engine_that_refuses_from_the_begin_is_left(autojump_clock: MockClock) -> None:
    """Its settings are wrong: services say both with the same status."""
    first, second = Engine("first", fails_at=0, error=RequestRefused), Engine("second")
    async with listed("tts", first, second) as tts:
        await spoken(tts, "One.")
        await spoken(tts, "Two.")
    assert (len(first.log), len(second.log)) == (1, 2)


# Opening.


async def test_an_engine_that_cannot_be_opened_is_left_for_the_next(
    autojump_clock: MockClock, warnings: list[str]
) -> None:
    """It is opened again after a while, and no request waits for that."""
    first, second = Engine("first", load=5, broken=True), Engine("second", load=1)
    async with listed("tts", first, second, seconds=30) as tts:
        assert trio.current_time() == 6
        await spoken(tts, "One.")
        assert [line for line in warnings if "instead" in line] == [
            "tts/first cannot be opened; second is used instead, for 30 s"
        ]
        await trio.sleep(60)
        assert [one.state for one in members_of(tts)] == ["not loaded", "in use"]
        first.broken = False
        assert await sound_of(tts, "Two.") == [(69, 0.5), (70, 0.5)]
        await trio.sleep(4)
        await spoken(tts, "Three.")
    assert first.log == ["74 Three."]


async def test_a_model_that_could_be_opened_at_last_has_all_the_time_it_needs(
    autojump_clock: MockClock,
) -> None:
    """It has not failed to answer."""
    first, second = Engine("first", broken=True, delay=40), Engine("second")
    async with listed("tts", first, second) as tts:
        await trio.sleep(60)
        first.broken = False
        await spoken(tts, "One.")
        await trio.sleep(1)
        assert await sound_of(tts, "Two.") == [(103, 0.5), (143, 0.5)]


async def test_the_others_are_opened_when_they_are_needed(autojump_clock: MockClock) -> None:
    """A model that is never asked takes no memory; what was opened stays."""
    first, second = Engine("first"), Engine("second", load=1)
    async with listed("tts", first, second) as tts:
        await spoken(tts, "One.")
        assert (first.open, second.open) == (1, 0)
        assert [one.state for one in members_of(tts)] == ["in use", "not loaded"]
        first.fails_at = 0
        assert await sound_of(tts, "Two.") == [(4, 0.5), (5, 0.5)]
        assert (first.open, second.open) == (1, 1)


async def test_a_slow_model_is_not_waited_for_where_there_is_another(autojump_clock: MockClock) -> None:
    """The third speaks while the second is loaded; then the second does."""
    first, second, third = Engine("first", fails_at=0), Engine("second", load=30), Engine("third")
    async with listed("tts", first, second, third, seconds=600) as tts:
        assert (await sound_of(tts, "One."))[0] == (LOADING_PATIENCE + 1, 0.5)
        await trio.sleep(30)
        await spoken(tts, "Two.")
    assert [len(one.log) for one in (first, second, third)] == [1, 1, 1]


async def test_an_engine_that_breaks_down_is_opened_anew(
    autojump_clock: MockClock, warnings: list[str]
) -> None:
    """It is left as if it had failed in a request, and none is lost to it; after a while it is a new one."""
    first, second = Engine("first", load=1), Engine("second")
    async with listed("tts", first, second) as tts:
        await spoken(tts, "One.")
        first.breakdown.set()
        await trio.sleep(1)
        assert warnings[-1] == "tts/first is on fire; second is used instead, for 60 s"
        await spoken(tts, "Two.")
        await trio.sleep(60)
        assert first.open == 0
        await spoken(tts, "Three.")
        assert first.open == 1
        await spoken(tts, "Four.")
    assert [len(one.log) for one in (first, second)] == [2, 2]


async def test_if_none_can_be_opened_that_is_told(autojump_clock: MockClock) -> None:
    """As with one engine, the character cannot be loaded; each is named."""
    engines = Engine("first", broken=True), Engine("second", broken=True)
    with pytest.raises(EngineError, match=r"first cannot be opened; .*second cannot be opened"):
        async with open_engine(list_of("tts", *engines)):
            raise AssertionError
    async with leases() as all_engines:
        with pytest.raises(EngineError, match=r"first cannot be opened; .*second cannot be opened"):
            async with all_engines.lease(list_of("tts", *engines)):
                raise AssertionError


async def test_who_uses_one_of_the_list_alone_shares_it(autojump_clock: MockClock) -> None:
    """A model is in memory once; and equal lists are one, so that they know of the same failures."""
    first, second = Engine("first", fails_at=0), Engine("second")
    config = list_of("tts", first, second)
    members = config.settings.engines  # type: ignore[attr-defined]
    async with (
        leases() as all_engines,
        all_engines.lease(config) as one,
        all_engines.lease(config_of_list(members, 60.0)) as other,
        all_engines.lease(members[1]) as alone,
    ):
        assert one is other
        await spoken(one, "One.")
        await spoken(other, "Two.")
        assert alone is second
        assert second.open == 1
        named = {engine.name: engine.members for engine in all_engines.statistics().engines}
        assert [member.state for member in named["first, second"]] == ["left", "in use"]
        assert named["second"] == ()
    assert len(first.log) == 1


def test_a_list_of_one_is_that_one() -> None:
    """Nothing is around it."""
    config = EngineConfig("tts", "first", "first", Opener(Engine("first")))
    assert config_of_list([config], 60.0) is config


# Cancelling.


@pytest.mark.parametrize("after", [0.5, 1.5, 2.5, 3.5])
@pytest.mark.parametrize("fails_at", [None, 0, 1])
async def test_a_cancel_leaves_nothing(autojump_clock: MockClock, after: float, fails_at: int | None) -> None:
    """Wherever a turn is cut; and an engine that was being tried again then can be tried again."""
    first, second = Engine("first", fails_at=0), Engine("second")
    async with listed("tts", first, second) as tts:
        await spoken(tts, "One.")
        await trio.sleep(60)
        first.fails_at = fails_at
        with trio.move_on_after(after) as scope:
            await spoken(tts, "Two.")
        assert scope.cancelled_caught == (after < (3 if fails_at == 1 else 2))
        assert (first.at_work, second.at_work) == (0, 0)
        first.fails_at = None
        await trio.sleep(60)
        await spoken(tts, "Three.")
        assert first.log[-1].endswith("Three.")


async def test_leaving_a_stream_early_leaves_nothing(autojump_clock: MockClock) -> None:
    """After a piece, and before the first; an error of the block itself comes out as it is."""
    first, second = Engine("first"), Engine("second")
    async with listed("tts", first, second) as tts:
        for count in (0, 1):
            async with tts.speak("One.") as chunks:
                for _ in range(count):
                    await chunks.receive()
            assert first.at_work == 0
        with pytest.raises(ZeroDivisionError):
            async with tts.speak("One."):
                raise ZeroDivisionError


# Language models.


async def reply_of(llm: Llm) -> list[str]:
    """The texts of a reply, thoughts among them."""
    async with llm.reply(PROMPT) as parts:
        return [part.text async for part in parts if isinstance(part, Text | Thought)]


async def test_a_reply_of_which_nothing_was_said_is_the_next_ones(autojump_clock: MockClock) -> None:
    """Thoughts are not said."""
    async with listed("llm", Engine("a", fails_at=0), Engine("b")) as llm:
        assert await reply_of(llm) == ["a thinks", "b thinks", "b0 ", "b1 "]
        assert await reply_of(llm) == ["b thinks", "b0 ", "b1 "]


async def test_a_reply_that_was_cut_ends_with_the_error(autojump_clock: MockClock) -> None:
    """Two models do not finish each other's sentences."""
    async with listed("llm", Engine("a", fails_at=1), Engine("b")) as llm:
        async with llm.reply(PROMPT) as parts:
            assert [await parts.receive(), await parts.receive()] == [Thought("a thinks"), Text("a0 ")]
            with pytest.raises(EngineReplaced, match="a fails"):
                await parts.receive()
        assert await reply_of(llm) == ["b thinks", "b0 ", "b1 "]


async def test_a_model_that_thinks_is_not_taken_for_dead(autojump_clock: MockClock) -> None:
    """When it is tried again: it may think for longer than a dead one has time to answer."""
    first, second = Engine("a", delay=40, fails_at=0), Engine("b")
    async with listed("llm", first, second) as llm:
        await reply_of(llm)
        await trio.sleep(60)
        first.fails_at = None
        assert await reply_of(llm) == ["a thinks", "a0 ", "a1 "]


# Recognition.


def second_of_sound() -> Pcm:
    """A chunk."""
    return Pcm(bytes(2 * RATE), RATE)


@pytest.mark.parametrize("fails_at", [0, 1, 2, 3])
async def test_an_utterance_is_heard_by_the_next_from_its_begin(
    autojump_clock: MockClock, fails_at: int
) -> None:
    """While one speaks, and at the end."""
    first, second = Engine("a", delay=0.1, fails_at=fails_at), Engine("b", delay=0.1)
    send, sound = trio.open_memory_channel[Pcm](0)

    async def say() -> None:
        for _ in range(3):
            await send.send(second_of_sound())
            await trio.sleep(1)
        send.close()

    async with listed("asr", first, second) as asr, trio.open_nursery() as nursery:
        assert asr.streams
        nursery.start_soon(say)
        async with asr.listen(sound) as transcripts:
            heard = [transcript async for transcript in transcripts]
        assert heard[-1] == AsrTranscript("b: 3", final=True)
        assert [one.text for one in heard[:-1]] == [f"a: {n + 1}" for n in range(fails_at)] + [
            f"b: {n + 1}" for n in range(3)
        ]
        assert [transcript.final for transcript in heard[:-1]] == [False] * (len(heard) - 1)


async def test_a_recogniser_that_is_tried_again_has_its_time_from_the_end_of_the_sound(
    autojump_clock: MockClock,
) -> None:
    """People speak for longer than it may take."""
    first, second = Engine("a", delay=0.1, fails_at=0), Engine("b", delay=0.1)
    async with listed("asr", first, second) as asr:
        assert await transcribed(asr, second_of_sound()) == "b: 1"
        await trio.sleep(60)
        first.fails_at = None
        send, sound = trio.open_memory_channel[Pcm](0)

        async def say(seconds: int) -> None:
            for _ in range(seconds):
                await send.send(second_of_sound())
                await trio.sleep(1)
            send.close()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(say, 30)
            async with asr.listen(sound) as transcripts:
                assert [one.text async for one in transcripts][-1] == "a: 30"


async def test_a_list_of_recognisers_streams_as_the_one_does_that_is_asked(autojump_clock: MockClock) -> None:
    """So that a caller knows whether to wait for words."""
    first, second = Engine("a", fails_at=0), Engine("b", streams=False)
    async with listed("asr", first, second) as asr:
        before = asr.streams
        await transcribed(asr, second_of_sound())
        assert (before, asr.streams) == (True, False)
