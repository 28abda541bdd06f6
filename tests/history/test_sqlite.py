"""The one thread: who shares a commit with whom, and what becomes of those who leave."""

from __future__ import annotations

import os
import sqlite3
import threading
import weakref
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from loguru import logger
from trio.testing import wait_all_tasks_blocked

from tests.history.locks import locked, read
from tests.history.samples import ANN, FIRST, MAO, SECOND, human
from trio_backend.boundary import Boundary
from trio_backend.errors import HistoryError, NoSuchHistory
from trio_backend.history import queries, sqlite
from trio_backend.history.commit import Request, run_group
from trio_backend.history.reserve import Reserve
from trio_backend.history.sqlite import CAPACITY, HistoryStatistics, SqliteHistory, open_sqlite_history
from trio_backend.history.store import HistoryUid, Owner, StoredMessage

# Nothing here waits that long: it only keeps the end of a lock from being a matter of speed.
PATIENCE = 20.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the history will be."""
    return tmp_path / "history.db"


async def store(history: SqliteHistory, *contents: str) -> None:
    """Append to the first conversation."""
    await history.append(MAO, FIRST, *map(human, contents))


async def test_callers_that_wait_together_share_one_commit(path: Path) -> None:
    """While one commit is under way all others gather, and the next one takes them all."""
    async with open_sqlite_history(path, busy_timeout=PATIENCE) as history:
        async with trio.open_nursery() as callers:
            with locked(path):
                callers.start_soon(store, history, "first")
                await wait_all_tasks_blocked()
                for number in range(100):
                    callers.start_soon(history.append, MAO, HistoryUid(f"{number}"), human())
                await wait_all_tasks_blocked()
                assert HistoryStatistics(0, 0, 0, waiting=100) == history.statistics()

        assert HistoryStatistics(101, 2, largest_group=100, waiting=0) == history.statistics()
        assert len(await history.conversations(MAO)) == 101


async def test_a_refused_request_leaves_its_group_alone(path: Path) -> None:
    """Of three in one commit the second fails, and only its caller hears of it."""

    async def intrude() -> None:
        with pytest.raises(NoSuchHistory):
            await history.append(ANN, FIRST, human("intruder"))

    async with open_sqlite_history(path, busy_timeout=PATIENCE) as history:
        async with trio.open_nursery() as callers:
            with locked(path):
                callers.start_soon(store, history, "one")
                await wait_all_tasks_blocked()
                callers.start_soon(store, history, "two")
                callers.start_soon(intrude)
                callers.start_soon(history.append, MAO, SECOND, human("three"))
                await wait_all_tasks_blocked()

        assert HistoryStatistics(4, 2, largest_group=3, waiting=0) == history.statistics()
    assert {"one", "two", "three"} == set(read(path))


async def test_a_full_queue_makes_callers_wait(path: Path) -> None:
    """More callers than the queue takes are all served, in groups no larger than the queue."""
    async with open_sqlite_history(path, busy_timeout=PATIENCE) as history:
        async with trio.open_nursery() as callers:
            with locked(path):
                callers.start_soon(store, history, "hello")
                await wait_all_tasks_blocked()
                for _ in range(2 * CAPACITY):
                    callers.start_soon(store, history, "hello")
                await wait_all_tasks_blocked()
                assert history.statistics().waiting == 2 * CAPACITY

        assert history.statistics().largest_group == CAPACITY
        assert len(await history.messages(MAO, FIRST)) == 1 + 2 * CAPACITY


async def test_a_cancelled_caller_leaves_at_once_and_what_had_not_begun_is_withdrawn(path: Path) -> None:
    """Nobody waits for a disk on behalf of somebody who has gone."""
    async with open_sqlite_history(path, busy_timeout=PATIENCE) as history:
        async with trio.open_nursery() as callers:
            with locked(path):
                callers.start_soon(store, history, "stays")
                await wait_all_tasks_blocked()
                async with trio.open_nursery() as leaving:
                    leaving.start_soon(store, history, "leaves")
                    await wait_all_tasks_blocked()
                    leaving.cancel_scope.cancel()
        await store(history, "comes")

    assert read(path) == ["stays", "comes"]


async def test_a_caller_cancelled_in_mid_commit_leaves_at_once(path: Path) -> None:
    """The commit goes on, whole, and the next caller finds the thread free."""
    async with open_sqlite_history(path, busy_timeout=PATIENCE) as history:
        with locked(path):
            async with trio.open_nursery() as leaving:
                leaving.start_soon(store, history, "one", "two")
                await wait_all_tasks_blocked()
                leaving.cancel_scope.cancel()
        await store(history, "three")

    assert read(path) == ["one", "two", "three"]


@pytest.mark.parametrize("cancel", [False, True])
async def test_leaving_the_block_finishes_what_was_accepted(path: Path, cancel: bool) -> None:
    """Callers elsewhere, who still wait when the history closes, get what they asked for."""

    async def unlock(other: sqlite3.Connection) -> None:
        await wait_all_tasks_blocked()
        with pytest.raises(trio.ClosedResourceError):
            await store(history, "too late")
        other.rollback()

    with trio.fail_after(PATIENCE):
        async with trio.open_nursery() as callers:
            with ExitStack() as outside, trio.CancelScope() as block:
                async with open_sqlite_history(path, busy_timeout=PATIENCE) as history:
                    other = outside.enter_context(locked(path))
                    for content in ("one", "two", "three"):
                        callers.start_soon(store, history, content)
                        await wait_all_tasks_blocked()
                    callers.start_soon(unlock, other)
                    if cancel:
                        block.cancel()
                        await trio.sleep_forever()

    assert read(path) == ["one", "two", "three"]


class StuckDisk:
    """A disk that answers when it is told to."""

    def __init__(self) -> None:
        self.answers, self.done = threading.Event(), threading.Event()

    def run_group(self, database: sqlite3.Connection, group: Sequence[Request[object]]) -> int:
        """In the thread."""
        self.answers.wait(PATIENCE)
        try:
            return run_group(database, group)
        finally:
            self.done.set()


async def test_the_end_does_not_wait_for_ever_for_a_disk(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever still waits is told, and so is the operator; what was on disk before is still there."""
    told: list[int] = []
    logged: list[str] = []
    connections: list[sqlite3.Connection] = []
    disk, open_both = StuckDisk(), sqlite._open

    def open_and_note(*args: Any) -> tuple[sqlite3.Connection, sqlite3.Connection]:
        connections.extend(open_both(*args))
        return connections[0], connections[1]

    monkeypatch.setattr(sqlite, "_open", open_and_note)
    sink = logger.add(logged.append, level="ERROR", format="{message}")

    async def hear(number: int) -> None:
        with pytest.raises(HistoryError, match="the disk does not answer"):
            await store(history, f"{number}")
        told.append(number)

    try:
        with trio.fail_after(PATIENCE / 2):
            async with trio.open_nursery() as callers, open_sqlite_history(path) as history:
                await store(history, "before")
                monkeypatch.setattr(sqlite, "FINISH_TIME", 0.05)
                monkeypatch.setattr(sqlite, "run_group", disk.run_group)
                for number in range(3):
                    callers.start_soon(hear, number)
                    await wait_all_tasks_blocked()
    finally:
        disk.answers.set()
        logger.remove(sink)
        assert await trio.to_thread.run_sync(disk.done.wait, PATIENCE)
        for connection in connections:
            connection.close()

    assert sorted(told) == [0, 1, 2]
    assert [line for line in logged if f"{path}: the disk does not answer; the file is left open" in line]
    assert "before" in read(path)


