"""However a session ends, what was said until then is stored, within a second, or logged as lost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import attrs
import pytest
import trio
from loguru import logger
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.client import Client
from tests.conftest import GREETING
from tests.memory_wire import memory_wire_pair
from tests.serving.servers import configured, open_client, wait_ready
from tests.session.sessions import THREE, connect_greeted, stored
from trio_backend.backend import Backend, BackendOptions, open_backend
from trio_backend.config.character import EngineChoice
from trio_backend.config.system import SystemConfig
from trio_backend.history.memory import MemoryHistory
from trio_backend.history.sqlite import open_sqlite_history
from trio_backend.history.store import HistoryUid, Owner, StoredMessage
from trio_backend.serving import serve

HEARD = [("human", THREE), ("ai", "One two three.")]


@pytest.fixture
def system() -> SystemConfig:
    """Rooms are on."""
    return SystemConfig(preload=False, enable_proxy=True)


@attrs.define(eq=False)
class StuckDisk(MemoryHistory):
    """A disk that takes 4 s before it writes; when it ``began`` to."""

    began: list[float] = attrs.field(factory=list)

    async def append(
        self, conf_uid: Owner, uid: HistoryUid, *messages: StoredMessage, continues: bool = False
    ) -> None:
        """Wait, then store."""
        self.began.append(trio.current_time())
        await trio.sleep(4)
        await super().append(conf_uid, uid, *messages, continues=continues)


class DeadDisk(MemoryHistory):
    """A disk that says nothing."""

    async def append(
        self, conf_uid: Owner, uid: HistoryUid, *messages: StoredMessage, continues: bool = False
    ) -> None:
        """Never return."""
        await trio.sleep(10**9)
        await super().append(conf_uid, uid, *messages, continues=continues)


@pytest.fixture
def warnings() -> Iterator[list[str]]:
    """What is logged as a warning, or worse."""
    found: list[str] = []
    number = logger.add(lambda text: found.append(str(text)), level="WARNING", format="{message}")
    yield found
    logger.remove(number)


async def join(backend: Backend, nursery: trio.Nursery) -> Client:
    """A client of a room."""
    ours, theirs = memory_wire_pair()
    nursery.start_soon(backend.serve_in_room, theirs, "den")
    client = Client(ours)
    assert [(await client.hear())["type"] for _ in GREETING] == GREETING
    return client


@pytest.mark.parametrize("where", ["session", "room"])
async def test_the_last_client_leaves_in_a_turn(
    autojump_clock: MockClock, backend: Backend, nursery: trio.Nursery, where: str
) -> None:
    """What it has heard is stored, in a room as in a session of its own."""
    client = await (connect_greeted if where == "session" else join)(backend, nursery)
    await client.say("text-input", text=THREE)
    await client.until("audio")
    await client.wire.close()
    await trio.sleep(1)
    assert await stored(backend) == HEARD
    assert not backend.services.sessions


@pytest.mark.parametrize("where", ["session", "room"])
@pytest.mark.parametrize("heard", ["full-text", "audio"])
async def test_the_backend_is_cancelled(
    autojump_clock: MockClock, options: BackendOptions, where: str, heard: str
) -> None:
    """As by a second signal: the words of the user, and those that were heard, are there."""
    async with trio.open_nursery() as nursery, open_backend(options) as backend:
        client = await (connect_greeted if where == "session" else join)(backend, nursery)
        await client.say("text-input", text=THREE)
        await client.until(heard)
        nursery.cancel_scope.cancel("a second signal")
    with trio.CancelScope(shield=True):
        assert await stored(backend) == HEARD[: 1 if heard == "full-text" else 2]


@pytest.mark.parametrize("way", ["leave", "cancel", "barge-in, leave"])
async def test_a_stuck_store_keeps_the_clean_up_for_a_second(
    autojump_clock: MockClock, options: BackendOptions, nursery: trio.Nursery, warnings: list[str], way: str
) -> None:
    """Whatever waits for it; what was handed over is stored when that is possible."""
    history, ended = StuckDisk(), list[float]()
    async with open_backend(attrs.evolve(options, history=history)) as backend:
        ours, theirs = memory_wire_pair()
        scope = trio.CancelScope()

        async def run() -> None:
            with scope:
                await backend.serve_client(theirs)
            ended.append(trio.current_time())

        nursery.start_soon(run)
        client = Client(ours)
        await client.until("control", text="start-mic")
        await client.say("text-input", text=THREE)
        await client.until("audio")
        if way == "barge-in, leave":
            await client.say("interrupt-signal", text="One")
            await wait_all_tasks_blocked()
            await trio.sleep(0.5)
        left = trio.current_time()
        if way == "cancel":
            scope.cancel("from outside")
        else:
            await client.wire.close()
        await trio.sleep(30)
        assert ended == [pytest.approx(left + 1)]
        reply = "One" if way == "barge-in, leave" else "One two three."
        assert await stored(backend) == [("human", THREE), ("ai", reply)]
    assert THREE not in "".join(warnings)


async def test_what_is_lost_is_said(
    autojump_clock: MockClock, options: BackendOptions, nursery: trio.Nursery, warnings: list[str]
) -> None:
    """With the name of the conversation, and without its words."""
    async with open_backend(attrs.evolve(options, history=DeadDisk())) as backend:
        client = await connect_greeted(backend, nursery)
        await client.say("text-input", text=THREE)
        await client.until("audio")
        (session,) = backend.services.sessions
        uid = session.conversation.record.uid
        await client.wire.close()
        await trio.sleep(1)
        assert not backend.services.sessions
    assert [line for line in warnings if uid in line and "lost" in line]
    assert "One" not in "".join(warnings)


@pytest.mark.parametrize("path", ["/client-ws", "/proxy-ws"])
@pytest.mark.parametrize("way", ["leave", "cancel the server"])
async def test_over_a_socket(tmp_path: Path, path: str, way: str) -> None:
    """The real server and the real file."""
    llm = EngineChoice("llm", "echo_llm", {"token_delay": 0.02})
    config = configured(tmp_path, llm=llm, tts=EngineChoice("tts", "tone_tts", {}), enable_proxy=True)
    async with trio.open_nursery() as nursery:
        server = trio.CancelScope()
        shutdown = trio.Event()

        async def run(task_status: trio.TaskStatus[str]) -> None:
            with server:
                await serve(config, shutdown=shutdown, task_status=task_status)

        address: str = await nursery.start(partial(run))
        await wait_ready(address)
        async with open_client(address, path) as client:
            await client.say("text-input", text="One two three. " + "word " * 1_000)
            await client.until("audio")
            if way == "cancel the server":
                server.cancel("a second signal")
                await client.closed()
        if way == "leave":
            await trio.sleep(0.5)
        shutdown.set()
    async with open_sqlite_history(tmp_path / "history.sqlite3") as history:
        conf_uid = Owner(config.character.conf_uid)
        (conversation,) = await history.conversations(conf_uid)
        messages = await history.messages(conf_uid, conversation.uid)
    assert [message.role for message in messages] == ["human", "ai"]
    assert messages[-1].content.startswith("One two three."), json.dumps([m.content[:40] for m in messages])
