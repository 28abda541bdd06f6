"""Somebody speaks into a stream, in real time: what is begun in a pause, and how long they wait."""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeAlias, cast

import attrs
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.client import Client, Heard, matches
from tests.conftest import Connect
from trio_backend.audio.endpointing import WINDOW_BYTES, WINDOW_SECONDS
from trio_backend.audio.pcm import Pcm
from trio_backend.backend import Backend, BackendOptions, open_backend
from trio_backend.config.catalog import MemoryCatalog
from trio_backend.config.character import EngineChoice
from trio_backend.config.system import SystemConfig
from trio_backend.conversation.observer import NullObserver
from trio_backend.conversation.recognition import Recognition
from trio_backend.conversation.speculating import ENOUGH
from trio_backend.conversation.timeline import Timeline
from trio_backend.conversation.user_input import UserInput
from trio_backend.engines.asr.scripted import ScriptedAsr, write
from trio_backend.errors import WireClosed
from trio_backend.observe.inspection import Inspection
from trio_backend.observe.instrumentation import open_instrumentation
from trio_backend.server.listener import ConnectionCounts
from trio_backend.session.sound import EarlyTurns

END_OF_TURN = 0.8
QUESTION = "How are you?"


@attrs.define(eq=False)
class Counts(NullObserver):
    """An `Observer` that notes what became of turns and recognitions."""

    over: list[Timeline] = attrs.field(factory=list)
    discarded: list[Timeline] = attrs.field(factory=list)
    recognitions: int = 0

    def turn_over(self, timeline: Timeline) -> None:
        """Note it."""
        self.over.append(timeline)

    def turn_discarded(self, timeline: Timeline) -> None:
        """Note it."""
        self.discarded.append(timeline)

    def recognition_discarded(self) -> None:
        """Count it."""
        self.recognitions += 1


@pytest.fixture
def system(request: pytest.FixtureRequest) -> SystemConfig:
    """Every turn ends after the same silence; a test says what else."""
    given = {"min_silence": END_OF_TURN, "max_silence": END_OF_TURN, **getattr(request, "param", {})}
    return SystemConfig(preload=False, **given)


@pytest.fixture
def observer() -> Counts:
    """What is counted."""
    return Counts()


@pytest.fixture
def streams(request: pytest.FixtureRequest) -> bool:
    """Whether the recogniser streams."""
    return bool(getattr(request, "param", False))


@pytest.fixture
def options(options: BackendOptions, observer: Counts, streams: bool) -> BackendOptions:
    """A recogniser that takes 0.3 s, a model that takes 0.4 s, and a voice that takes 0.3 s."""
    base = attrs.evolve(
        options.catalog.base,
        asr=EngineChoice("asr", "scripted_asr", {"delay": 0.3, "partial": streams}),
        llm=EngineChoice("llm", "echo_llm", {"first_token_delay": 0.4}),
        tts=EngineChoice("tts", "tone_tts", {"delay": 0.3, "seconds_per_character": 0.01}),
    )
    return attrs.evolve(options, catalog=MemoryCatalog(base), observer=observer)


