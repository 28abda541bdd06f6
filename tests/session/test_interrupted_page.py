"""A page without a `hello` gets its first sound once it can have drawn the beginning of the turn."""

from __future__ import annotations

import attrs
import pytest
import trio
from trio.testing import MockClock

from tests.client import Client, Heard, matches
from tests.conftest import HEARING, TOKEN, Connect
from trio_backend.audio.pcm import Pcm
from trio_backend.backend import BackendOptions
from trio_backend.config.catalog import MemoryCatalog
from trio_backend.config.character import EngineChoice
from trio_backend.engines.asr.scripted import write
from trio_backend.session.interrupted_page import SETTLED_AFTER

BEGUN = {"type": "control", "text": "conversation-chain-start"}
TEXT = "One two. Three four. Five six."
FIRST, SECOND = TOKEN, 3 * TOKEN
"""When the model has finished these sentences, in seconds after the beginning of a turn."""


@pytest.fixture
def options(options: BackendOptions) -> BackendOptions:
    """The recogniser needs no longer than a good one does."""
    catalog = options.catalog
    assert isinstance(catalog, MemoryCatalog)
    asr = EngineChoice("asr", "scripted_asr", {"delay": HEARING / 10})
    return attrs.evolve(options, catalog=MemoryCatalog(attrs.evolve(catalog.base, asr=asr), {}))


async def interrupted(connect: Connect) -> Client:
    """A client whose user has stopped the first turn after its first sentence."""
    client = await connect()
    await client.say("text-input", text=TEXT)
    await client.until("audio")
    await client.say("interrupt-signal", text="One")
    return client


async def first_sounds(client: Client, count: int = 1) -> list[float]:
    """When the next sentences come, in seconds after the beginning of their turn."""
    began = None
    found: list[float] = []
    while len(found) < count:
        heard = await client.hear()
        if matches(heard, BEGUN):
            began = trio.current_time()
        elif heard["type"] == "audio":
            assert began is not None
            found.append(trio.current_time() - began)
    return found


async def test_the_first_sound_after_an_interruption_waits_for_the_page(
    autojump_clock: MockClock, connect: Connect
) -> None:
    """The second sentence does not wait again, nor does the next turn."""
    client = await interrupted(connect)

    await client.say("text-input", text=TEXT)

    assert await first_sounds(client, 3) == pytest.approx([SETTLED_AFTER, SETTLED_AFTER, SETTLED_AFTER])
    await client.until("backend-synth-complete")
    await client.say("frontend-playback-complete")
    await client.say("text-input", text=TEXT)
    assert await first_sounds(client, 2) == pytest.approx([FIRST, SECOND])


async def test_a_reply_that_takes_longer_anyway_does_not_wait(
    autojump_clock: MockClock, connect: Connect
) -> None:
    """The time runs from the beginning of the turn."""
    client = await interrupted(connect)

    await client.say("text-input", text="one two three four five six seven.")

    assert await first_sounds(client) == pytest.approx([6 * TOKEN])


async def test_whoever_stops_the_character_and_types_then_does_not_wait(
    autojump_clock: MockClock, connect: Connect
) -> None:
    """By typing the page has forgotten that it was interrupted."""
    client = await interrupted(connect)
    await client.silence(6)

    await client.say("text-input", text=TEXT)

    assert await first_sounds(client) == pytest.approx([FIRST])


async def test_a_turn_that_goes_on_does_not_wait(autojump_clock: MockClock, connect: Connect) -> None:
    """Its user has sent sound all the time, which that page does not."""
    client = await connect()
    await client.say("raw-audio-data", audio=Pcm(bytes(32_000), 16_000).floats().tolist())
    await client.say("text-input", text=TEXT)
    await client.until("audio")
    await client.say("raw-audio-data", audio=write("", seconds=0.5).floats().tolist())
    await client.until("control", text="interrupt")
    await client.say("interrupt-signal", text="One")
    await client.say("raw-audio-data", audio=Pcm(bytes(32_000), 16_000).floats().tolist())

    assert await first_sounds(client) == pytest.approx([0.0])


async def test_a_page_may_interrupt_what_is_over_here(autojump_clock: MockClock, connect: Connect) -> None:
    """What it plays may last longer than the turn does on the server; then nothing is interrupted but it."""
    client = await connect()
    await client.turn(TEXT)
    await client.say("interrupt-signal", text="One")

    await client.say("text-input", text=TEXT)

    assert await first_sounds(client) == pytest.approx([SETTLED_AFTER])


async def test_an_interruption_while_the_sound_waits_ends_that_too(
    autojump_clock: MockClock, connect: Connect
) -> None:
    """Nothing of that turn comes; the next one waits from its own beginning."""
    client = await interrupted(connect)
    await client.say("text-input", text=TEXT)
    await client.until("control", text="conversation-chain-start")
    await trio.sleep(FIRST + 0.1)
    await client.say("interrupt-signal", text="")
    assert [heard["type"] for heard in await drained(client)] == ["full-text"]

    await client.say("text-input", text=TEXT)

    assert await first_sounds(client) == pytest.approx([SETTLED_AFTER])


async def drained(client: Client) -> list[Heard]:
    """What comes in two seconds."""
    heard: list[Heard] = []
    with trio.move_on_after(2):
        while True:
            heard.append(await client.hear())
    return heard


async def test_a_client_with_a_hello_does_not_wait(autojump_clock: MockClock, connect: Connect) -> None:
    """Whatever it accepts: whoever knows the additions was written for this server."""
    client = await connect()
    await client.say("hello", accepts=[])
    await client.say("text-input", text=TEXT)
    await client.until("audio")
    await client.say("interrupt-signal", text="One")

    await client.say("text-input", text=TEXT)

    assert await first_sounds(client) == pytest.approx([FIRST])


async def test_whoever_speaks_does_not_wait(autojump_clock: MockClock, connect: Connect) -> None:
    """The page has drawn that it waits for a reply as soon as its user had finished."""
    client = await interrupted(connect)

    await client.say("mic-audio-data", audio=write("hi there.", seconds=1).floats().tolist())
    await client.say("mic-audio-end")

    assert await first_sounds(client) == pytest.approx([HEARING / 10 + FIRST])
