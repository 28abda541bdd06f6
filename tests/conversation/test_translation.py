"""Text that is shown in one language and spoken in another."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs
import pytest
import trio
from trio.testing import MockClock

from tests.conversation.running import Listener, RunningConversation, open_conversation
from trio_backend.audio.pcm import Pcm
from trio_backend.backend import BackendOptions
from trio_backend.config.catalog import MemoryCatalog
from trio_backend.config.character import EngineChoice
from trio_backend.conversation.events import AudioChunk, Problem, Sentence, SpeechComplete
from trio_backend.engines import registry
from trio_backend.engines.base import Llm
from trio_backend.engines.registry import adapter_of, register_engine
from trio_backend.engines.whole import WholeTts
from trio_backend.errors import EngineError


@attrs.define(eq=False)
class Pirate:
    """A `Translator` that needs a second for each sentence, and two for one that is long."""

    fails_on: str = ""
    asked: list[tuple[float, str]] = attrs.field(factory=list)
    at_once: int = 0
    most_at_once: int = 0
    models: set[Llm] = attrs.field(factory=set)

    async def translate(self, text: str, llm: Llm) -> str:
        """See `Translator.translate`."""
        self.asked.append((trio.current_time(), text))
        self.models.add(llm)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await trio.sleep(2 if len(text) > 8 else 1)
        finally:
            self.at_once -= 1
        if self.fails_on and self.fails_on in text:
            raise EngineError("pirate: the parrot is asleep")
        return f"Arr, {text}"


@attrs.define(eq=False)
class NotingVoice(WholeTts):
    """A `Tts` that notes what it is to say."""

    said: list[str] = attrs.field(factory=list)

    async def synthesize(self, text: str) -> Pcm:
        """A second of silence."""
        await trio.lowlevel.checkpoint()
        self.said.append(text)
        return Pcm(bytes(32_000), 16_000)


@pytest.fixture
def pirate() -> Pirate:
    """The translator of these tests."""
    return Pirate()


@pytest.fixture
def voice() -> NotingVoice:
    """The voice of these tests."""
    return NotingVoice()


@pytest.fixture
def options(
    options: BackendOptions, pirate: Pirate, voice: NotingVoice, monkeypatch: pytest.MonkeyPatch
) -> BackendOptions:
    """With a character who is translated."""
    for kind in ("translator", "tts"):
        monkeypatch.setitem(registry._registered, kind, [])
    register_engine("translator", adapter_of("pirate", pirate))
    register_engine("tts", adapter_of("noting_tts", voice))
    assert isinstance(options.catalog, MemoryCatalog)
    base = attrs.evolve(
        options.catalog.base,
        llm=EngineChoice("llm", "echo_llm"),
        tts=EngineChoice("tts", "noting_tts"),
        translator=EngineChoice("translator", "pirate"),
    )
    return attrs.evolve(options, catalog=MemoryCatalog(base, {}))


@asynccontextmanager
async def talking(options: BackendOptions) -> AsyncIterator[tuple[RunningConversation, Listener]]:
    """A conversation."""
    async with open_conversation(options) as running:
        yield running, running.audience


def shown(audience: Listener) -> list[str]:
    """The sentences as they are displayed."""
    return [event.text for event in audience.events if isinstance(event, Sentence)]


def problems(audience: Listener) -> list[str]:
    """What the page was told."""
    return [event.text for event in audience.events if isinstance(event, Problem)]


async def test_what_is_shown_stays_and_what_is_spoken_is_translated(
    autojump_clock: MockClock, options: BackendOptions, pirate: Pirate, voice: NotingVoice
) -> None:
    """What is remembered is what was shown; emotions and what is not spoken are not translated."""
    async with talking(options) as (running, audience):
        running.say("[joy] Ahoy there (waves) mate! 😀 How now?")
        await running.wait_over()
        assert await running.stored() == [
            ("human", "[joy] Ahoy there (waves) mate! 😀 How now?"),
            ("ai", "Ahoy there (waves) mate! 😀 How now?"),
        ]
    assert [text for _, text in pirate.asked] == ["Ahoy there mate!", "How now?"]
    # The shorter one was translated first.
    assert sorted(voice.said) == ["Arr, Ahoy there mate!", "Arr, How now?"]
    assert shown(audience)[0].startswith("Ahoy there (waves) mate!")
    spoken = [event.spoken for event in audience.events if isinstance(event, Sentence)]
    assert spoken == ["Arr, Ahoy there mate!", "Arr, How now?"]
    (llm,) = pirate.models
    assert llm is running.scene.character.llm


async def test_sentences_are_translated_ahead_and_spoken_in_order(
    autojump_clock: MockClock, options: BackendOptions, pirate: Pirate
) -> None:
    """As many at once as are synthesized: the second does not wait for the first, nor is it spoken before."""
    async with talking(options) as (running, audience):
        began = trio.current_time()
        running.say("One two three. Two. Three. Four.")
        await audience.until(SpeechComplete)
        assert trio.current_time() - began == 3
        await running.wait_over()
    assert shown(audience) == ["One two three.", "Two.", "Three.", "Four."]
    assert pirate.most_at_once == 3
    assert sum(isinstance(event, AudioChunk) and bool(event.pcm.samples) for event in audience.events) == 4


async def test_an_interrupt_stops_the_translation(
    autojump_clock: MockClock, options: BackendOptions, pirate: Pirate, voice: NotingVoice
) -> None:
    """At once."""
    async with talking(options) as (running, _):
        running.say("One. Two. Three.")
        await trio.sleep(0.5)
        assert pirate.at_once == 3
        assert await running.conversation.barge_in("")
        await running.wait_over()
        assert pirate.at_once == 0
    assert voice.said == []


async def test_a_translator_that_fails_is_told_once_and_left_alone(
    autojump_clock: MockClock, options: BackendOptions, pirate: Pirate, voice: NotingVoice
) -> None:
    """What it did not translate is spoken as it is shown. After a minute it is asked again."""
    pirate.fails_on = "Two"
    async with talking(options) as (running, audience):
        running.say("One. Two. Two too. Three. Four.")
        await running.wait_over()
        assert shown(audience) == ["One.", "Two.", "Two too.", "Three.", "Four."]
        assert sorted(voice.said) == ["Arr, One.", "Four.", "Three.", "Two too.", "Two."]
        assert problems(audience) == ["pirate: the parrot is asleep; it is spoken as it is shown"]
        asked = len(pirate.asked)
        running.say("Two.")
        await running.wait_over()
        assert len(pirate.asked) == asked
        assert len(problems(audience)) == 1
        await trio.sleep(60)
        running.say("One.")
        await running.wait_over()
        assert voice.said[-2:] == ["Two.", "Arr, One."]


async def test_a_translator_that_is_not_there_is_none(
    autojump_clock: MockClock, options: BackendOptions, voice: NotingVoice
) -> None:
    """With a warning in the log, as for every engine that we do not have."""
    assert isinstance(options.catalog, MemoryCatalog)
    base = attrs.evolve(options.catalog.base, translator=EngineChoice("translator", "unheard_of"))
    async with talking(attrs.evolve(options, catalog=MemoryCatalog(base, {}))) as (running, audience):
        running.say("One.")
        await running.wait_over()
    assert voice.said == ["One."]
    assert problems(audience) == []
