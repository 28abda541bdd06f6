"""What waits in a session's lane of requests: how much, in which order, and what a barge-in drops of it."""

from __future__ import annotations

import gc
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import attrs
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.client import Client
from tests.conftest import GREETING, Connect
from tests.memory_wire import memory_wire_pair
from tests.session.sessions import THREE, stored, types, with_llm
from trio_backend import protocol
from trio_backend.backend import Backend, BackendOptions, open_backend
from trio_backend.engines.asr.scripted import write
from trio_backend.errors import HistoryError
from trio_backend.history.memory import MemoryHistory
from trio_backend.history.store import LISTED, HistoryUid, Owner, StoredConversation, StoredMessage
from trio_backend.protocol import Utf8
from trio_backend.quota import MemoryQuota
from trio_backend.session.holdings import Received
from trio_backend.session.requests import MOST, RequestLane

LARGE = "word " * 2_000


async def test_the_lane_keeps_its_order_and_its_bound() -> None:
    """`MOST` requests wait; consequences always find room; a barge-in drops inputs, and `close` the rest."""
    lane, log = RequestLane(), list[str]()

    def work(name: str) -> tuple[object, object]:
        async def done() -> None:
            await trio.lowlevel.checkpoint()
            log.append(name)

        return done, lambda: log.append(f"{name} dropped")

    def request(name: str, *, is_input: bool = False) -> bool:
        done, dropped = work(name)
        return lane.request(done, dropped, is_input=is_input)  # type: ignore[arg-type]

    names = [str(number) for number in range(MOST)]
    assert all(request(name, is_input=name == "1") for name in names)
    assert not request("too many")
    lane.follow(work("consequence")[0])  # type: ignore[arg-type]
    assert not request("too many")
    lane.drop_inputs()
    assert log == ["1 dropped"]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lane.run)
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel("done")
    names.remove("1")
    assert log == ["1 dropped", *names, "consequence"]
    log.clear()
    assert request("a", is_input=True)
    assert request("b")
    lane.close()
    assert log == ["a dropped", "b dropped"]


@attrs.define(eq=False)
class SlowReads(MemoryHistory):
    """A disk that takes 10 s to list conversations, and stores what it ``takes`` at once."""

    takes: bool = True

    async def conversations(
        self, owner: Owner, *, limit: int = LISTED, before: HistoryUid | None = None
    ) -> Sequence[StoredConversation]:
        """Wait, then answer."""
        await trio.sleep(10)
        return await super().conversations(owner, limit=limit, before=before)

    async def append(
        self, owner: Owner, uid: HistoryUid, *messages: StoredMessage, continues: bool = False
    ) -> None:
        """Store, or say why not."""
        if not self.takes:
            await trio.lowlevel.checkpoint()
            raise HistoryError("the disk is full")
        await super().append(owner, uid, *messages, continues=continues)


@attrs.frozen
class Visit:
    """A client of a backend whose store is slow, and what is kept of what it sent."""

    client: Client
    quota: MemoryQuota
    session: trio.CancelScope
    backend: Backend
    history: SlowReads

    async def occupy(self, count: int = 1) -> None:
        """So many requests that take 10 s each."""
        for _ in range(count):
            await self.client.say("fetch-history-list")
        await wait_all_tasks_blocked()


@asynccontextmanager
async def visit(options: BackendOptions) -> AsyncIterator[Visit]:
    """Connect, and read the greeting."""
    history, everybody = SlowReads(), MemoryQuota()
    async with (
        open_backend(attrs.evolve(options, history=history)) as backend,
        trio.open_nursery() as nursery,
    ):
        ours, theirs = memory_wire_pair()
        theirs.quota = MemoryQuota(2**25, everybody)
        session = trio.CancelScope()

        async def serve() -> None:
            with session:
                await backend.serve_client(theirs)

        nursery.start_soon(serve)
        client = Client(ours)
        assert types([await client.hear() for _ in GREETING]) == GREETING
        yield Visit(client, everybody, session, backend, history)
        await client.wire.close()
        await trio.sleep(5)
        assert not backend.services.sessions
        assert everybody.used == 0, "something is kept for nobody"
        nursery.cancel_scope.cancel("the test is over")


