"""What a session promises beyond the transcripts, on the virtual clock: endings, failures and limits."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import attrs
import pytest
import trio
import trio.testing
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.client import Client
from tests.conftest import GREETING, Connect, character
from tests.memory_wire import memory_wire_pair
from trio_backend.backend import Backend, Premises, open_backend
from trio_backend.config.cast import MemoryCast
from trio_backend.config.character import CharacterConfig, EngineChoice
from trio_backend.config.system import SystemConfig
from trio_backend.errors import WireClosed
from trio_backend.history.memory import MemoryHistory
from trio_backend.history.store import ConfUid

START = {"type": "control", "text": "conversation-chain-start"}
END = {"type": "control", "text": "conversation-chain-end"}
THREE = "One two three. Four five six. Seven eight nine."
TOLD = "the tone voice was told to fail on this sentence"


def types(messages: list[dict[str, Any]]) -> list[str]:
    """The messages' types."""
    return [message["type"] for message in messages]


def shown(messages: list[dict[str, Any]]) -> list[str]:
    """The sentences among the messages."""
    return [message["display_text"]["text"] for message in messages if message["type"] == "audio"]


async def stored(backend: Backend, conf_uid: str = "mao_001") -> list[tuple[str, str]]:
    """Role and content of the newest conversation's messages."""
    history = backend.house.history
    conversations = await history.conversations(ConfUid(conf_uid))
    if not conversations:
        return []
    messages = await history.messages(ConfUid(conf_uid), conversations[0].uid)
    return [(message.role, message.content) for message in messages]


def with_llm(premises: Premises, settings: Mapping[str, object]) -> Premises:
    """The premises with other settings of the echo model for the base character, who is alone."""
    base = attrs.evolve(premises.cast.base, llm=EngineChoice("llm", "echo_llm", settings))
    return attrs.evolve(premises, cast=MemoryCast(base))


def with_tts(premises: Premises, settings: Mapping[str, object]) -> Premises:
    """The premises with other settings of the tone voice for the base character, who is alone."""
    base = attrs.evolve(premises.cast.base, tts=EngineChoice("tts", "tone_tts", settings))
    return attrs.evolve(premises, cast=MemoryCast(base))


# How far a turn has come when the user cuts in, as seconds after the input: the model says a word each
# 0.1 s, a sentence is three of them, and the voice takes no time.
MOMENTS = [0.0, 0.05, 0.1, 0.2, 0.25, 0.45, 0.8, 0.85, 3.0]


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("way", ["barge-in", "new input", "leaving"])
async def test_every_start_has_its_end(
    autojump_clock: MockClock, connect: Connect, backend: Backend, moment: float, way: str
) -> None:
    """Cut at any moment, in any way: one end for each start unless the user barged in, and nothing after."""
    client = await connect()
    heard: list[dict[str, Any]] = []
    await client.say("text-input", text=THREE)
    with trio.move_on_after(moment):
        while True:
            heard.append(await client.hear())
    if way == "leaving":
        await client.wire.close()
        await wait_all_tasks_blocked()
    elif way == "barge-in":
        await client.say("interrupt-signal", text="One two")
        await client.say("heartbeat")
        # One message may have been on its way already.
        heard += await client.until("heartbeat-ack")
        await client.silence(600)
        assert heard.count(START) == 1
        assert END not in heard
        assert len(heard) < 12
    else:
        await client.say("text-input", text="Next.")
        while heard.count(END) < 2:
            heard.append(await client.hear())
            if heard[-1]["type"] == "backend-synth-complete":
                await client.say("frontend-playback-complete")
        assert heard.count(START) == 2 == heard.count(END)
        assert heard[-1] == END
    roles = [role for role, _ in await stored(backend)]
    assert roles[:1] == ["human"]


async def test_what_was_heard_is_what_is_remembered(
    autojump_clock: MockClock, connect: Connect, backend: Backend
) -> None:
    """After a barge-in, history holds what the client says that it heard."""
    client = await connect()
    await client.say("text-input", text=THREE)
    await client.until("audio")
    await client.say("interrupt-signal", text="One two")
    await client.say("heartbeat")
    await client.until("heartbeat-ack")

    assert await stored(backend) == [("human", THREE), ("ai", "One two")]


