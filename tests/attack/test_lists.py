"""However much is stored, the answer to one message is bounded, and no other client waits for it."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import attrs
import pytest
import trio
from trio.testing import MockClock

from tests.client import Client
from tests.conftest import Connect
from tests.history.samples import FIRST, MAO, SECOND, human
from tests.session.sessions import END, connect_greeted, stored
from trio_backend.backend import Backend, BackendOptions, open_backend
from trio_backend.history import queries
from trio_backend.history.sqlite import SqliteHistory, open_sqlite_history
from trio_backend.history.store import HistoryUid


@pytest.fixture
async def history(tmp_path: Path) -> AsyncIterator[SqliteHistory]:
    """An empty file."""
    async with open_sqlite_history(tmp_path / "history.db") as history:
        yield history


@pytest.fixture
async def client(
    history: SqliteHistory, options: BackendOptions, nursery: trio.Nursery
) -> AsyncIterator[Client]:
    """A client of a backend with that file."""
    async with open_backend(attrs.evolve(options, history=history)) as backend:
        yield await connect_greeted(backend, nursery)


async def listed(client: Client, **fields: object) -> list[str]:
    """The names in one list of conversations."""
    await client.say("fetch-history-list", **fields)
    [*_, answer] = await client.until("history-list")
    return [one["uid"] for one in answer["histories"]]


async def test_a_list_is_a_page(client: Client, history: SqliteHistory) -> None:
    """The newest come, and of each the beginning of its last message; clients ask for more."""
    async with trio.open_nursery() as nursery:
        for number in range(450):
            nursery.start_soon(history.append, MAO, HistoryUid(f"{number}"), human("x" * 5_000))
    await client.say("fetch-history-list")
    [*_, answer] = await client.until("history-list")

    assert len(answer["histories"]) == 200
    assert {len(one["latest_message"]["content"]) for one in answer["histories"]} == {200}
    pages = [[one["uid"] for one in answer["histories"]]]
    while pages[-1] and len(pages) < 5:
        pages.append(await listed(client, before=pages[-1][-1]))
    assert [len(page) for page in pages] == [200, 200, 50, 0]
    assert len({uid for page in pages for uid in page}) == 450


async def test_who_asks_for_less_gets_less(client: Client, history: SqliteHistory) -> None:
    """`more` says that there are older ones, and `before` which ones these are; no more is said."""
    for number in range(5):
        await history.append(MAO, HistoryUid(f"{number}"), human())

    async def page(**fields: object) -> tuple[list[str], dict[str, object]]:
        await client.say("fetch-history-list", **fields)
        [*_, answer] = await client.until("history-list")
        uids = [one["uid"] for one in answer.pop("histories")]
        return uids, answer

    assert await page(limit=2) == (["4", "3"], {"type": "history-list", "more": True})
    assert await page(limit=2, before="3") == (
        ["2", "1"],
        {"type": "history-list", "before": "3", "more": True},
    )
    assert await page(limit=2, before="1") == (["0"], {"type": "history-list", "before": "1"})
    assert await page(limit=5) == (["4", "3", "2", "1", "0"], {"type": "history-list"})
    assert await page(limit=None, before=None) == await page() == await page(limit=200)


@pytest.mark.parametrize("most", [3, 1_000])
async def test_no_page_is_longer_than_the_server_allows(
    history: SqliteHistory, options: BackendOptions, nursery: trio.Nursery, most: int
) -> None:
    """Whatever the client asks for."""
    for number in range(5):
        await history.append(MAO, HistoryUid(f"{number}"), human())
    system = attrs.evolve(options.system, history_list=most)
    async with open_backend(attrs.evolve(options, history=history, system=system)) as backend:
        client = await connect_greeted(backend, nursery)
        assert len(await listed(client)) == len(await listed(client, limit=200)) == min(most, 5)
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("fields", [{"limit": n} for n in (0, 201, -1, 10**30, 1.5, "9", True)])
async def test_a_page_of_no_size_is_refused(
    client: Client, history: SqliteHistory, fields: dict[str, object]
) -> None:
    """The error names the field, and the next question is answered."""
    await history.append(MAO, FIRST, human())
    await client.say("fetch-history-list", **fields)

    with trio.fail_after(10):
        error = (await client.until("error"))[-1]
        assert error["code"] == "bad-message"
        assert "limit" in error["message"]
        assert await listed(client) == [FIRST]


async def test_a_page_before_nothing_is_an_error(client: Client) -> None:
    """A conversation that is not there, or was deleted meanwhile."""
    await client.say("fetch-history-list", before="never was")

    with trio.fail_after(10):
        assert (await client.until("error"))[-1]["code"] == "no-such-history"


async def test_a_long_conversation_comes_as_its_end(client: Client, history: SqliteHistory) -> None:
    """At most a thousand messages, and a mebibyte of text; the model reads on from there."""
    await history.append(MAO, FIRST, *(human(f"{number}") for number in range(3_000)))
    await history.append(MAO, SECOND, *(human(f"{number} " + 100_000 * "é") for number in range(30)))

    await client.say("fetch-and-set-history", history_uid=FIRST)
    [*_, first] = await client.until("history-data")
    await client.say("fetch-and-set-history", history_uid=SECOND)
    [*_, second] = await client.until("history-data")

    assert [one["content"] for one in first["messages"]] == [f"{number}" for number in range(2_000, 3_000)]
    assert [one["content"].split()[0] for one in second["messages"]] == ["25", "26", "27", "28", "29"]


async def test_a_typed_text_has_a_bound(
    autojump_clock: MockClock, connect: Connect, backend: Backend
) -> None:
    """Longer ones are refused in words; what was heard of a reply is cut, as no reply is as long."""
    client = await connect()

    await client.say("text-input", text="x" * 100_001)
    assert (await client.until("error"))[-1]["code"] == "text-too-long"
    await client.say("text-input", text="Hello.")
    await client.until("full-text")
    await client.say("interrupt-signal", text="y" * 1_000_000)
    await client.say("heartbeat")
    await client.until("heartbeat-ack")

    (_, said), (_, heard) = await stored(backend)
    assert said == "Hello."
    assert len(heard) <= 100_000
    assert (await client.turn("x" * 100))[-1] == END


async def test_who_writes_does_not_wait_for_who_reads(
    history: SqliteHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long a read takes, and however many wait to read, others store meanwhile."""
    await history.append(MAO, FIRST, human())
    go_on = threading.Event()
    original = queries.conversations

    def slow(*args: object, **more: object) -> object:
        assert go_on.wait(30)
        return original(*args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(queries, "conversations", slow)
    try:
        async with trio.open_nursery() as nursery:
            for _ in range(10):
                nursery.start_soon(history.conversations, MAO)
            await trio.testing.wait_all_tasks_blocked()
            with trio.fail_after(10):
                await history.append(MAO, FIRST, human())
            go_on.set()
    finally:
        go_on.set()


async def test_a_page_costs_as_much_as_it_shows(tmp_path: Path) -> None:
    """SQLite takes as many steps for a list of two hundred among ten thousand as among two hundred."""
    steps = []
    for number in (200, 10_000):
        path = tmp_path / f"{number}.db"
        async with open_sqlite_history(path):
            pass
        with closing(sqlite3.connect(path)) as database:
            database.executemany(
                "INSERT INTO conversation (id, conf_uid, uid, place) VALUES (?, 'mao_001', ?, ?)",
                [(one, f"{one}", one) for one in range(1, number + 1)],
            )
            database.executemany(
                "INSERT INTO message (conversation, role, timestamp, content) VALUES (?, 'ai', '', '')",
                [(one,) for one in range(1, number + 1)],
            )
            done = 0

            def count() -> None:
                nonlocal done
                done += 1

            database.set_progress_handler(count, 10)
            assert len(queries.conversations(database, MAO)) == 200
            steps.append(done)
            database.rollback()

    assert steps[1] <= 1.2 * steps[0]
