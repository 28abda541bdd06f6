"""Who is present, who is on the way, and whose engines are given back."""

from __future__ import annotations

import attrs
import pytest
import trio
import trio.testing
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.conftest import Connect, character
from tests.session.sessions import connect_greeted, shown, with_llm
from trio_backend.backend import Backend, BackendOptions, open_backend
from trio_backend.config.catalog import MemoryCatalog
from trio_backend.config.character import CharacterConfig, EngineChoice


async def test_an_input_before_the_character_is_there_waits_for_it(
    autojump_clock: MockClock, options: BackendOptions, nursery: trio.Nursery
) -> None:
    """Only the last of several is answered."""
    slow = with_llm(options, {"load": 30})
    async with open_backend(slow) as backend:
        client = await connect_greeted(backend, nursery)
        began = trio.current_time()
        await client.say("text-input", text="First.")
        assert (await client.hear())["text"] == "Mao is on the way..."
        await client.say("text-input", text="Second.")
        heard = await client.until("audio")
        assert trio.current_time() - began == 30
        assert shown(heard) == ["Second."]


async def test_a_character_that_cannot_come_is_tried_again_at_the_next_input(
    autojump_clock: MockClock, options: BackendOptions, nursery: trio.Nursery
) -> None:
    """The reason is told each time, and another character can be chosen meanwhile."""
    broken = attrs.evolve(options.catalog.base, llm=EngineChoice("llm", "echo_llm", {"token_delay": "soon"}))
    catalog = MemoryCatalog(broken, {"ann.yaml": character("ann")})
    async with open_backend(attrs.evolve(options, catalog=catalog)) as backend:
        client = await connect_greeted(backend, nursery)
        for _ in range(2):
            error = (await client.until("error"))[-1]
            assert error["code"] == "bad-config"
            assert "token_delay" in error["message"]
            await client.say("text-input", text="Hello?")
        await client.until("error")
        await client.say("switch-config", file="ann.yaml")
        await client.until("config-switched")
        assert shown(await client.turn("Hello?")) == ["Hello?"]


async def test_ten_rapid_switches_end_in_the_last(
    autojump_clock: MockClock, options: BackendOptions, nursery: trio.Nursery
) -> None:
    """With engines that take 5 s they are over 5 s after the tenth, and nothing of the others is left."""
    names = [f"c{n}" for n in range(10)]
    others = {f"{name}.yaml": slow_one(name) for name in names}
    async with open_backend(
        attrs.evolve(options, catalog=MemoryCatalog(options.catalog.base, others))
    ) as backend:
        client = await connect_greeted(backend, nursery)
        await client.say("heartbeat")
        await client.until("heartbeat-ack")
        began = trio.current_time()
        for name in names:
            await client.say("switch-config", file=f"{name}.yaml")
            assert (await client.hear())["text"] == f"Loading {name.title()}..."
            await trio.sleep(0.1)
        await client.say("text-input", text="Who is there?")
        answered = await client.until("audio")
        assert answered[-1]["display_text"]["name"] == "Mao"
        heard = await client.until("config-switched")
        assert trio.current_time() - began == pytest.approx(0.9 + 5)
        assert [m["conf_name"] for m in heard if m["type"] == "set-model-and-conf"] == ["c9"]
        await wait_all_tasks_blocked()
        # Echo with ten different settings would be ten engines: one is left, and the synthesis.
        assert len(backend.leases.statistics().engines) == 2
        await client.silence(600)


def slow_one(name: str) -> CharacterConfig:
    """A character with a model of its own that takes 5 s to load."""
    settings = {"load": 5, "first_token_delay": 0.001 * int(name[1:])}
    return attrs.evolve(character(name), llm=EngineChoice("llm", "echo_llm", settings))


async def test_engines_are_shared_and_given_back(
    autojump_clock: MockClock, connect: Connect, backend: Backend
) -> None:
    """Two clients of one character are two leases of one engine; with the last client it is gone."""
    clients = [await connect(), await connect()]
    await wait_all_tasks_blocked()
    assert {engine.leases for engine in backend.leases.statistics().engines} == {2}
    for client in clients:
        await client.wire.close()
    await wait_all_tasks_blocked()
    assert not backend.leases.statistics().engines