async def test_too_many_requests_are_refused(autojump_clock: MockClock, options: BackendOptions) -> None:
    """With ``busy``; nothing is kept of what is refused, and all others are answered in order."""
    async with visit(options) as here:
        await here.occupy(1 + MOST)
        await here.client.say("text-input", text=LARGE)
        refused = await here.client.hear()
        assert (refused["type"], refused["code"]) == ("error", "busy")
        assert here.quota.used == 0
        await here.client.say("heartbeat")
        assert types([await here.client.hear()]) == ["heartbeat-ack"]
        answers = [await here.client.hear() for _ in range(1 + MOST)]
        assert types(answers) == ["history-list"] * (1 + MOST)


async def test_a_barge_in_drops_what_was_said_and_not_what_was_asked(
    autojump_clock: MockClock, options: BackendOptions
) -> None:
    """Text, utterances and nudges, which are given back at once; the rest is answered."""
    async with visit(options) as here:
        client = here.client
        await here.occupy()
        await client.say("create-new-history")
        await client.say("text-input", text=LARGE)
        await wait_all_tasks_blocked()
        assert here.quota.used > len(LARGE)
        await client.say("mic-audio-data", audio=write("Hello.", seconds=1).floats().tolist())
        await client.say("mic-audio-end")
        await wait_all_tasks_blocked()
        assert here.quota.used >= len(LARGE) + 32_000
        await client.say("ai-speak-signal")
        await client.say("interrupt-signal", text="")
        await wait_all_tasks_blocked()
        assert here.quota.used == 0
        heard = await client.until("new-history-created")
        assert types(heard) == ["history-list", "new-history-created"]
        await client.silence(60)


async def test_an_utterance_is_what_was_said_until_its_end(
    autojump_clock: MockClock, options: BackendOptions
) -> None:
    """Wherever its end waits: what is said after that belongs to the next."""
    async with visit(options) as here:
        client = here.client
        await here.occupy()
        await client.say("mic-audio-data", audio=write("One.").floats().tolist())
        await client.say("mic-audio-end")
        await client.say("mic-audio-data", audio=write("Two.").floats().tolist())
        heard = await client.until("user-input-transcription")
        assert heard[-1]["text"] == "One."
        await client.say("interrupt-signal", text="")


async def test_what_a_barge_in_cannot_store_is_told(
    autojump_clock: MockClock, options: BackendOptions
) -> None:
    """Later: the loop does not wait for a disk, and tells once that it is not written."""
    async with visit(options) as here:
        client = here.client
        here.history.takes = True
        await client.say("text-input", text=THREE)
        await client.until("audio")
        here.history.takes = False
        await client.say("interrupt-signal", text="One")
        heard = await client.until("error")
        assert heard[-1]["code"] == "history-error"
        await client.silence(60)
        here.history.takes = True
        await trio.sleep(60)
        assert await stored(here.backend) == [("human", THREE), ("ai", "One")]


@pytest.mark.parametrize("waits", ["lane", "sound", "character", "reader"])
async def test_what_waits_when_the_client_leaves_is_given_back(
    autojump_clock: MockClock, options: BackendOptions, waits: str
) -> None:
    """In the lane, in the microphone, for a character, or for the loop: `visit` sees to it."""
    slow = with_llm(options, {"load": 60}) if waits == "character" else options
    async with visit(slow) as here:
        if waits == "lane":
            await here.occupy()
            await here.client.say("text-input", text=LARGE)
        elif waits == "sound":
            await here.client.say("mic-audio-data", audio=[0.5] * 16_000)
        elif waits == "reader":
            # The loop waits for who does not read.
            for _ in range(2):
                await here.client.say("heartbeat")
            await here.client.say("text-input", text=LARGE)
            await wait_all_tasks_blocked()
            assert here.quota.used > 4096
            here.session.cancel("from outside")
            return
        else:
            await here.client.say("text-input", text=LARGE)
            await here.client.say("text-input", text=LARGE)
            await here.client.until("full-text")
            await here.client.until("full-text")
            await wait_all_tasks_blocked()
            assert here.quota.used < 2 * len(LARGE)
        await wait_all_tasks_blocked()
        assert here.quota.used > 4096


