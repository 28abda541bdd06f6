"""What a session tells of itself to those who watch: the statistics, and the log. On the virtual clock."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs
import trio
from loguru import logger
from trio.testing import MockClock

from tests.client import Client
from tests.conftest import Connect
from tests.memory_wire import memory_wire_pair
from tests.session.stagecraft import meet
from trio_backend.backend import Backend, Premises, open_backend
from trio_backend.config.character import CharacterConfig
from trio_backend.conversation.character import Character
from trio_backend.conversation.observer import Nobody
from trio_backend.conversation.timeline import Timeline
from trio_backend.session import ClientUid, run_session


@attrs.define(eq=False)
class Counting(Nobody):
    """An `Observer` that counts."""

    sessions: int = 0
    codes: list[str] = attrs.field(factory=list)
    turns: list[str] = attrs.field(factory=list)

    def session_began(self) -> None:
        """One more."""
        self.sessions += 1

    def turn_over(self, timeline: Timeline) -> None:
        """How it ended."""
        self.turns.append(timeline.outcome)

    def error_told(self, code: str) -> None:
        """One more."""
        self.codes.append(code)


async def test_sessions_errors_and_turns_are_counted(
    autojump_clock: MockClock, premises: Premises, nursery: trio.Nursery
) -> None:
    """Each once, however it ends."""
    counting = Counting()
    async with open_backend(attrs.evolve(premises, observer=counting)) as backend:
        client = await meet(backend, nursery)
        await client.turn("Hello.")
        await client.say("switch-config", file="nobody.yaml")
        await client.until("error")
        await client.say("text-input", text="One two three. Four five six.")
        await client.until("audio")
        await client.say("interrupt-signal", text="One")
        await client.say("text-input", text="One two three. Four five six.")
        await client.until("audio")
        assert counting.sessions == 1
        await meet(backend, nursery)
        await client.wire.close()
        await trio.sleep(1)
    assert counting.sessions == 2
    assert len(counting.codes) == 1
    assert counting.turns == ["complete", "barge-in", "the session ended"]


async def test_a_clean_up_that_takes_long_is_named(
    autojump_clock: MockClock, backend: Backend, connect: Connect, nursery: trio.Nursery
) -> None:
    """With the tasks that are still there, in the log; a quick one is not."""
    warnings: list[str] = []
    number = logger.add(lambda text: warnings.append(str(text)), level="WARNING", format="{message}")

    @asynccontextmanager
    async def open_slowly(config: CharacterConfig) -> AsyncIterator[Character]:
        async with backend.services.open_character(config) as character:
            try:
                yield character
            finally:
                with trio.CancelScope(shield=True):
                    await trio.sleep(5)

    try:
        quick = await connect()
        await quick.wire.close()
        await trio.sleep(10)
        assert warnings == []
        services = attrs.evolve(backend.services, open_character=open_slowly)
        ours, theirs = memory_wire_pair()
        nursery.start_soon(run_session, theirs, services, ClientUid("slow"))
        await Client(ours).until("control", text="start-mic")
        await trio.sleep(1)
        await ours.close()
        await trio.sleep(10)
    finally:
        logger.remove(number)
    (warning,) = warnings
    assert "session slow/scene mao" in warning
