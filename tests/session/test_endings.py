"""Turns end once, however and whenever they are cut, and what was heard is kept."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
import trio
import trio.testing
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.conftest import Connect
from tests.session.sessions import END, START, THREE, connect_greeted, shown, stored, with_tts
from trio_backend.backend import Backend, BackendOptions, open_backend
from trio_backend.history.memory import MemoryHistory
from trio_backend.history.store import HistoryUid, Owner, StoredMessage

# How far a turn has come when the user cuts in, as seconds after the input: the model says a word each
# 0.1 s, a sentence is three of them, and the synthesis takes no time.
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
    assert not backend.services.sessions
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


async def test_sentences_leave_in_order_however_long_their_synthesis_takes(
    autojump_clock: MockClock, options: BackendOptions, nursery: trio.Nursery
) -> None:
    """Three are in synthesis at once: together they take as long as the longest."""
    settings = {"seconds_per_character": 0.01, "delay": 1.0}
    async with open_backend(with_tts(options, settings)) as backend:
        client = await connect_greeted(backend, nursery)
        began = trio.current_time()
        await client.say("text-input", text=THREE)
        heard = await client.until("backend-synth-complete")
        assert shown(heard) == ["One two three.", "Four five six.", "Seven eight nine."]
        assert trio.current_time() - began == pytest.approx(0.8 + 1.0)


class SlowHistory(MemoryHistory):
    """A disk that has written long before it says so."""

    async def append(
        self, conf_uid: Owner, uid: HistoryUid, *messages: StoredMessage, continues: bool = False
    ) -> None:
        """Store at once, and answer a second later."""
        await super().append(conf_uid, uid, *messages, continues=continues)
        await trio.sleep(1)


async def test_what_is_being_stored_when_the_turn_is_cut_is_stored_once(
    autojump_clock: MockClock, options: BackendOptions, nursery: trio.Nursery
) -> None:
    """A cut does not wait for the disk, and neither loses the message nor writes it again."""
    async with open_backend(attrs.evolve(options, history=SlowHistory())) as backend:
        client = await connect_greeted(backend, nursery)
        await client.say("text-input", text=THREE)
        await client.until("full-text")
        await client.say("interrupt-signal", text="One")
        await client.say("heartbeat")
        began = trio.current_time()
        await client.until("heartbeat-ack")
        assert trio.current_time() == began
        await trio.sleep(2)
        assert await stored(backend) == [("human", THREE), ("ai", "One")]
