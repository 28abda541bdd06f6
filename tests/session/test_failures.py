"""What goes wrong is told, and ends no more than it must."""

from __future__ import annotations

from contextlib import suppress

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from tests.client import Client
from tests.conftest import Connect
from tests.session.sessions import END, THREE, connect_greeted, shown, types, with_llm, with_tts
from trio_backend.backend import Backend, BackendOptions, open_backend
from trio_backend.config.system import SystemConfig
from trio_backend.errors import WireClosed
from trio_backend.history.memory import MemoryHistory
from trio_backend.history.store import Owner

TOLD = "tone_tts was told to fail on this sentence"


async def test_a_model_that_fails_is_told_and_the_turn_ends(
    autojump_clock: MockClock, options: BackendOptions, nursery: trio.Nursery
) -> None:
    """What came before the failure is still spoken, and the session goes on."""
    settings = {"token_delay": 0.1, "fail": "the model is gone: start it again", "fail_at": 4}
    async with open_backend(with_llm(options, settings)) as backend:
        client = await connect_greeted(backend, nursery)
        heard = await client.turn(THREE)
        assert shown(heard) == ["One two three.", "Four"]
        errors = [message for message in heard if message["type"] == "error"]
        assert errors == [
            {"type": "error", "code": "engine-error", "message": "the model is gone: start it again"}
        ]
        assert heard[-1] == END
        await client.say("heartbeat")
        await client.until("heartbeat-ack")


@pytest.mark.parametrize(("hello", "status"), [(False, "the model is gone"), (True, "")])
async def test_a_turn_that_failed_at_once_leaves_no_status(
    autojump_clock: MockClock, options: BackendOptions, nursery: trio.Nursery, hello: bool, status: str
) -> None:
    """The official page shows the status where the character's words stand: it seemed to think for ever.

    It passes over an empty text, so it gets what went wrong.
    """
    async with open_backend(with_llm(options, {"fail": "the model is gone", "fail_at": 0})) as backend:
        client = await connect_greeted(backend, nursery)
        if hello:
            await client.say("hello", accepts=[])
            await client.until("hello")
        heard = await client.turn(THREE)
        assert types(heard) == [
            "control", "full-text", "error", "full-text", "force-new-message", "control",
        ]  # fmt: skip
        said = [message["text"] for message in heard if message["type"] == "full-text"]
        assert said == ["Thinking...", status]


async def test_a_voice_that_fails_leaves_the_text(
    autojump_clock: MockClock, options: BackendOptions, nursery: trio.Nursery
) -> None:
    """Each sentence still comes, without sound; the error is told once and never spoken."""
    broken = with_tts(options, {"fail_on": "Four"})
    async with open_backend(broken) as backend:
        client = await connect_greeted(backend, nursery)
        heard = await client.turn(THREE)
        assert shown(heard) == ["One two three.", "Four five six.", "Seven eight nine."]
        assert [m["audio"] is None for m in heard if m["type"] == "audio"] == [False, True, True]
        assert [m["message"] for m in heard if m["type"] == "error"] == [TOLD]
        assert "backend-synth-complete" in types(heard)


async def test_a_reply_without_end_is_ended(
    autojump_clock: MockClock, options: BackendOptions, nursery: trio.Nursery
) -> None:
    """A turn has a deadline of its own, whatever the engines do."""
    slow = with_llm(options, {"token_delay": 100})
    async with open_backend(slow) as backend:
        client = await connect_greeted(backend, nursery)
        began = trio.current_time()
        heard = await client.turn("One. Two. Three. Four.")
        assert trio.current_time() - began == 120
        assert shown(heard) == ["One.", "Two."]
        assert [m["code"] for m in heard if m["type"] == "error"] == ["turn-deadline"]


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
    autojump_clock: MockClock, connect: Connect, options: BackendOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its client is told 1011, and the others notice nothing."""
    victim, other = await connect(), await connect()

    async def broken(_conf_uid: Owner) -> None:
        await trio.lowlevel.checkpoint()
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(MemoryHistory, "conversations", lambda _self, conf_uid, **_: broken(conf_uid))
        await victim.say("fetch-history-list")
        assert await victim.closed() == 1011
    assert shown(await other.turn("Hello?")) == ["Hello?"]
