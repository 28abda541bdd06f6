"""What a session in this process tells of each request: which turn answers it, or that none does."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import attrs
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.conftest import character
from trio_backend import protocol
from trio_backend.backend import Backend, BackendOptions, open_backend
from trio_backend.config.catalog import MemoryCatalog
from trio_backend.config.character import CharacterConfig, EngineChoice
from trio_backend.config.system import SystemConfig
from trio_backend.conversation.character import Character
from trio_backend.errors import EngineError
from trio_backend.history.memory import MemoryHistory
from trio_backend.history.store import LISTED, HistoryUid, Owner, StoredConversation
from trio_backend.identity import RequestId
from trio_backend.protocol import Decoded, Incoming, TextInput
from trio_backend.quota import MemoryQuota
from trio_backend.rooms import open_local_session
from trio_backend.rooms.local import LocalSession, RoomAsClient
from trio_backend.rooms.session import RequestDropped, RoomEvent, TurnBegan, TurnOver, TurnSpoken
from trio_backend.session import ClientUid, Services, run_session
from trio_backend.session.requests import MOST


@attrs.define(eq=False)
class Follower:
    """What a room is of its session: it reads all the time, and plays everything at once."""

    session: LocalSession
    said: list[RoomEvent | str] = attrs.field(factory=list)
    """Events, and the codes of errors; in the order in which they came."""
    asked: int = 0

    async def read(self) -> None:
        while True:
            message = await self.session.receive()
            if message.head.type == "error":
                self.said.append(protocol_code(message.encoded))
            if message.event is not None:
                self.said.append(message.event)
            if isinstance(message.event, TurnSpoken):
                await self.say(protocol.FrontendPlaybackComplete())

    async def ask(self, text: str) -> RequestId:
        """Ask something."""
        self.asked += 1
        await self.session.ask(Decoded(TextInput(text), len(text)), RequestId(self.asked))
        return RequestId(self.asked)

    async def say(self, message: Incoming) -> None:
        """Say something else."""
        await self.session.send(Decoded(message, 100))

    async def settle(self) -> list[RoomEvent | str]:
        """Wait until nothing happens any more; what was said since this was last asked."""
        await trio.sleep(1000)
        said, self.said = self.said, []
        return said


def protocol_code(encoded: bytes) -> str:
    """The code of an encoded error."""
    return encoded.split(b'"code":"')[1].split(b'"')[0].decode()


@asynccontextmanager
async def open_follower(services: Services, quota: MemoryQuota | None = None) -> AsyncIterator[Follower]:
    """A session whose client is a room, and that may keep what ``quota`` allows."""

    async def serve(client: RoomAsClient) -> None:
        await run_session(client, services, ClientUid("client"))

    async with (
        open_local_session(serve, lambda: quota or MemoryQuota()) as session,
        trio.open_nursery() as nursery,
    ):
        follower = Follower(session)
        nursery.start_soon(follower.read)
        yield follower
        nursery.cancel_scope.cancel("the test is over")


async def test_a_turn_names_what_it_answers(autojump_clock: MockClock, backend: Backend) -> None:
    """From its start to its end; what nobody asked for has no name."""
    async with open_follower(backend.services) as room:
        await wait_all_tasks_blocked()
        request = await room.ask("Hello there.")
        began, spoken, over = await room.settle()
        assert (began, over) == (TurnBegan(1, request), TurnOver(1, request))
        assert isinstance(spoken, TurnSpoken)
        assert spoken.seconds == pytest.approx(0.12)
        await room.say(protocol.AiSpeakSignal())
        began, *_, over = await room.settle()
        assert (began, over) == (TurnBegan(2, None), TurnOver(2, None))


async def test_a_character_that_sleeps_answers_by_a_turn_of_nothing(
    autojump_clock: MockClock, backend: Backend
) -> None:
    """It begins and ends, as all clients see it."""
    async with open_follower(backend.services) as room:
        await room.say(protocol.SwitchConfig("iris.yaml"))
        await room.settle()
        request = await room.ask("Hello there.")
        assert await room.settle() == [TurnBegan(1, request), TurnOver(1, request)]


async def test_what_is_refused_is_told_after_the_reason(autojump_clock: MockClock, backend: Backend) -> None:
    """Nothing said, too much said, and the server is shutting down."""
    async with open_follower(backend.services) as room:
        await room.settle()
        for text, code in (" ", "bad-message"), ("x" * 100_001, "text-too-long"):
            request = await room.ask(text)
            assert await room.settle() == [code, RequestDropped(request, refused=True)]
        backend.services.closing.set()
        request = await room.ask("Hello.")
        assert await room.settle() == ["shutting-down", RequestDropped(request, refused=True)]


async def test_what_takes_too_much_memory_is_refused(autojump_clock: MockClock, backend: Backend) -> None:
    """Before the session's loop has seen it."""
    async with open_follower(backend.services, MemoryQuota(1000)) as room:
        request = await room.ask("x" * 10_000)
        assert await room.settle() == ["too-much-data", RequestDropped(request, refused=True)]


@pytest.fixture
def slow(options: BackendOptions) -> BackendOptions:
    """A base character that takes 60 s to load."""
    llm = EngineChoice("llm", "echo_llm", {"load": 60})
    return attrs.evolve(options, catalog=MemoryCatalog(attrs.evolve(options.catalog.base, llm=llm)))


