"""What `SpeechInput` does with a stream while its detector loads, and for whom. On the virtual clock."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import attrs
import pytest
import trio
from trio.testing import MockClock, assert_checkpoints

from tests.conftest import character
from trio_backend.audio.endpointing import WINDOW_BYTES, WINDOW_SECONDS, Rules
from trio_backend.config.character import EngineChoice
from trio_backend.conversation.events import Event
from trio_backend.conversation.microphone import Microphone
from trio_backend.conversation.speech_engines import LeaseEngine, SpeechEngines, open_speech_engines
from trio_backend.conversation.speech_input import AT_ONCE, EARLY, SpeechInput

from .talking import Talking

Open = Callable[..., AbstractAsyncContextManager[SpeechEngines]]


@attrs.define(eq=False)
class Noticing:
    """A `Vad` and its `Detector`: takes everything for speech, and keeps what it was given."""

    load: float = 0.0
    rules: Rules = attrs.field(factory=lambda: Rules(db_threshold=0, required_hits=1, required_misses=3))
    heard: bytes = b""
    loaded: list[str] = attrs.field(factory=list)
    """The kinds of engines that somebody wanted."""
    streams: bool = False

    def detector(self) -> Noticing:
        """Itself."""
        return self

    def probability(self, window: bytes) -> float:
        """Sound is speech."""
        self.heard += window
        return float(any(window))

    def lease(self) -> LeaseEngine:
        """What `open_speech_engines` asks for an engine."""

        @asynccontextmanager
        async def lease(choice: EngineChoice) -> AsyncIterator[object]:
            self.loaded.append(choice.kind)
            await trio.sleep(self.load)
            yield self

        return lease


@attrs.define(eq=False)
class Heard:
    """A `SpeechInput`, and what it told and asked, in order."""

    input: SpeechInput
    log: list[str]
    held: list[int]


@asynccontextmanager
async def listening() -> AsyncIterator[Heard]:
    """A session's input of speech, without the session."""
    log, held = list[str](), list[int]()

    async def emit(event: Event) -> None:
        await trio.lowlevel.checkpoint()
        log.append(type(event).__name__)

    async with trio.open_nursery() as nursery:
        speech = SpeechInput(emit, Talking(log), Microphone(60, held.append), nursery)
        yield Heard(speech, log, held)
        nursery.cancel_scope.cancel("the test is over")


def engines_of(vad: Noticing) -> AbstractAsyncContextManager[SpeechEngines]:
    """The speech engines of a character with ``vad``."""
    return open_speech_engines(character("mao"), vad.lease())


def loud(windows: int, value: int = 1) -> bytes:
    """So much sound."""
    return bytes([value, 1]) * (windows * WINDOW_BYTES // 2)


async def test_what_is_said_while_the_detector_loads_is_heard(autojump_clock: MockClock) -> None:
    """In order, once, and without holding up the loop; what understands speech is loaded meanwhile."""
    vad = Noticing(load=5)
    async with listening() as heard, engines_of(vad) as engines:
        began = trio.current_time()
        await heard.input.listen(loud(3, 1), engines)
        await heard.input.listen(loud(2, 2), engines)
        assert trio.current_time() - began <= AT_ONCE
        assert not vad.heard
        await trio.sleep(10)
        assert sorted(set(vad.loaded)) == ["asr", "vad"]
        await heard.input.listen(loud(1, 3), engines)
        assert vad.heard == loud(3, 1) + loud(2, 2) + loud(1, 3)
        await heard.input.listen(loud(1, 4), engines)
        assert vad.heard == loud(3, 1) + loud(2, 2) + loud(1, 3) + loud(1, 4)


async def test_of_early_sound_a_second_is_kept(autojump_clock: MockClock) -> None:
    """The newest: looking at more would hold up the loop."""
    vad = Noticing(load=5)
    async with listening() as heard, engines_of(vad) as engines:
        for value in (1, 2, 3):
            await heard.input.listen(loud(EARLY, value), engines)
        await trio.sleep(10)
        await heard.input.listen(loud(1, 4), engines)
        assert vad.heard == loud(EARLY, 3) + loud(1, 4)
        assert pytest.approx(1, abs=WINDOW_SECONDS) == EARLY * WINDOW_SECONDS


async def test_a_detector_that_is_there_hears_the_first_message(autojump_clock: MockClock) -> None:
    """No second one is needed; the reply stops before the client is told; what is kept is counted."""
    vad = Noticing()
    async with listening() as heard, engines_of(vad) as engines:
        await heard.input.listen(loud(2), engines)
        assert heard.log == ["stopped", "SpeechStarted"]
        assert heard.held[-1] == 2 * WINDOW_BYTES
        await heard.input.listen(bytes(10 * WINDOW_BYTES), engines)
        assert heard.log == ["stopped", "SpeechStarted", "SpeechEnded"]
        assert heard.input.end() is not None


async def test_others_have_their_turn_after_each_window(autojump_clock: MockClock) -> None:
    """However much comes at once."""
    vad, passes = Noticing(), 0

    async def count() -> None:
        nonlocal passes
        while True:
            await trio.lowlevel.checkpoint()
            passes += 1

    async with listening() as heard, engines_of(vad) as engines, trio.open_nursery() as nursery:
        await heard.input.listen(loud(2), engines)
        nursery.start_soon(count)
        await trio.lowlevel.checkpoint()
        before = passes
        await heard.input.listen(loud(100), engines)
        assert passes - before >= 90
        nursery.cancel_scope.cancel("seen")


async def test_sound_for_nobody_is_a_checkpoint() -> None:
    """Who sends it as fast as it can holds up nobody."""
    async with listening() as heard:
        with assert_checkpoints():
            await heard.input.listen(loud(1), None)


async def test_another_character_listens_alone(autojump_clock: MockClock) -> None:
    """From its first sound on, though it must load; and a detector that comes too late hears nothing."""
    slow, quick, third = Noticing(load=20), Noticing(), Noticing(load=5)
    async with (
        listening() as heard,
        engines_of(slow) as first,
        engines_of(quick) as second,
        engines_of(third) as last,
    ):
        await heard.input.listen(loud(2), first)
        await heard.input.listen(loud(3), second)
        await trio.sleep(30)
        await heard.input.listen(loud(1), second)
        assert not slow.heard
        assert quick.heard == loud(4)
        await heard.input.listen(loud(2, 5), last)
        await trio.sleep(10)
        await heard.input.listen(loud(1, 6), last)
        assert quick.heard == loud(4)
        assert third.heard == loud(2, 5) + loud(1, 6)
