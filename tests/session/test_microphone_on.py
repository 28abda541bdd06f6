"""Switching a microphone on loads what understands it, before the first word. On the virtual clock."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs
import trio
from trio.testing import MockClock

from tests.client import Client
from tests.conftest import character
from tests.session.sessions import connect_greeted
from trio_backend.backend import Backend, BackendOptions, open_backend
from trio_backend.config.catalog import MemoryCatalog
from trio_backend.config.character import EngineChoice
from trio_backend.engines.asr.scripted import write
from trio_backend.engines.leases import EngineStatistics
from trio_backend.engines.registry import EngineConfig
from trio_backend.errors import EngineError

LOADING = 3.0
ON = {"format": "pcm16", "carries": "mic-audio-data"}


@asynccontextmanager
async def slow_backend(options: BackendOptions, *, base_load: float = 0.0) -> AsyncIterator[Backend]:
    """Recognition loads for `LOADING` seconds, and then takes no time; so do the two characters differ."""
    asr = EngineChoice("asr", "scripted_asr", {"load": LOADING})
    other = EngineChoice("asr", "scripted_asr", {"load": LOADING, "delay": 0.1})
    base = attrs.evolve(character("mao", load=base_load, voice="none_tts"), file="conf.yaml", asr=asr)
    ann = attrs.evolve(character("ann", voice="none_tts"), asr=other)
    async with open_backend(attrs.evolve(options, catalog=MemoryCatalog(base, {ann.file: ann}))) as backend:
        yield backend


def recognisers(backend: Backend) -> list[EngineStatistics]:
    """Those that there are."""
    return [engine for engine in backend.leases.statistics().engines if engine.kind == "asr"]


async def wait_for_words(client: Client) -> float:
    """Say something; the seconds from its end to its transcript."""
    await client.say("mic-audio-data", audio=write("hello").floats().tolist())
    await client.say("mic-audio-end")
    ended = trio.current_time()
    assert (await client.until("user-input-transcription"))[-1]["text"] == "hello"
    return trio.current_time() - ended


async def test_recognition_is_there_with_the_first_word(
    autojump_clock: MockClock, options: BackendOptions, nursery: trio.Nursery
) -> None:
    """It loads while the browser opens the microphone and somebody draws breath; who types pays nothing."""
    async with slow_backend(options) as backend:
        client = await connect_greeted(backend, nursery)
        await trio.sleep(LOADING)
        assert not recognisers(backend)
        await client.say("mic-format", **ON)
        await trio.sleep(LOADING)
        assert await wait_for_words(client) == 0
        # Whoever says nothing of a microphone has it loaded with the first sound.
        assert [engine.state for engine in recognisers(backend)] == ["open"]


async def test_a_microphone_that_was_on_before_its_character_came(
    autojump_clock: MockClock, options: BackendOptions, nursery: trio.Nursery
) -> None:
    """A page opens it as soon as it is connected. The next character is prepared for it, too."""
    async with slow_backend(options, base_load=5) as backend:
        client = await connect_greeted(backend, nursery)
        await client.say("mic-format", **ON)
        await trio.sleep(5.1)
        assert [engine.state for engine in recognisers(backend)] == ["loading"]
        await trio.sleep(LOADING)
        assert await wait_for_words(client) == 0
        await client.until("control", text="conversation-chain-end")
        await client.say("switch-config", file="ann.yaml")
        await client.until("config-switched")
        await trio.sleep(LOADING)
        assert await wait_for_words(client) < LOADING


async def test_who_leaves_while_it_loads_leaves_nothing(
    autojump_clock: MockClock, options: BackendOptions
) -> None:
    """One load for all who have switched on, however often; the last who leaves ends it."""
    async with slow_backend(options) as backend:
        async with trio.open_nursery() as clients:
            for _ in range(2):
                client = await connect_greeted(backend, clients)
                for _ in range(5):
                    await client.say("mic-format", **ON)
                    await client.until("mic-format")
            await trio.sleep(LOADING / 2)
            (engine,) = recognisers(backend)
            # Each session holds it, and waits for it once.
            assert (engine.state, engine.leases) == ("loading", 4)
            clients.cancel_scope.cancel("they leave")
        await trio.testing.wait_all_tasks_blocked()
        assert not recognisers(backend)


async def test_that_it_cannot_be_loaded_is_told_once(
    autojump_clock: MockClock, options: BackendOptions, nursery: trio.Nursery
) -> None:
    """With the microphone, and not with each piece of sound, each of which would try it again."""
    async with open_backend(options) as backend:
        client = await connect_greeted(backend, nursery)
        await trio.sleep(1)
        tries = fail_to_open(backend, "the model is gone: get it again")
        await client.say("mic-format", **ON)
        told = (await client.until("error"))[-1]
        assert (told["code"], told["message"]) == ("engine-error", "the model is gone: get it again")
        assert len(tries) == 1
        for _ in range(20):
            await client.say("mic-audio-data", audio=write("hello").floats().tolist())
            await trio.sleep(0.1)
        await client.say("heartbeat")
        assert [message["type"] for message in await client.until("heartbeat-ack")] == ["heartbeat-ack"]
        assert len(tries) == 1
        # Switched on again, it is tried again.
        await client.say("mic-format", **ON)
        assert (await client.until("error"))[-1]["message"] == told["message"]


def fail_to_open(backend: Backend, why: str) -> list[float]:
    """Let no engine be opened any more; the list gets the time of each try."""
    tries: list[float] = []

    @asynccontextmanager
    async def fail(_config: EngineConfig) -> AsyncIterator[object]:
        tries.append(trio.current_time())
        await trio.lowlevel.checkpoint()
        if tries:
            raise EngineError(why)
        yield None

    backend.leases._open = fail
    return tries
