"""What is understood while somebody speaks: fed, completed, closed, failing. On the virtual clock."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import attrs
import pytest
import trio
from trio.abc import ReceiveChannel
from trio.testing import MockClock, wait_all_tasks_blocked

from trio_backend.audio.pcm import Pcm
from trio_backend.conversation.recognition import LONGEST, PATIENCE, STALLED, Recognition, same_words
from trio_backend.engines.base import AsrTranscript
from trio_backend.errors import EngineError, first_leaf


@attrs.define(eq=False)
class Hearing:
    """An `Asr` that says after each chunk how much it has heard, and counts who listens."""

    streams: bool = True
    fails_after: int = 1_000_000
    final: Callable[[int], str] = "all {}".format
    takes: float = 0.0
    chunks: list[int] = attrs.field(factory=list)
    open: int = 0

    @asynccontextmanager
    async def listen(self, sound: ReceiveChannel[Pcm]) -> AsyncIterator[ReceiveChannel[AsrTranscript]]:
        """See `Asr.listen`."""
        send, receive = trio.open_memory_channel[AsrTranscript](0)

        async def hear() -> None:
            with send:
                async for chunk in sound:
                    self.chunks.append(len(chunk.samples))
                    await send.send(AsrTranscript(f"heard {sum(self.chunks)}", final=False))
                await trio.sleep(self.takes)
                await send.send(AsrTranscript(self.final(sum(self.chunks)), final=True))

        self.open += 1
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(hear)
                yield _Failing(receive, self)
                nursery.cancel_scope.cancel()
        except BaseExceptionGroup as group:
            raise first_leaf(group) from None
        finally:
            self.open -= 1

    @asynccontextmanager
    async def lease(self) -> AsyncIterator[Hearing]:
        """An engine that loads in a second."""
        await trio.sleep(1)
        yield self


@attrs.define(eq=False)
class _Failing(ReceiveChannel[AsrTranscript]):
    _transcripts: ReceiveChannel[AsrTranscript]
    _asr: Hearing

    async def receive(self) -> AsrTranscript:
        if len(self._asr.chunks) >= self._asr.fails_after:
            await trio.lowlevel.checkpoint()
            raise EngineError("it broke")
        return await self._transcripts.receive()

    async def aclose(self) -> None:
        await self._transcripts.aclose()


@attrs.define(eq=False)
class Running:
    """A recognition at work, and the transcripts that were told."""

    recognition: Recognition
    told: list[str]


@asynccontextmanager
async def recognising(asr: Hearing) -> AsyncIterator[Running]:
    """Recognise with ``asr``; nothing of it is left in the end."""
    told: list[str] = []
    recognition = Recognition(asr.streams, lambda heard: told.append(heard.text))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(recognition.run, asr.lease)
        yield Running(recognition, told)
        recognition.close()
    assert asr.open == 0
    assert recognition.size == 0


async def test_sound_goes_to_the_engine_as_it_comes(autojump_clock: MockClock) -> None:
    """What came while it was loaded in one piece; each transcript is told, and the last is the result."""
    asr = Hearing()
    async with recognising(asr) as running:
        recognition = running.recognition
        recognition.feed(bytes(10))
        recognition.feed(bytes(10))
        assert recognition.size == 20
        await trio.sleep(2)
        recognition.feed(bytes(4))
        await trio.sleep(1)
        assert asr.chunks == [20, 4]
        assert running.told == ["heard 20", "heard 24"]
        recognition.complete()
        assert await recognition.result() == "all 24"
        assert recognition.final
        await wait_all_tasks_blocked()
        assert running.told == ["heard 20", "heard 24", "all 24"]


async def test_a_closed_one_has_no_result_and_tells_nothing(autojump_clock: MockClock) -> None:
    """And leaves nothing running; who waits is told at once."""
    asr = Hearing()
    async with recognising(asr) as running:
        running.recognition.feed(bytes(10))
        await trio.sleep(2)
        running.recognition.feed(bytes(10))
        running.recognition.close()
        running.recognition.close()
        assert running.recognition.failed
        began = trio.current_time()
        assert await running.recognition.result() is None
        assert trio.current_time() == began
        assert asr.open == 0
        assert running.told == ["heard 10"]


async def test_a_failure_is_no_result(autojump_clock: MockClock) -> None:
    """And is told, so that somebody may try again; what comes after it is not kept."""
    async with recognising(Hearing(fails_after=1)) as running:
        running.recognition.feed(bytes(10))
        assert await running.recognition.result() is None
        assert running.recognition.failed
        running.recognition.feed(bytes(10))
        assert running.recognition.size == 0
        await wait_all_tasks_blocked()
        assert len(running.told) <= 2


async def test_one_that_hears_nothing_for_long_ends(autojump_clock: MockClock) -> None:
    """What it has understood stands, unless more comes after all: then somebody has to begin anew."""
    asr = Hearing()
    async with recognising(asr) as running:
        running.recognition.feed(bytes(10))
        await trio.sleep(1 + STALLED - 0.1)
        assert asr.open == 1
        await trio.sleep(0.2)
        assert asr.open == 0
        assert await running.recognition.result() == "all 10"
    async with recognising(Hearing()) as running:
        running.recognition.feed(bytes(10))
        await trio.sleep(1)
        running.recognition.complete()
        running.recognition.feed(bytes(10))
        assert running.recognition.failed
        assert await running.recognition.result() is None


async def test_one_that_hangs_in_vain_holds_up_the_next_for_a_second(autojump_clock: MockClock) -> None:
    """Not until its deadline; one that ends holds it up until then."""
    for takes, waits in ((0.4, 0.4), (1e6, PATIENCE)):
        slow, asr = Hearing(streams=False, takes=takes), Hearing(streams=False)
        async with recognising(slow) as earlier:
            earlier.recognition.complete()
            await trio.sleep(1)
            assert earlier.recognition.abandon()
            began = trio.current_time()
            async with recognising(asr) as running:
                running.recognition.after = earlier.recognition
                running.recognition.complete()
                assert await running.recognition.result() == "all 0"
                # It takes a second to load.
                assert trio.current_time() - began == pytest.approx(waits + 1)
        assert not earlier.told


async def test_of_a_transcript_without_end_so_much_is_kept(autojump_clock: MockClock) -> None:
    """An engine elsewhere may say anything."""
    async with recognising(Hearing(final=lambda _size: "x" * 10 * LONGEST)) as running:
        running.recognition.complete()
        assert await running.recognition.result() == "x" * LONGEST


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Hello there.", "hello, there", True),
        ("Hello there.", "Hello.", False),
        ("今日は、いい天気", "今日はいい天気。", True),
        ("", "Hm", False),
        ("a" * 2000 + "b", "a" * 2000 + "c", False),
        ("a" * 2000, "a" * 2000, True),
    ],
)
def test_the_same_words(one: str, other: str, *, same: bool) -> None:
    """Whatever their case and punctuation; of a long text all of them."""
    assert same_words(one, other) == same_words(other, one) == same