async def test_a_superseded_turn_keeps_what_was_sent(
    autojump_clock: MockClock, connect: Connect, backend: Backend
) -> None:
    """Who just types on has heard what had come so far."""
    client = await connect()
    await client.say("text-input", text=THREE)
    await client.until("audio")
    await client.turn("Next.")  # up to the end of the first turn
    await client.until("backend-synth-complete")
    await client.say("frontend-playback-complete")
    await client.until(**END)

    assert [content for _, content in await stored(backend)] == [THREE, "One two three.", "Next.", "Next."]


async def test_a_client_that_leaves_during_playback_keeps_its_reply(
    autojump_clock: MockClock, connect: Connect, backend: Backend
) -> None:
    """Closing the page in the middle of a reply loses nothing that was sent."""
    client = await connect()
    await client.say("text-input", text="Hello there.")
    await client.until("backend-synth-complete")
    await client.wire.close()
    await wait_all_tasks_blocked()

    assert await stored(backend) == [("human", "Hello there."), ("ai", "Hello there.")]
    assert not backend.house.sessions
    assert not backend.leases.statistics().engines


async def test_playback_that_is_reported_at_once_is_not_missed(
    autojump_clock: MockClock, connect: Connect
) -> None:
    """The wait is armed before the question is sent."""
    client = await connect()
    began = trio.current_time()
    heard = await client.turn("Hi.")
    assert heard[-1] == END
    assert trio.current_time() == began


async def test_a_model_that_fails_is_told_and_the_turn_ends(
    autojump_clock: MockClock, premises: Premises, nursery: trio.Nursery
) -> None:
    """What came before the failure is still spoken, and the session goes on."""
    settings = {"token_delay": 0.1, "fail": "the model is gone: start it again", "fail_at": 4}
    async with open_backend(with_llm(premises, settings)) as backend:
        client = await meet(backend, nursery)
        heard = await client.turn(THREE)
        assert shown(heard) == ["One two three.", "Four"]
        errors = [message for message in heard if message["type"] == "error"]
        assert errors == [
            {"type": "error", "code": "engine-error", "message": "the model is gone: start it again"}
        ]
        assert heard[-1] == END
        await client.say("heartbeat")
        await client.until("heartbeat-ack")


async def test_a_voice_that_fails_leaves_the_text(
    autojump_clock: MockClock, premises: Premises, nursery: trio.Nursery
) -> None:
    """Each sentence still comes, without sound; the error is told once and never spoken."""
    broken = with_tts(premises, {"fail_on": "Four"})
    async with open_backend(broken) as backend:
        client = await meet(backend, nursery)
        heard = await client.turn(THREE)
        assert shown(heard) == ["One two three.", "Four five six.", "Seven eight nine."]
        assert [m["audio"] is None for m in heard if m["type"] == "audio"] == [False, True, True]
        assert [m["message"] for m in heard if m["type"] == "error"] == [TOLD]
        assert "backend-synth-complete" in types(heard)


async def test_a_reply_without_end_is_ended(
    autojump_clock: MockClock, premises: Premises, nursery: trio.Nursery
) -> None:
    """A turn has a deadline of its own, whatever the engines do."""
    slow = with_llm(premises, {"token_delay": 100})
    async with open_backend(slow) as backend:
        client = await meet(backend, nursery)
        began = trio.current_time()
        heard = await client.turn("One. Two. Three. Four.")
        assert trio.current_time() - began == 120
        assert shown(heard) == ["One.", "Two."]
        assert [m["code"] for m in heard if m["type"] == "error"] == ["turn-deadline"]


async def test_sentences_leave_in_order_however_long_their_synthesis_takes(
    autojump_clock: MockClock, premises: Premises, nursery: trio.Nursery
) -> None:
    """Three are in synthesis at once: together they take as long as the longest."""
    settings = {"seconds_per_character": 0.01, "delay": 1.0}
    async with open_backend(with_tts(premises, settings)) as backend:
        client = await meet(backend, nursery)
        began = trio.current_time()
        await client.say("text-input", text=THREE)
        heard = await client.until("backend-synth-complete")
        assert shown(heard) == ["One two three.", "Four five six.", "Seven eight nine."]
        assert trio.current_time() - began == pytest.approx(0.8 + 1.0)