@pytest.fixture
async def backend(options: BackendOptions) -> AsyncIterator[Backend]:
    """A running backend, whose engines are all given back in the end."""
    async with open_backend(options) as backend:
        yield backend


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A list that grows with each utterance that the recogniser is given."""
    found: list[int] = []
    listen = ScriptedAsr.listen

    def counting(self: ScriptedAsr, sound: trio.abc.ReceiveChannel[Pcm]) -> object:
        found.append(len(found))
        return listen(self, sound)

    monkeypatch.setattr(ScriptedAsr, "listen", counting)
    return found


@attrs.define(eq=False)
class Page:
    """A page that listens all the time, answers as ours does, and has a microphone that is on."""

    client: Client
    heard: list[Heard] = attrs.field(factory=list)
    at: list[float] = attrs.field(factory=list)
    _changed: trio.lowlevel.ParkingLot = attrs.field(factory=trio.lowlevel.ParkingLot)

    async def run(self) -> None:
        """Listen, until cancelled or closed."""
        try:
            while True:
                # Not `hear`, which has a deadline: nobody need ever say anything.
                message = json.loads(await self.client.wire.receive())
                self.heard.append(message)
                self.at.append(trio.current_time())
                self._changed.unpark_all()
                if message.get("text") == "mic-audio-end":
                    await self.client.say("mic-audio-end")
                if message["type"] == "backend-synth-complete":
                    await self.client.say("frontend-playback-complete")
        except WireClosed:
            pass

    async def until(self, type: str, **fields: object) -> list[Heard]:
        """What was heard up to the first such message, which is taken away."""
        with trio.fail_after(600):
            while True:
                for number, message in enumerate(self.heard):
                    if matches(message, {"type": type, **fields}):
                        taken, self.heard = self.heard[: number + 1], self.heard[number + 1 :]
                        self.at = self.at[number + 1 :]
                        return taken
                await self._changed.park()

    async def answered(self) -> list[Heard]:
        """What was heard up to the end of a turn."""
        return await self.until("control", text="conversation-chain-end")

    async def send(self, sound: Pcm) -> None:
        """Send it as it comes: each window when it is over."""
        for at in range(0, len(sound.samples), WINDOW_BYTES):
            await trio.sleep(WINDOW_SECONDS)
            window = Pcm(sound.samples[at : at + WINDOW_BYTES].ljust(WINDOW_BYTES, b"\0"), sound.rate)
            await self.client.say("raw-audio-data", audio=window.floats().tolist())

    async def speak(self, says: str, seconds: float = 0.96) -> None:
        """Say it, in a whole number of windows."""
        await self.send(write(says, seconds=seconds))

    async def pause(self, seconds: float) -> None:
        """Say nothing, in so many windows."""
        await self.send(Pcm(bytes(WINDOW_BYTES * round(seconds / WINDOW_SECONDS)), 16_000))


Open: TypeAlias = Callable[[], Awaitable[Page]]


@pytest.fixture
def open_page(connect: Connect, nursery: trio.Nursery) -> Open:
    """Opens a page, and waits until its engines are loaded."""

    async def open_page() -> Page:
        page = Page(await connect())
        nursery.start_soon(page.run)
        await page.pause(0.1)
        await trio.sleep(1)
        return page

    return open_page


def transcripts(heard: list[Heard]) -> list[str]:
    """What was understood."""
    return [message["text"] for message in heard if message["type"] == "user-input-transcription"]


EAGER = 7 * WINDOW_SECONDS  # the first window after 0.2 s


@pytest.mark.parametrize(
    ("system", "streams", "wait"),
    [
        ({"speculation": "off"}, False, END_OF_TURN + 0.3 + 0.7),
        ({"speculation": "off"}, True, END_OF_TURN + 0.3 + 0.7),
        ({}, False, EAGER + 0.3 + 0.7),
        ({}, True, EAGER + 0.7),
        ({"speculation": "eager"}, False, EAGER + 0.3 + 0.7),
        ({"speculation": "eager", "eager_silence": 0.5}, True, 0.512 + 0.7),
        ({"min_silence": 2, "max_silence": 2}, True, 2.0),
    ],
    indirect=["system", "streams"],
)
async def test_the_user_waits_for_the_longer_of_two(
    autojump_clock: MockClock, open_page: Open, observer: Counts, asked: list[int], wait: float
) -> None:
    """The end of the turn, or the pipeline from the pause on; without speculation for their sum."""
    page = await open_page()
    await page.speak(QUESTION)
    ended = trio.current_time()
    await page.pause(3)
    kinds = [message["type"] for message in page.heard]
    assert page.at[kinds.index("audio")] - ended == pytest.approx(wait, abs=WINDOW_SECONDS)
    assert transcripts(page.heard) == [QUESTION]
    assert len(asked) == 1
    assert not observer.discarded
    assert observer.recognitions == 0
    assert observer.over[0].ended is not None


@pytest.mark.parametrize("streams", [False, True], indirect=True)
@pytest.mark.parametrize(
    ("system", "says", "begun"),
    [
        ({}, "How are you?", 1),
        ({}, "I went there and", 0),
        ({}, "Well Robert", 0),
        ({"speculation": "eager"}, "Well Robert", 1),
        ({"speculation": "off"}, "How are you?", 0),
        ({"speculation": "eager"}, " ", 0),
    ],
    indirect=["system"],
)
async def test_cautious_begins_what_looks_finished(
    autojump_clock: MockClock, open_page: Open, observer: Counts, says: str, begun: int
) -> None:
    """And eager what was said so far; who says no more is answered all the same."""
    page = await open_page()
    await page.speak(says)
    await page.pause(0.7)
    await page.until("control", text="interrupt")
    await page.client.say("text-input", text="Wait.")
    await page.answered()
    assert len(observer.discarded) == begun
    await page.pause(0.3)
    heard = await page.answered()
    said = transcripts(heard)
    assert said == ([says] if says.strip() else [])


@pytest.mark.parametrize("system", [{"speculation": "eager"}], indirect=True)
@pytest.mark.parametrize("streams", [False, True], indirect=True)
async def test_more_speech_discards_what_was_begun(
    autojump_clock: MockClock, open_page: Open, observer: Counts, asked: list[int], *, streams: bool
) -> None:
    """Nothing of it is told; a recogniser of whole utterances is asked again, a streaming one goes on."""
    page = await open_page()
    for part in ("Tell me", " of the sea", " and of ships."):
        await page.speak(part)
        await page.pause(0.5)
    await page.pause(0.5)
    heard = await page.answered()
    assert transcripts(heard) == ["Tell me of the sea and of ships."]
    assert sum(message.get("text") == "conversation-chain-start" for message in heard) == 1
    assert len(asked) == (1 if streams else 3)
    assert observer.recognitions == (0 if streams else 2)
    assert len(observer.discarded) == 2
    assert len(observer.over) == 1


async def test_what_is_typed_in_the_pause_ends_no_recognition(
    autojump_clock: MockClock, open_page: Open, observer: Counts, asked: list[int]
) -> None:
    """The turn that was begun is discarded, and what was understood is used by the next."""
    page = await open_page()
    await page.speak(QUESTION)
    await page.pause(0.7)
    await page.until("control", text="interrupt")
    await page.client.say("text-input", text="Wait.")
    await page.answered()
    await page.pause(0.3)
    await page.answered()
    assert len(observer.discarded) == 1
    assert len(asked) == 1


@pytest.mark.parametrize("streams", [True], indirect=True)
async def test_partial_transcripts_go_to_who_accepts_them(autojump_clock: MockClock, open_page: Open) -> None:
    """Ten a second at most, the newest; none after the end, and none to others."""
    page = await open_page()
    await page.client.say("hello", accepts=["partial-transcription"])
    await page.until("hello")
    words = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
    for word in words:
        await page.speak(f"{word} ", seconds=0.192)
    await page.pause(1.0)
    heard = await page.answered()
    partial = [message["text"] for message in heard if message["type"] == "partial-transcription"]
    assert partial[0].startswith("one ")
    assert partial[-1].split() == words
    assert all(len(before) < len(after) for before, after in itertools.pairwise(partial))
    assert len(words) <= len(partial) <= 20
    kinds = [message["type"] for message in heard]
    assert "partial-transcription" not in kinds[kinds.index("user-input-transcription") :]
    other = await open_page()
    await other.speak(QUESTION)
    await other.pause(1.0)
    assert "partial-transcription" not in [message["type"] for message in await other.answered()]


@pytest.mark.parametrize("streams", [True], indirect=True)
async def test_what_the_client_finds_is_recognised_while_it_comes(
    autojump_clock: MockClock, open_page: Open, asked: list[int]
) -> None:
    """By an engine that streams, once it is loaded; there is nothing left to do but its last words."""
    page = await open_page()
    await page.client.say("hello", accepts=["partial-transcription"])
    await page.until("hello")
    # It has sent a stream before, and does so no more.
    await trio.sleep(5)
    await page.client.say("mic-audio-data", audio=[0.0])
    await trio.sleep(1)
    await page.client.say("mic-audio-data", audio=write("Hello ").floats().tolist())
    assert (await page.until("partial-transcription"))[-1]["text"] == "Hello "
    await trio.sleep(1)
    await page.client.say("mic-audio-data", audio=write("there.").floats().tolist())
    assert (await page.until("partial-transcription"))[-1]["text"] == "Hello there."
    began = trio.current_time()
    await page.client.say("mic-audio-end")
    assert (await page.until("user-input-transcription"))[-1]["text"] == "Hello there."
    assert trio.current_time() - began == pytest.approx(0.3)
    assert len(asked) == 1


@pytest.mark.parametrize("streams", [True], indirect=True)
async def test_what_both_find_is_recognised_once(
    autojump_clock: MockClock, open_page: Open, asked: list[int]
) -> None:
    """A client that looks for speech itself, and sends a stream as well."""
    page = await open_page()
    await page.speak(QUESTION)
    await page.client.say("mic-audio-data", audio=write(QUESTION, seconds=0.5).floats().tolist())
    await page.pause(0.2)
    assert len(asked) == 1


class Lane:
    """What `EarlyTurns` asks of a session: a lane that is stuck, scenes, and a conversation."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], Awaitable[None]]] = []
        self.log: list[str] = []

    def follow(self, work: Callable[[], Awaitable[None]]) -> None:
        """Wait."""
        self.waiting.append(work)

    def may_begin_early(self, words: str, judgement: object) -> bool:
        """Whether there are words."""
        del judgement
        return bool(words)

    def begin_early(self, given: UserInput) -> None:
        """Note it."""
        self.log.append(given.text)

    def discard(self) -> None:
        """Note it."""
        self.log.append("discard")