async def test_what_is_remembered_is_given_back(autojump_clock: MockClock, options: BackendOptions) -> None:
    """When the client has left: `visit` sees to it."""
    async with visit(options) as here:
        await here.client.say("text-input", text=LARGE)
        await here.client.until("full-text")
        await wait_all_tasks_blocked()
        assert here.quota.used > len(LARGE)


async def test_nothing_is_kept_of_what_was_handled(
    autojump_clock: MockClock, options: BackendOptions
) -> None:
    """A barge-in, what cannot be done, what cannot be read, and an utterance, once its turn is over."""
    async with visit(options) as here:
        client = here.client
        await client.say("interrupt-signal", text=LARGE)
        await client.say("fetch-and-set-history", history_uid=LARGE)
        await client.until("error")
        await wait_all_tasks_blocked()
        assert here.quota.used == 0
        await client.wire.send(json.dumps({"type": LARGE}).encode())
        await client.until("error")
        await client.say("mic-audio-data", audio=write("Hello.", seconds=1).floats().tolist())
        await client.say("heartbeat")
        await client.until("heartbeat-ack")
        assert here.quota.used >= 32_000
        await client.say("mic-audio-end")
        await client.until("control", text="conversation-chain-end")
        await wait_all_tasks_blocked()
        assert here.quota.used < 4096  # what memory keeps


async def test_no_task_keeps_the_last_message_alive(
    autojump_clock: MockClock, options: BackendOptions
) -> None:
    """Whoever waits for the next: they may be megabytes, and a client may stay for days."""
    async with visit(options) as here:
        client = here.client
        messages = (Received, protocol.Audio, protocol.ConfigFiles, protocol.TextInput, protocol.MicAudioData)
        kinds = (*messages, Utf8)
        before = [one for one in gc.get_objects() if isinstance(one, kinds)]
        for _ in range(2):
            await client.say("text-input", text="Hello.")
            await client.until("backend-synth-complete")
            await client.say("frontend-playback-complete")
            await client.until("control", text="conversation-chain-end")
        await client.say("fetch-configs")
        await client.until("config-files")
        # As frames of a socket are, and tracked, as texts are not.
        await client.wire.send_binary(Utf8(b'{"type": "mic-audio-data", "audio": [0.5]}'))  # type: ignore[attr-defined]
        await wait_all_tasks_blocked()
        gc.collect()
        after = [one for one in gc.get_objects() if isinstance(one, kinds)]
        assert [one for one in after if not any(one is other for other in before)] == []


async def test_who_leaves_while_nothing_is_read_is_gone(
    autojump_clock: MockClock, options: BackendOptions
) -> None:
    """The loop was telling it something, and more had come: `visit` sees that the session ends."""
    async with visit(options) as here:
        for _ in range(2):
            await here.client.say("heartbeat")
        await here.client.say("text-input", text=LARGE)
        await wait_all_tasks_blocked()


async def test_titles_of_conversations_are_for_clients_that_know_them(
    autojump_clock: MockClock, connect: Connect
) -> None:
    """To all others an entry of the list has what it always had."""
    client = await connect()
    await client.say("create-new-history")
    await client.turn("What do you know about tides?")
    await client.say("fetch-history-list")
    [[entry]] = [m["histories"] for m in await client.until("history-list") if m["type"] == "history-list"]
    assert sorted(entry) == ["latest_message", "timestamp", "uid"]

    await client.say("hello", accepts=["titles"])
    await client.say("fetch-history-list")
    [[entry]] = [m["histories"] for m in await client.until("history-list") if m["type"] == "history-list"]
    assert entry["title"] == "What do you know about tides?"
