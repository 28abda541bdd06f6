"""What a Wyoming client asks for, and gets."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager

import attrs
import pytest
import trio
from trio.testing import MockClock

from tests.conftest import HEARING
from trio_backend.audio.pcm import Pcm
from trio_backend.backend import Backend, BackendOptions
from trio_backend.config.catalog import MemoryCatalog
from trio_backend.config.character import EngineChoice
from trio_backend.engines import registry
from trio_backend.engines.asr.scripted import write
from trio_backend.engines.base import AsrTranscript
from trio_backend.engines.registry import adapter_of, register_engine
from trio_backend.engines.whole import WholeAsr, channel_of
from trio_backend.engines.wyoming import WyomingEvent
from trio_backend.server.wyoming.listening import common_words

from .conftest import SPEECH, WyomingRun


@pytest.fixture
def options(options: BackendOptions, request: pytest.FixtureRequest) -> BackendOptions:
    """With another engine where the test names one."""
    choice: EngineChoice | None = getattr(request, "param", None)
    if choice is None:
        return options
    assert isinstance(options.catalog, MemoryCatalog)
    base = attrs.evolve(options.catalog.base, **{choice.kind: choice})  # type: ignore[arg-type]
    return attrs.evolve(options, catalog=MemoryCatalog(base, {}))


def sound_of(events: list[WyomingEvent]) -> bytes:
    """The samples."""
    return b"".join(event.payload for event in events if event.type == "audio-chunk")


def types(events: list[WyomingEvent]) -> list[str]:
    """Their types, each of a row of the same ones once."""
    all_types = [event.type for event in events]
    return [one for one, before in zip(all_types, ["", *all_types], strict=False) if one != before]


async def test_it_says_what_it_can(autojump_clock: MockClock, served: WyomingRun) -> None:
    """Recognition, a voice, and the character, by its name."""
    client = await served.connect()
    await client.say("describe")
    info = await client.hear()
    assert info is not None
    assert info.type == "info"
    names = {kind: [program["name"] for program in programs] for kind, programs in info.data.items()}
    assert names["asr"] == ["scripted_asr"]
    assert names["tts"] == ["tone_tts"]
    assert names["handle"] == ["Mao"]
    assert "de" in info.data["asr"][0]["models"][0]["languages"]


async def test_text_becomes_sound(autojump_clock: MockClock, served: WyomingRun) -> None:
    """In the order of its sentences, in short chunks."""
    client = await served.connect()
    await client.say("synthesize", {"text": "Hello there. How are you? *waves*"})
    events = await client.until("audio-stop")
    assert types(events) == ["audio-start", "audio-chunk", "audio-stop"]
    rate = events[0].data["rate"]
    # 0.01 s for each character that is spoken.
    assert len(sound_of(events)) / 2 / rate == pytest.approx(0.01 * len("Hello there.How are you?"), abs=0.01)
    await client.say("synthesize", {"text": "word " * 40})
    assert max(len(event.payload) for event in await client.until("audio-stop")) == rate / 2
    await client.say("synthesize", {"text": "…"})
    assert types(await client.until("audio-stop")) == ["audio-start", "audio-stop"]


async def test_text_in_pieces_is_spoken_while_it_comes(autojump_clock: MockClock, served: WyomingRun) -> None:
    """A sentence is spoken before the next one is there; the whole text at the end is not spoken again."""
    client = await served.connect()
    await client.say("synthesize-start", {})
    await client.say("synthesize-chunk", {"text": "Hello th"})
    await client.say("synthesize-chunk", {"text": "ere. How"})
    start, first = await client.hear(), await client.hear()
    assert start is not None
    assert first is not None
    assert (start.type, first.type) == ("audio-start", "audio-chunk")
    await client.say("synthesize-chunk", {"text": " are you?"})
    await client.say("synthesize", {"text": "Hello there. How are you?"})
    await client.say("synthesize-stop")
    events = [first, *await client.until("synthesize-stopped")]
    assert types(events) == ["audio-chunk", "audio-stop", "synthesize-stopped"]
    seconds = len(sound_of(events)) / 2 / start.data["rate"]
    assert seconds == pytest.approx(0.01 * len("Hello there.How are you?"), abs=0.01)


async def test_sound_becomes_text(autojump_clock: MockClock, served: WyomingRun) -> None:
    """Once the recogniser, which needs half a second, has heard all of it."""
    client = await served.connect()
    await client.say("transcribe", {"language": "en"})
    await client.say("audio-start", SPEECH)
    for word in ("turn ", "on ", "the light"):
        await client.say("audio-chunk", SPEECH, write(word).samples)
    began = trio.current_time()
    await client.say("audio-stop")
    events = await client.until("transcript-stop")
    assert trio.current_time() - began == HEARING
    assert types(events) == ["transcript-start", "transcript-chunk", "transcript", "transcript-stop"]
    assert [event.data.get("text") for event in events[1:3]] == ["turn on the light"] * 2


async def test_sound_of_another_rate_is_understood(autojump_clock: MockClock, served: WyomingRun) -> None:
    """The recogniser gets as much of it, at the rate that it knows."""
    client = await served.connect()
    await client.say("audio-chunk", {**SPEECH, "rate": 48_000}, b"\x10\x10" * 4_800)
    await client.say("audio-stop")
    (transcript,) = [one for one in await client.until("transcript-stop") if one.type == "transcript"]
    assert len(transcript.data["text"]) == pytest.approx(1_600, abs=2)


@pytest.mark.parametrize(
    "options", [EngineChoice("asr", "scripted_asr", {"partial": True})], indirect=["options"]
)
async def test_words_are_told_while_one_speaks(autojump_clock: MockClock, served: WyomingRun) -> None:
    """Those on which two transcripts agree, once."""
    client = await served.connect()
    for word in ("turn ", "on ", "the ", "li"):
        await client.say("audio-chunk", SPEECH, write(word).samples)
    start, *chunks = [await client.hear() for _ in range(4)]
    assert [chunk.data["text"] for chunk in chunks if chunk] == ["turn", " on", " the"]
    await client.say("audio-chunk", SPEECH, write("ght").samples)
    await client.say("audio-stop")
    events = await client.until("transcript-stop")
    assert [event.data.get("text") for event in events] == [" light", "turn on the light", None]
    assert start is not None


@pytest.mark.parametrize(
    ("before", "after", "agreed"),
    [
        ("", "a", ""),
        ("turn on", "turn on the", "turn"),
        ("turn on the", "turn on the light", "turn on"),
        ("turn off", "turn on", "turn"),
        ("turn on ", "turn on ", "turn on "),
        ("light", "lightning", ""),
    ],
)
def test_words_that_may_still_grow_are_not_agreed_on(before: str, after: str, agreed: str) -> None:
    """What was told cannot be taken back."""
    assert common_words(before, after) == agreed


@pytest.mark.parametrize(
    "options", [EngineChoice("asr", "scripted_asr", {"fail_on": "?"})], indirect=["options"]
)
async def test_a_recogniser_in_trouble_is_told(autojump_clock: MockClock, served: WyomingRun) -> None:
    """And the connection closed, since clients wait for a transcript."""
    client = await served.connect()
    await client.say("audio-chunk", SPEECH, write("what?").samples)
    await client.say("audio-stop")
    error = (await client.until("error"))[-1]
    assert (error.data["code"], "told to fail" in error.data["text"]) == ("engine-error", True)
    assert await client.hear() is None


@attrs.frozen
class Hasty(WholeAsr):
    """An `Asr` that has heard enough after the first piece."""

    async def transcribe(self, pcm: Pcm) -> str:
        """It never waits for the whole."""
        raise NotImplementedError

    def listen(
        self, sound: trio.abc.ReceiveChannel[Pcm]
    ) -> AbstractAsyncContextManager[trio.abc.ReceiveChannel[AsrTranscript]]:
        """One piece."""

        async def transcripts() -> AsyncGenerator[AsrTranscript, None]:
            await sound.receive()
            yield AsrTranscript("stop", final=True)

        return channel_of(transcripts())


@pytest.mark.parametrize("options", [EngineChoice("asr", "hasty_asr")], indirect=["options"])
async def test_a_recogniser_may_have_heard_enough(
    autojump_clock: MockClock, served: WyomingRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is said after that is for nobody; the next utterance is another one."""
    monkeypatch.setitem(registry._registered, "asr", [])
    register_engine("asr", adapter_of("hasty_asr", Hasty()))
    client = await served.connect()
    for _ in range(2):
        for _ in range(5):
            await client.say("audio-chunk", SPEECH, bytes(3_200))
        await client.say("audio-stop")
        (transcript,) = [one for one in await client.until("transcript-stop") if one.type == "transcript"]
        assert transcript.data["text"] == "stop"