async def test_a_lane_that_is_stuck_holds_one_turn() -> None:
    """The newest, unless that is not wanted any more."""
    lane = Lane()
    turns = EarlyTurns(*cast("Any", (lane, lane, lane, Counts())))
    recognition = Recognition(True, lambda _recognition: None)
    for words in ("One.", "Two.", ""):
        assert turns.begin(words, recognition) == bool(words)
    (begin,) = lane.waiting
    await begin()
    assert lane.log == ["Two."]
    assert turns.begin("Three.", recognition)
    turns.discard()
    assert len(lane.waiting) == 2
    await lane.waiting[-1]()
    assert lane.log == ["Two.", "discard"]


@pytest.mark.parametrize("system", [{"speculation": "eager", "speculation_waste": 0.5}], indirect=True)
@pytest.mark.parametrize("streams", [True], indirect=True)
async def test_what_does_not_pay_is_begun_no_more(
    autojump_clock: MockClock, open_page: Open, backend: Backend, observer: Counts
) -> None:
    """The pauses go on; after a while there is another trial."""
    page = await open_page()
    for _ in range(ENOUGH + 3):
        await page.speak("and ")
        await page.pause(0.5)
    await wait_all_tasks_blocked()
    assert len(observer.discarded) == ENOUGH
    async with open_instrumentation(time_steps=False) as measured:
        readings = Inspection(backend, measured, lambda: ConnectionCounts(1, 1, 0), []).readings()
        assert [one.value for one in readings if one.name == "speculation_resting"] == [1]
    for _ in range(10):
        await page.speak("and ")
        await page.pause(0.5)
    assert ENOUGH < len(observer.discarded) < ENOUGH + 4


