"""Characters come and go, and fall asleep, in order with what the user says. On the virtual clock."""

from __future__ import annotations

import attrs
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.client import Client
from tests.conftest import Connect, character
from tests.session.sessions import THREE, connect_greeted, shown, stored, types, with_llm
from tests.session.test_requests import visit
from trio_backend.backend import Backend, BackendOptions, open_backend
from trio_backend.config.catalog import MemoryCatalog
from trio_backend.config.character import EngineChoice
from trio_backend.config.system import SystemConfig
from trio_backend.engines.asr.scripted import write

IDLE = 30


async def switch(client: Client, file: str) -> None:
    """Choose a character, and wait until it is there."""
    await client.say("switch-config", file=file)
    await client.until("config-switched")


async def wake(client: Client) -> None:
    """Choose iris, and wake her up."""
    await switch(client, "iris.yaml")
    await client.turn("Hey, Iris!")


async def test_what_was_said_before_a_switch_was_said_to_the_one_before(
    autojump_clock: MockClock, options: BackendOptions
) -> None:
    """Though the other is loaded while that waits; it comes after, and does not answer."""
    async with visit(options) as here:
        client = here.client
        await client.say("switch-config", file="ann.yaml")
        await client.until("full-text")
        await here.occupy()
        await client.say("text-input", text="Still there?")
        await client.until("config-switched")
        await client.silence(60)
        assert await stored(here.backend) == [("human", "Still there?")]
        assert await stored(here.backend, "ann_001") == []


async def test_late_news_of_a_character_who_is_not_wanted_any_more(
    autojump_clock: MockClock, options: BackendOptions
) -> None:
    """It was loaded before the next one was chosen, and that was said when it had been."""
    async with visit(options) as here:
        client = here.client
        await client.say("switch-config", file="ann.yaml")
        await client.until("full-text")
        await here.occupy()
        await client.say("switch-config", file="iris.yaml")
        heard = await client.until("config-switched")
        assert [message["conf_name"] for message in heard if message["type"] == "set-model-and-conf"] == [
            "iris"
        ]
        await client.silence(600)
        kinds = [engine.kind for engine in here.backend.leases.statistics().engines]
        assert sorted(kinds) == ["llm", "tts"]


async def test_a_turn_is_over_before_its_character_is_exchanged(
    autojump_clock: MockClock, connect: Connect, backend: Backend
) -> None:
    """Its words stay in the conversation that it was in, and the next character knows nothing of it."""
    client = await connect()
    await client.say("switch-config", file="iris.yaml")
    await client.say("text-input", text=THREE)
    await client.until("config-switched")
    assert [role for role, _ in await stored(backend)][:1] in ([], ["human"])
    assert await stored(backend, "iris_001") == []
    (session,) = backend.services.sessions
    assert not session.conversation.memory.so_far()
    assert not session.turn_running


async def test_a_client_that_accepts_it_learns_by_which_words_a_character_wakes_up(
    autojump_clock: MockClock, connect: Connect
) -> None:
    """After its hello, and with each character; one who never sleeps has no such words."""
    client = await connect()
    await client.say("hello", accepts=["wake-words"])
    (said,) = [message for message in await client.until("wake-words") if message["type"] == "wake-words"]
    assert said == {"type": "wake-words", "words": {}, "current_state": "active"}

    await switch(client, "iris.yaml")
    said = (await client.until("wake-words"))[-1]
    assert said == {"type": "wake-words", "words": {"en": ["hey iris"]}, "current_state": "listening"}

    await client.turn("Hey, Iris!")
    await client.say("hello", accepts=["wake-words"])
    assert (await client.until("wake-words"))[-1]["current_state"] == "active"


async def test_others_are_not_told_of_wake_words(autojump_clock: MockClock, connect: Connect) -> None:
    """Neither without a hello nor with one that does not name them."""
    client = await connect()
    await client.say("heartbeat")
    heard = await client.until("heartbeat-ack")
    await client.say("hello", accepts=["wake-word-state"])
    await client.say("switch-config", file="iris.yaml")
    heard += await client.until("config-switched")
    await client.say("heartbeat")
    heard += await client.until("heartbeat-ack")
    assert "wake-words" not in types(heard)


async def test_the_one_before_does_not_fall_asleep_any_more(
    autojump_clock: MockClock, connect: Connect
) -> None:
    """Who woke it has gone on to another; how often somebody woke up is the session's."""
    client = await connect()
    await wake(client)
    await switch(client, "mute.yaml")
    await client.silence(10 * IDLE)
    await switch(client, "iris.yaml")
    heard = await client.turn("Hey, Iris!")
    (state,) = [message for message in heard if message["type"] == "wake-word-state"]
    assert state["stats"] == {"wake_count": 2, "end_count": 0, "ignored_count": 0}


async def test_who_is_being_answered_when_it_is_time_is_not_left(
    autojump_clock: MockClock, options: BackendOptions
) -> None:
    """What was said in time is answered, by somebody who is awake."""
    async with visit(options) as here:
        client = here.client
        await wake(client)
        began = trio.current_time()
        await trio.sleep_until(began + IDLE - 1)
        await here.occupy()
        await client.say("text-input", text="How are you?")
        await trio.sleep_until(began + IDLE + 1)
        heard = await client.until("backend-synth-complete")
        assert shown(heard) == ["How are you?"]
        await client.say("frontend-playback-complete")
        heard += await client.until("control", text="conversation-chain-end")
        assert "wake-word-state" not in types(heard)
        said = trio.current_time()
        heard = await client.until("wake-word-state")
        assert heard[-1]["action"] == "sleep"
        assert trio.current_time() - said == pytest.approx(IDLE)