async def test_a_file_that_cannot_be_closed_holds_up_nobody(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does a cancel: the shield has a deadline."""
    close, answers = sqlite._close, threading.Event()

    def close_slowly(writer: sqlite3.Connection, reader: sqlite3.Connection, reserve: Reserve) -> None:
        answers.wait(PATIENCE)
        close(writer, reader, reserve)

    monkeypatch.setattr(sqlite, "CLOSE_TIME", 0.05)
    monkeypatch.setattr(sqlite, "_close", close_slowly)
    try:
        with trio.fail_after(PATIENCE / 2), trio.CancelScope() as block:
            async with open_sqlite_history(path) as history:
                await store(history, "one")
                block.cancel()
    finally:
        answers.set()

    assert read(path) == ["one"]


async def test_a_bug_costs_the_call_that_met_it_and_no_other(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a group in one commit the others are stored once, and the store goes on."""
    parts: list[str] = []
    append = queries.append

    def break_half_way(database: sqlite3.Connection, owner: Owner, **named: Any) -> None:
        append(database, owner, **named)
        if named["messages"][0].content == "bug":
            raise TypeError

    async def meet_the_bug() -> None:
        with pytest.raises(HistoryError, match=r"history.db: a bug in the store; the log says where"):
            await store(history, "bug")

    monkeypatch.setattr(queries, "append", break_half_way)
    async with open_sqlite_history(path, busy_timeout=PATIENCE, boundary=Boundary(parts.append)) as history:
        async with trio.open_nursery() as callers:
            with locked(path):
                for work in (
                    partial(store, history, "one"),
                    partial(store, history, "two"),
                    meet_the_bug,
                    partial(store, history, "three"),
                ):
                    callers.start_soon(work)
                    await wait_all_tasks_blocked()
        await store(history, "four")

    assert read(path) == ["one", "two", "three", "four"]
    assert parts == ["history", "history"]


@pytest.mark.parametrize("cancel", [False, True])
async def test_a_closed_history_is_one_file(tmp_path: Path, cancel: bool) -> None:
    """Closing folds the log back, so that a copy of the file is a copy of the history; a cancel does too."""
    with trio.CancelScope() as block:
        async with open_sqlite_history(tmp_path / "history.db") as history:
            await store(history, "hello")
            assert (tmp_path / "history.db-wal").exists()
            if cancel:
                block.cancel()

    assert os.listdir(tmp_path) == ["history.db"]


async def test_the_store_waits_for_no_other_thread_of_the_program(path: Path) -> None:
    """Where all those that Trio lends are busy, what is said is stored all the same."""
    answers, lent = threading.Event(), trio.to_thread.current_default_thread_limiter()
    tokens, lent.total_tokens = lent.total_tokens, 1
    try:
        async with open_sqlite_history(path) as history, trio.open_nursery() as nursery:
            nursery.start_soon(trio.to_thread.run_sync, answers.wait, PATIENCE)
            await wait_all_tasks_blocked()
            with trio.fail_after(PATIENCE / 2):
                await store(history, "hello")
            assert not answers.is_set()
            answers.set()
    finally:
        lent.total_tokens = tokens

    assert read(path) == ["hello"]


async def test_a_lock_held_too_long_is_an_error_that_names_the_file(path: Path) -> None:
    """All who waited hear of it; once the lock is gone, storing works again."""

    async def fail() -> None:
        with pytest.raises(HistoryError, match=f"{path}: another program holds it locked; close"):
            await store(history, "in vain")

    async with open_sqlite_history(path, busy_timeout=0.1) as history:
        with locked(path):
            async with trio.open_nursery() as callers:
                for _ in range(20):
                    callers.start_soon(fail)
        await store(history, "again")

    assert read(path) == ["again"]


async def test_reading_goes_on_while_another_program_writes(path: Path) -> None:
    """A lock is no concern of readers."""
    async with open_sqlite_history(path, busy_timeout=0.1) as history:
        await store(history, "hello")
        with locked(path):
            assert [human("hello")] == await history.messages(MAO, FIRST)


async def test_a_group_is_bounded_whoever_waits(path: Path) -> None:
    """What comes behind a group waits for it: a few hundred messages, and not thousands."""
    async with open_sqlite_history(path, busy_timeout=PATIENCE) as history:
        async with trio.open_nursery() as callers:
            with locked(path):
                for _ in range(600):
                    callers.start_soon(store, history, "hello")
                await wait_all_tasks_blocked()
        assert history.statistics().largest_group <= 256
        assert history.statistics().requests == 600


async def test_a_lock_is_told_long_before_a_turn_is_given_up(path: Path) -> None:
    """As the file is opened where nobody says how long to wait: the backlog tries again anyway."""
    async with open_sqlite_history(path) as history:
        with (
            locked(path),
            trio.fail_after(PATIENCE / 2),
            pytest.raises(HistoryError, match="holds it locked"),
        ):
            await store(history, "in vain")


async def test_an_answer_is_kept_for_nobody(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A conversation may be long; what its reader has let go is gone, though nobody asks for another."""

    class Answer(list[StoredMessage]):
        """A list that a weak reference can tell of."""

    monkeypatch.setattr(queries, "messages", lambda *_, **__: Answer())
    async with open_sqlite_history(path) as history:
        kept = weakref.ref(await history.messages(MAO, FIRST))
        await wait_all_tasks_blocked()
        assert kept() is None