@pytest.mark.parametrize("streams", [False, True], indirect=True)
@pytest.mark.parametrize("how", ["leaves", "switches", "stays silent", "speaks too long", "barges in"])
@pytest.mark.parametrize("system", [{"max_utterance": 3, "turn_deadline": 20}], indirect=True)
async def test_nothing_is_left_of_a_pause(
    autojump_clock: MockClock, open_page: Open, backend: Backend, observer: Counts, how: str
) -> None:
    """However it ends; and the next question is answered."""
    page = await open_page()
    await page.speak(QUESTION)
    await page.pause(0.7)
    match how:
        case "leaves":
            await page.client.wire.close()
        case "switches":
            await page.client.say("switch-config", file="conf.yaml")
            await page.until("config-switched")
        case "stays silent":
            await trio.sleep(100)
        case "speaks too long":
            await page.speak("more", seconds=4)
            await page.until("error", code="utterance-too-long")
        case "barges in":
            await page.client.say("interrupt-signal", text="")
    await wait_all_tasks_blocked()
    assert len(observer.discarded) == 1
    if how == "leaves":
        assert not backend.services.sessions
        assert not backend.leases.statistics().engines
        page = await open_page()
    await page.pause(2)
    if how in ("stays silent", "barges in"):
        await page.answered()
    await page.speak("Who is there?")
    await page.pause(1)
    heard = await page.answered()
    assert transcripts(heard) == ["Who is there?"]
