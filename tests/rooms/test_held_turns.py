"""A room in which somebody speaks over a reply and means nothing: it goes on for all, and the queue waits."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import MockClock

from tests.client import Client, Heard
from tests.conftest import GREETING, with_voice
from tests.memory_wire import memory_wire_pair
from tests.rooms.test_backend_rooms import END, START
from tests.rooms.test_sound_forms import rooms_of
from trio_backend.audio.pcm import Pcm
from trio_backend.backend import BackendOptions, open_backend
from trio_backend.config.system import SystemConfig
from trio_backend.engines.asr.scripted import write
from trio_backend.rooms import Rooms
from trio_backend.rooms.turns import ANSWERED_WITHIN, Silence, SilenceAnswer

INTERRUPT = {"type": "control", "text": "interrupt"}
SYNTHESIZED = "backend-synth-complete"


@pytest.fixture
def system() -> SystemConfig:
    """Rooms are on."""
    return SystemConfig(preload=False, enable_proxy=True)


@asynccontextmanager
async def pages(options: BackendOptions, where: str, count: int = 2) -> AsyncIterator[list[Client]]:
    """Clients of one room; the first has a microphone that is on. A long sentence lasts a second."""
    # What is longer is encoded in a thread, for which the virtual clock does not wait.
    given = with_voice(options, {"seconds_per_character": 0.08})
    async with (
        open_backend(given) as backend,
        rooms_of(backend, where) as rooms,
        trio.open_nursery() as nursery,
    ):
        clients = [await join(rooms, nursery) for _ in range(count)]
        await speak(clients[0], quiet=1)
        yield clients
        nursery.cancel_scope.cancel("the test is over")


async def join(rooms: Rooms, nursery: trio.Nursery) -> Client:
    """A client that has been greeted."""
    ours, theirs = memory_wire_pair()
    nursery.start_soon(rooms.serve, theirs, "den")
    client = Client(ours)
    assert [(await client.hear())["type"] for _ in GREETING] == GREETING
    return client


async def speak(client: Client, words: str = "", *, seconds: float = 0.0, quiet: float = 0.0) -> None:
    """Into its microphone."""
    voice = write(words, seconds=seconds)
    sound = Pcm(voice.samples + bytes(2 * round(16_000 * quiet)), 16_000)
    await client.say("raw-audio-data", audio=sound.floats().tolist())


def sentences(heard: list[Heard]) -> list[str]:
    return [message["display_text"]["text"] for message in heard if message["type"] == "audio"]


@pytest.mark.parametrize("where", ["here", "upstream"])
async def test_all_hear_it_go_on_and_the_queue_waits(
    autojump_clock: MockClock, options: BackendOptions, where: str
) -> None:
    """Each page says what was heard when it is silenced: none of these answers ends the turn."""
    async with pages(options, where) as (ann, bob):
        await ann.say("text-input", text="One two threes. Four.")
        for client in (ann, bob):
            await client.until(SYNTHESIZED)
        await bob.say("text-input", text="Next.")
        await speak(ann, seconds=0.5)
        for client in (ann, bob):
            await client.until(**INTERRUPT)
            await client.say("interrupt-signal", text="One")
        await trio.sleep(0.1)
        await speak(ann, quiet=1)
        for client in (ann, bob):
            heard = await client.until(SYNTHESIZED)
            assert START in heard
            assert sentences(heard) == ["One two threes.", "Four."]
            assert END not in heard
        await trio.sleep(3)
        await bob.say("frontend-playback-complete")
        heard = await bob.until(SYNTHESIZED)
        assert heard.index(END) < heard.index(START)
        assert sentences(heard) == ["Next."]


async def test_playback_is_waited_for_anew(autojump_clock: MockClock, options: BackendOptions) -> None:
    """The room's patience counts from where the turn has gone on."""
    async with pages(options, "here", 1) as (ann,):
        await ann.say("text-input", text=" ".join(["One two threes."] * 5))
        await ann.until(SYNTHESIZED)
        await trio.sleep(4.6)
        await speak(ann, seconds=0.5)
        await ann.until(**INTERRUPT)
        await trio.sleep(5.4)
        await speak(ann, quiet=1)
        await ann.until(SYNTHESIZED)
        began = trio.current_time()
        await ann.until(**END)
        assert trio.current_time() - began > 6


@pytest.mark.parametrize("where", ["here", "upstream"])
async def test_words_are_answered_before_the_queue(
    autojump_clock: MockClock, options: BackendOptions, where: str
) -> None:
    """Whoever speaks to the character in person is next; then what was waiting."""
    async with pages(options, where) as (ann, bob):
        await ann.say("text-input", text="One two threes. Four.")
        for client in (ann, bob):
            await client.until(SYNTHESIZED)
        await bob.say("text-input", text="Next.")
        await speak(ann, "Stop that.", seconds=0.5)
        for client in (ann, bob):
            await client.until(**INTERRUPT)
            await client.say("interrupt-signal", text="One")
        await speak(ann, quiet=1)
        await ann.until("control", text="mic-audio-end")
        await ann.say("mic-audio-end")
        for expected in ("Stop that.", "Next."):
            heard = await ann.until(SYNTHESIZED)
            assert sentences(heard) == [expected]
            await ann.say("frontend-playback-complete")
        await ann.until(**END)


def test_each_client_answers_once_and_soon() -> None:
    """The first answer counts for all; what comes later is a barge-in."""
    silence = Silence("ab", 10.0)
    assert silence.answered("c", 10.0) is None
    assert silence.answered("a", 11.0) is SilenceAnswer.FIRST
    assert silence.answered("a", 11.0) is None
    assert silence.answered("b", 11.0) is SilenceAnswer.LATER
    assert Silence("a", 10.0).answered("a", 10.0 + 2 * ANSWERED_WITHIN) is None