async def test_who_sleeps_does_not_fall_asleep(autojump_clock: MockClock, options: BackendOptions) -> None:
    """Sent to sleep in the very moment: that is told, and counted, once."""
    async with visit(options) as here:
        client = here.client
        await wake(client)
        began = trio.current_time()
        await trio.sleep_until(began + IDLE - 1)
        await here.occupy()
        await client.say("text-input", text="Stop.")
        await client.say("fetch-history-list")
        await trio.sleep_until(began + IDLE + 1)
        heard = await client.until("backend-synth-complete")
        await client.say("frontend-playback-complete")
        heard += await client.until("control", text="conversation-chain-end")
        states = [message["action"] for message in heard if message["type"] == "wake-word-state"]
        assert states == ["sleep"]
        assert types(await client.until("history-list")) == ["history-list"]
        await client.silence(600)


async def test_a_nudge_does_not_displace_what_waits(
    autojump_clock: MockClock, options: BackendOptions, nursery: trio.Nursery
) -> None:
    """A character that is loading answers what was said; a barge-in makes that pointless."""
    async with open_backend(with_llm(options, {"load": IDLE})) as backend:
        client = await connect_greeted(backend, nursery)
        await client.say("text-input", text="First.")
        await client.until("full-text")
        await client.say("ai-speak-signal")
        assert shown(await client.until("backend-synth-complete")) == ["First."]
        await client.say("frontend-playback-complete")
        await client.until("control", text="conversation-chain-end")
        await client.say("ai-speak-signal")
        assert shown(await client.until("audio")) == ["Say something."]


async def test_a_barge_in_drops_what_waits_for_the_character(
    autojump_clock: MockClock, options: BackendOptions, nursery: trio.Nursery
) -> None:
    """Nobody answers what the user does not want answered any more."""
    async with open_backend(with_llm(options, {"load": IDLE})) as backend:
        client = await connect_greeted(backend, nursery)
        await client.say("text-input", text="First.")
        await client.until("full-text")
        await client.say("interrupt-signal", text="")
        await client.silence(10 * IDLE)


async def test_nothing_waits_for_who_could_not_come(
    autojump_clock: MockClock, options: BackendOptions, nursery: trio.Nursery
) -> None:
    """Another character is not asked what this one was asked."""
    broken = attrs.evolve(options.catalog.base, llm=EngineChoice("llm", "echo_llm", {"token_delay": "soon"}))
    catalog = MemoryCatalog(broken, {"ann.yaml": character("ann")})
    async with open_backend(attrs.evolve(options, catalog=catalog)) as backend:
        client = await connect_greeted(backend, nursery)
        await client.until("error")
        await client.say("text-input", text="Hello?")
        await client.until("error")
        await switch(client, "ann.yaml")
        await client.silence(600)


@pytest.mark.parametrize("system", [SystemConfig(preload=False, max_text=100)])
async def test_what_was_heard_is_no_longer_than_a_text_may_be(
    autojump_clock: MockClock, connect: Connect, backend: Backend
) -> None:
    """What is more is cut off."""
    client = await connect()
    await client.say("text-input", text=THREE)
    await client.until("audio")
    await client.say("interrupt-signal", text="x" * 500)
    await wait_all_tasks_blocked()
    assert await stored(backend) == [("human", THREE), ("ai", "x" * 100)]


async def test_a_name_is_one_line(autojump_clock: MockClock, connect: Connect, backend: Backend) -> None:
    """What a viewer calls himself does not pass for what others say."""
    client = await connect()
    await client.say("text-input", text="Hi.", name=" Ann\nBob:\tHello!\r\n")
    await client.until("backend-synth-complete")
    (session,) = backend.services.sessions
    assert session.conversation.memory.so_far()[0].content == "Ann Bob: Hello!: Hi."


async def test_where_nothing_can_be_made_out_no_model_is_asked(
    autojump_clock: MockClock, connect: Connect, backend: Backend
) -> None:
    """The turn ends; nothing is shown, remembered or stored."""
    client = await connect()
    await client.say("mic-audio-data", audio=write("  ").floats().tolist())
    await client.say("mic-audio-end")
    heard = await client.until("control", text="conversation-chain-end")
    assert types(heard) == ["control", "full-text", "force-new-message", "control"]
    assert await stored(backend) == []


async def test_what_was_ignored_is_neither_remembered_nor_kept(
    autojump_clock: MockClock, options: BackendOptions
) -> None:
    """It was not meant for the character: nothing is left of it when its turn is over."""
    async with visit(options) as here:
        await switch(here.client, "iris.yaml")
        heard = await here.client.turn("word " * 2_000)
        assert [message["action"] for message in heard if message["type"] == "wake-word-state"] == ["ignored"]
        (session,) = here.backend.services.sessions
        assert not session.conversation.memory.so_far()
        assert here.quota.used == 0
        await trio.sleep(1)
        assert await stored(here.backend, "iris_001") == []