async def test_an_input_before_the_character_is_there_waits_for_it(
    autojump_clock: MockClock, premises: Premises, nursery: trio.Nursery
) -> None:
    """Only the last of several is answered."""
    slow = with_llm(premises, {"load": 30})
    async with open_backend(slow) as backend:
        client = await meet(backend, nursery)
        began = trio.current_time()
        await client.say("text-input", text="First.")
        assert (await client.hear())["text"] == "Mao is on the way..."
        await client.say("text-input", text="Second.")
        heard = await client.until("audio")
        assert trio.current_time() - began == 30
        assert shown(heard) == ["Second."]


async def test_a_character_that_cannot_come_is_tried_again_at_the_next_input(
    autojump_clock: MockClock, premises: Premises, nursery: trio.Nursery
) -> None:
    """The reason is told each time, and another character can be chosen meanwhile."""
    broken = attrs.evolve(premises.cast.base, llm=EngineChoice("llm", "echo_llm", {"token_delay": "soon"}))
    cast = MemoryCast(broken, {"ann.yaml": character("ann")})
    async with open_backend(attrs.evolve(premises, cast=cast)) as backend:
        client = await meet(backend, nursery)
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
    autojump_clock: MockClock, premises: Premises, nursery: trio.Nursery
) -> None:
    """With engines that take 5 s they are over 5 s after the tenth, and nothing of the others is left."""
    names = [f"c{n}" for n in range(10)]
    others = {f"{name}.yaml": slow_one(name) for name in names}
    async with open_backend(attrs.evolve(premises, cast=MemoryCast(premises.cast.base, others))) as backend:
        client = await meet(backend, nursery)
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
        # Echo with ten different settings would be ten engines: one is left, and the voice.
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


@pytest.mark.parametrize("system", [SystemConfig(preload=False, messages_per_second=10, message_burst=20)])
async def test_a_flood_is_refused_and_then_disconnected(
    autojump_clock: MockClock, connect: Connect, system: SystemConfig
) -> None:
    """One warning, then 1008 if it goes on; who calms down is served again."""
    client = await connect()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(flood, client, 30)
        heard = [await client.hear() for _ in range(21)]
    assert types(heard) == ["heartbeat-ack"] * 20 + ["error"]
    assert heard[-1]["code"] == "rate-limited"
    await trio.sleep(2)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(flood, client, 60)
        assert await client.closed() == 1008


async def flood(client: Client, count: int) -> None:
    """Send ``count`` heartbeats at once, or as many as the server takes."""
    with suppress(WireClosed):
        for _ in range(count):
            await client.say("heartbeat")


async def test_a_client_that_does_not_read_holds_up_nobody(
    autojump_clock: MockClock, connect: Connect
) -> None:
    """Its own turn waits; the other client's takes the time it always takes."""
    stuck, other = await connect(), await connect()
    await stuck.say("text-input", text=THREE)
    began = trio.current_time()
    heard = await other.turn(THREE)
    assert heard[-1] == END
    assert trio.current_time() - began == pytest.approx(0.8)


async def test_draining_lets_turns_end_and_begins_no_new_ones(
    autojump_clock: MockClock, connect: Connect, backend: Backend
) -> None:
    """A turn that is over in time is not cut; one that is not counts as left."""
    client, endless = await connect(), await connect()
    await client.say("text-input", text="One two three.")
    await endless.say("text-input", text=" ".join(["word"] * 1000))
    await endless.until("full-text")
    results: list[int] = []

    async def drain() -> None:
        results.append(await backend.drain())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(drain)
        await client.until("backend-synth-complete")
        await client.say("frontend-playback-complete")
        await client.until(**END)
        await client.say("text-input", text="One more?")
        assert (await client.hear())["code"] == "shutting-down"
    assert results == [1]


async def test_a_bug_ends_one_session_and_no_other(
    autojump_clock: MockClock, connect: Connect, premises: Premises, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fence: its client is told 1011, and the others notice nothing."""
    victim, other = await connect(), await connect()

    async def broken(_conf_uid: ConfUid) -> None:
        await trio.lowlevel.checkpoint()
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(MemoryHistory, "conversations", lambda _self, conf_uid: broken(conf_uid))
        await victim.say("fetch-history-list")
        assert await victim.closed() == 1011
    assert shown(await other.turn("Hello?")) == ["Hello?"]


async def meet(backend: Backend, nursery: trio.Nursery) -> Client:
    """Connect to ``backend`` and read the greeting."""
    ours, theirs = memory_wire_pair()
    nursery.start_soon(backend.serve_client, theirs)
    client = Client(ours)
    assert types([await client.hear() for _ in GREETING]) == GREETING
    return client
