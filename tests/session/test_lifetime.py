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
from tests.session.sessions import connect_greeted
from trio_backend.backend import Backend, BackendOptions, open_backend
from trio_backend.config.character import CharacterConfig
from trio_backend.conversation.character import Character
from trio_backend.conversation.observer import NullObserver
from trio_backend.conversation.scene import OpenCharacter
from trio_backend.conversation.timeline import Timeline
from trio_backend.errors import EngineError


@attrs.define(eq=False)
class Counting(NullObserver):
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
    autojump_clock: MockClock, options: BackendOptions, nursery: trio.Nursery
) -> None:
    """Each once, however it ends."""
    counting = Counting()
    async with open_backend(attrs.evolve(options, observer=counting)) as backend:
        client = await connect_greeted(backend, nursery)
        await client.turn("Hello.")
        await client.say("switch-config", file="nobody.yaml")
        await client.until("error")
        await client.say("text-input", text="One two three. Four five six.")
        await client.until("audio")
        await client.say("interrupt-signal", text="One")
        await client.say("text-input", text="One two three. Four five six.")
        await client.until("audio")
        assert counting.sessions == 1
        await connect_greeted(backend, nursery)
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

    open_character = backend.services.open_character

    @asynccontextmanager
    async def open_slowly(config: CharacterConfig) -> AsyncIterator[Character]:
        async with open_character(config) as character:
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
        backend.services = attrs.evolve(backend.services, open_character=open_slowly)
        ours, theirs = memory_wire_pair()
        nursery.start_soon(backend.serve_client, theirs)
        await Client(ours).until("control", text="start-mic")
        await trio.sleep(1)
        await ours.close()
        await trio.sleep(10)
    finally:
        logger.remove(number)
    (warning,) = warnings
    assert "/scene mao" in warning


@attrs.define(eq=False)
class Mortal:
    """Opens characters whose engines may die, and notes whether a turn ran when they were given back."""

    backend: Backend
    dies: trio.Event = attrs.field(factory=trio.Event)
    running: list[bool] = attrs.field(factory=list)
    _open: OpenCharacter = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._open = self.backend.services.open_character
        self.backend.services = attrs.evolve(self.backend.services, open_character=self.open)

    @asynccontextmanager
    async def open(self, config: CharacterConfig) -> AsyncIterator[Character]:
        """As `open_character`."""
        async with self._open(config) as character:
            try:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._die)
                    yield character
                    nursery.cancel_scope.cancel("it is given back")
            finally:
                self.running += [session.turn_running for session in self.backend.services.sessions]

    async def _die(self) -> None:
        await self.dies.wait()
        raise EngineError("the model is gone: start it again")

    async def connect(self, nursery: trio.Nursery) -> Client:
        """A client of such a character."""
        ours, theirs = memory_wire_pair()
        nursery.start_soon(self.backend.serve_client, theirs)
        client = Client(ours)
        await client.until("control", text="start-mic")
        return client


async def test_a_turn_of_a_character_that_is_gone_is_ended(
    autojump_clock: MockClock, backend: Backend, nursery: trio.Nursery
) -> None:
    """It had to leave in the middle: the end of its turn is told, then why; the next input loads it anew."""
    mortal = Mortal(backend)
    client = await mortal.connect(nursery)
    await client.say("text-input", text="One two three. Four five six.")
    await client.until("audio")
    mortal.dies.set()
    heard = await client.until("error")
    assert [message["type"] for message in heard] == ["force-new-message", "control", "error"]
    assert heard[-1]["code"] == "engine-error"
    assert heard[-1]["message"] == "mao stopped working: the model is gone: start it again"
    mortal.dies = trio.Event()
    await client.say("text-input", text="Hello?")
    await client.until("audio")
    await client.wire.close()
    await trio.sleep(1)


async def test_a_turn_is_over_before_its_engines_are_given_back(
    autojump_clock: MockClock, backend: Backend, nursery: trio.Nursery
) -> None:
    """An engine is not closed under who uses it."""
    mortal = Mortal(backend)
    client = await mortal.connect(nursery)
    await client.say("text-input", text="One two three. Four five six.")
    await client.until("audio")
    await client.say("switch-config", file="iris.yaml")
    await client.until("config-switched")
    await client.say("text-input", text="Hey Iris, one two three.")
    await client.until("audio")
    mortal.dies.set()
    await client.until("error")
    assert mortal.running == [False, False]
