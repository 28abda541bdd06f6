"""The turn model in `SpeechInput`: asked in each pause, it moves the silence that ends an utterance."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs
import pytest
import trio
from trio.testing import MockClock

from tests.conftest import character
from tests.conversation.test_speech_input import Noticing, loud
from trio_backend.audio.endpointing import WINDOW_BYTES, WINDOW_SECONDS, Rules
from trio_backend.audio.pcm import Pcm
from trio_backend.config.character import EngineChoice
from trio_backend.conversation.character import open_character
from trio_backend.conversation.end_of_turn import SpeechTiming
from trio_backend.conversation.events import Event
from trio_backend.conversation.microphone import Microphone
from trio_backend.conversation.speech_engines import SpeechEngines, open_speech_engines
from trio_backend.conversation.speech_input import MODEL_PAUSE, SpeechInput
from trio_backend.engines.leases import Leases
from trio_backend.engines.settings import Environment
from trio_backend.errors import EngineError

from .talking import Talking

SHORTEST, LONGEST = 0.3, 1.6
TIMING = SpeechTiming(math.inf, SHORTEST, LONGEST)


@attrs.define(eq=False)
class Model:
    """A `TurnDetector` that says what it is told to, after so many seconds."""

    answer: float | EngineError = 1.0
    delay: float = 0.0
    asked: list[float] = attrs.field(factory=list)
    """Seconds of sound in each question."""

    async def probability(self, pcm: Pcm) -> float:
        """See `TurnDetector.probability`."""
        answer = self.answer
        self.asked.append(pcm.seconds)
        await trio.sleep(self.delay)
        if isinstance(answer, EngineError):
            raise answer
        return answer


@attrs.define(eq=False)
class Talk:
    """Somebody speaks, in real time, to a session with a turn model."""

    input: SpeechInput
    engines: SpeechEngines
    log: list[str]

    async def say(self, seconds: float) -> None:
        """Sound for so long."""
        await self._send(loud(1), seconds)

    async def pause(self, seconds: float) -> None:
        """Silence for so long."""
        await self._send(bytes(WINDOW_BYTES), seconds)

    async def until_over(self) -> float:
        """Pause until the utterance is over; how many seconds that took."""
        for number in range(1, 100):
            await self._send(bytes(WINDOW_BYTES), WINDOW_SECONDS)
            if "SpeechEnded" in self.log:
                return number * WINDOW_SECONDS
        raise AssertionError("it does not end")

    async def _send(self, window: bytes, seconds: float) -> None:
        for _ in range(round(seconds / WINDOW_SECONDS)):
            await self.input.listen(window, self.engines)
            await trio.sleep(WINDOW_SECONDS)


@asynccontextmanager
async def talk(model: Model, timing: SpeechTiming = TIMING) -> AsyncIterator[Talk]:
    """A session's input of speech, without the session."""
    log = list[str]()

    async def emit(event: Event) -> None:
        log.append(type(event).__name__)

    vad = Noticing(rules=Rules(db_threshold=0, required_hits=1, required_misses=25, smoothing_window=1))
    async with (
        open_speech_engines(character("mao"), vad.lease(), turn=model) as engines,
        trio.open_nursery() as nursery,
    ):
        yield Talk(SpeechInput(emit, Talking([]), Microphone(60), nursery, timing=timing), engines, log)
        nursery.cancel_scope.cancel("the test is over")


@pytest.mark.parametrize(
    ("answer", "silence"),
    [(1.0, SHORTEST), (0.0, LONGEST), (0.5, 0.8), (EngineError("it is broken"), 0.8)],
)
async def test_the_models_answer_moves_the_end(
    answer: float | EngineError, silence: float, autojump_clock: MockClock
) -> None:
    """From the shortest silence to the longest; where it fails, or is not sure, nothing changes."""
    model = Model(answer)
    async with talk(model) as talking:
        await talking.say(1)
        assert not model.asked
        took = await talking.until_over()
        assert took == pytest.approx(silence, abs=WINDOW_SECONDS)
        # The utterance, and the pause after which it was asked.
        assert model.asked == [pytest.approx(1 + MODEL_PAUSE, abs=2 * WINDOW_SECONDS)]


async def test_an_answer_about_an_older_pause_is_of_no_use(autojump_clock: MockClock) -> None:
    """The user went on before it came; it says nothing about the pause in which it comes."""
    model = Model(1.0, delay=1.0)
    async with talk(model) as talking:
        await talking.say(0.5)
        await talking.pause(0.4)
        await talking.say(0.3)
        model.answer = 0.5
        assert await talking.until_over() == pytest.approx(0.8, abs=WINDOW_SECONDS)
        assert len(model.asked) == 2


async def test_an_answer_holds_for_one_pause(autojump_clock: MockClock) -> None:
    """In the next one, it is asked anew, with all that was said."""
    model = Model(0.0)
    async with talk(model) as talking:
        await talking.say(0.5)
        await talking.pause(1.0)
        await talking.say(0.5)
        model.answer = EngineError("it is broken")
        assert await talking.until_over() == pytest.approx(0.8, abs=WINDOW_SECONDS)
        assert model.asked[1] > model.asked[0] + 1


async def test_a_missing_model_is_said_when_the_character_is_loaded(autojump_clock: MockClock) -> None:
    """Not when somebody pauses for the first time."""
    config = attrs.evolve(character("mao"), turn=EngineChoice("turn", "smart_turn", {"model": "no.onnx"}))
    async with trio.open_nursery() as nursery:
        with pytest.raises(EngineError, match=r"turn_model: there is no file .*no\.onnx; get one at"):
            async with open_character(config, Leases(nursery), Environment(config.llm.folder, {})):
                raise AssertionError("opened")
        nursery.cancel_scope.cancel("the test is over")