async def test_what_waits_for_a_character_is_dropped_for_what_is_newer(
    autojump_clock: MockClock, slow: BackendOptions
) -> None:
    """Or for a barge-in; it was not refused."""
    async with open_backend(slow) as backend, open_follower(backend.services) as room:
        for _ in range(3):
            await room.ask("Hello.")
        await trio.sleep(1)
        assert room.said == [RequestDropped(RequestId(number), refused=False) for number in (1, 2)]
        await room.session.interrupt()
        await trio.sleep(1)
        assert room.said[2:] == [RequestDropped(RequestId(3), refused=False)]
        room.said.clear()
        request = await room.ask("Hello.")
        said = await room.settle()
        assert said[0] == TurnBegan(1, request)


async def test_a_character_that_cannot_be_loaded_refuses(autojump_clock: MockClock, backend: Backend) -> None:
    """After it was said why."""

    def broken() -> Character:
        raise EngineError("the model is gone")

    @asynccontextmanager
    async def fail(_config: CharacterConfig) -> AsyncIterator[Character]:
        await trio.sleep(5)
        yield broken()

    services = attrs.evolve(backend.services, open_character=fail)
    async with open_follower(services) as room:
        request = await room.ask("Hello.")
        assert await room.settle() == ["bad-config", RequestDropped(request, refused=True)]


@attrs.define(eq=False)
class SlowReads(MemoryHistory):
    """A disk that takes 10 s to list conversations."""

    async def conversations(
        self, owner: Owner, *, limit: int = LISTED, before: HistoryUid | None = None
    ) -> Sequence[StoredConversation]:
        """Wait first."""
        await trio.sleep(10)
        return await super().conversations(owner, limit=limit, before=before)


async def test_what_waits_behind_a_disk_is_dropped_or_refused(
    autojump_clock: MockClock, options: BackendOptions
) -> None:
    """By a barge-in; or because too much waits there."""
    async with (
        open_backend(attrs.evolve(options, history=SlowReads())) as backend,
        open_follower(backend.services) as room,
    ):
        await wait_all_tasks_blocked()
        await room.say(protocol.FetchHistoryList())
        dropped = await room.ask("Hello.")
        await room.session.interrupt()
        assert await room.settle() == [RequestDropped(dropped, refused=False)]
        for _ in range(MOST + 1):
            await room.say(protocol.FetchHistoryList())
        refused = await room.ask("Hello.")
        await wait_all_tasks_blocked()
        assert room.said == ["busy", RequestDropped(refused, refused=True)]


@pytest.mark.parametrize("moment", [0.0, 0.05, 0.25, 0.5, 3.0])
async def test_an_interrupted_turn_ends_once(
    autojump_clock: MockClock, backend: Backend, moment: float
) -> None:
    """However far it has come."""
    async with open_follower(backend.services) as room:
        await wait_all_tasks_blocked()
        request = await room.ask("One two three. Four five six.")
        await trio.sleep(moment)
        await room.session.interrupt()
        said = await room.settle()
        assert [event for event in said if isinstance(event, TurnOver)] == [TurnOver(1, request)]
        assert said[-1] == TurnOver(1, request)


CHARACTER = character("mao")
STEPS = st.lists(
    st.sampled_from(["ask", "ask", "ask nothing", "interrupt", "nudge", "switch", "fetch", "wait", "rest"]),
    max_size=25,
)


async def converse(steps: Sequence[str], options: BackendOptions) -> None:
    """Do all steps; then each request has had one answer."""
    async with open_backend(options) as backend, open_follower(backend.services) as room:
        for step in steps:
            match step:
                case "ask":
                    await room.ask("One two three.")
                case "ask nothing":
                    await room.ask(" ")
                case "interrupt":
                    await room.session.interrupt()
                case "nudge":
                    await room.say(protocol.AiSpeakSignal())
                case "switch":
                    await room.say(protocol.SwitchConfig("ann.yaml"))
                case "fetch":
                    await room.say(protocol.FetchHistoryList())
                case "wait":
                    await trio.sleep(0.3)
                case "rest":
                    await trio.sleep(7)
        said = await room.settle()
        ends = [event for event in said if isinstance(event, TurnOver)]
        answers = Counter(
            event.request
            for event in said
            if isinstance(event, RequestDropped) or (isinstance(event, TurnOver) and event.request)
        )
        assert answers == Counter(RequestId(number + 1) for number in range(room.asked))
        assert max(Counter(end.turn for end in ends).values(), default=1) == 1
        begun = [event.turn for event in said if isinstance(event, TurnBegan)]
        assert begun == sorted(begun)
        assert set(begun) <= {end.turn for end in ends}


@settings(max_examples=150, deadline=None)
@given(STEPS)
def test_each_request_is_answered_once(steps: Sequence[str]) -> None:
    """By one turn that ends once, or by one reason why there is none, whatever else happens."""
    base = attrs.evolve(CHARACTER, file="conf.yaml")
    ann = attrs.evolve(CHARACTER, file="ann.yaml", conf_name="ann", conf_uid="ann_001")
    ann = attrs.evolve(ann, llm=EngineChoice("llm", "echo_llm", {"load": 5}))
    options = BackendOptions(
        SystemConfig(preload=False), MemoryCatalog(base, {"ann.yaml": ann}), history=SlowReads()
    )
    trio.run(converse, steps, options, clock=MockClock(autojump_threshold=0))