@pytest.mark.parametrize(
    "options", [EngineChoice("tts", "tone_tts", {"fail_on": "are"})], indirect=["options"]
)
async def test_a_voice_in_trouble_is_told(autojump_clock: MockClock, served: WyomingRun) -> None:
    """After what could be said."""
    client = await served.connect()
    await client.say("synthesize", {"text": "Hello there. How are you? Fine."})
    events = await client.until("error")
    assert types(events) == ["audio-start", "audio-chunk", "error"]
    assert events[-1].data["code"] == "engine-error"
    assert await client.hear() is None


async def test_who_leaves_stops_the_voice(
    autojump_clock: MockClock, served: WyomingRun, backend: Backend
) -> None:
    """At once, and gives back its engines but one lease, for the next."""
    client = await served.connect()
    await client.say("synthesize", {"text": "word " * 2_000})
    await client.until("audio-start")
    assert sum(engine.leases for engine in backend.leases.statistics().engines) == 2
    await client.leave()
    await trio.sleep(0.01)
    assert sum(engine.leases for engine in backend.leases.statistics().engines) == 1


async def test_the_character_answers(autojump_clock: MockClock, served: WyomingRun) -> None:
    """Sentence by sentence, then as a whole, with what the client wants back."""
    client = await served.connect()
    await client.say(
        "transcript", {"text": "Hello. [joy] Fine *waves*?", "context": {"conversation_id": "a"}}
    )
    events = await client.until("handled-stop")
    assert types(events) == ["handled-start", "handled-chunk", "handled", "handled-stop"]
    assert [event.data["text"] for event in events if event.type == "handled-chunk"] == ["Hello.", " Fine?"]
    assert events[-2].data == {"text": "Hello. Fine?", "context": {"conversation_id": "a"}}


async def test_other_events_are_left_alone(autojump_clock: MockClock, served: WyomingRun) -> None:
    """There will be some that nobody knows yet; a ping is answered."""
    client = await served.connect()
    await client.say("select-program", {"name": "mao"})
    await client.say("played")
    await client.say("ping", {"text": "a"})
    assert await client.hear() == WyomingEvent("pong", {"text": "a"})
