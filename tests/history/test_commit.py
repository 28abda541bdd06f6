"""What a group does when SQLite fails in the middle of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.history.samples import FIRST, MAO, human
from trio_backend.history import queries
from trio_backend.history.commit import Request, run_group
from trio_backend.history.database import history_error, open_database

PATH = Path("history.db")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A new history file, open."""
    connection = open_database(tmp_path / PATH, 1)
    yield connection
    connection.close()


def storing(content: str) -> Request[object]:
    """A request that appends one message."""
    return Request(partial(queries.append, owner=MAO, uid=FIRST, messages=[human(content)]), "write")


def running(*statements: str) -> Request[object]:
    """A request that runs SQL of its own."""

    def work(database: sqlite3.Connection) -> None:
        for statement in statements:
            database.execute(statement)

    return Request(work, "write")


def stored(database: sqlite3.Connection) -> list[str]:
    """The contents of the first conversation."""
    return [message.content for message in queries.messages(database, MAO, FIRST)]


def test_on_a_full_disk_what_still_fits_is_stored(database: sqlite3.Connection) -> None:
    """The one message too large for the disk fails with advice; the others in the commit are stored."""
    (pages,) = database.execute("PRAGMA page_count").fetchone()
    database.execute(f"PRAGMA max_page_count = {pages + 1}")
    small, large, last = storing("small"), storing("large " * 100_000), storing("last")

    run_group(database, [small, large, last])

    assert stored(database) == ["small", "last"]
    assert isinstance(large.error, sqlite3.Error)
    assert str(history_error(large.error, PATH)).startswith("history.db: the disk is full; make room")
    assert small.error is last.error is None


def test_a_commit_that_fails_is_done_again_one_by_one(database: sqlite3.Connection) -> None:
    """What breaks the commit itself fails alone, and the others each get a commit of their own."""
    # The orphan is found when the transaction ends, not when it is put in.
    breaking = running(
        "PRAGMA defer_foreign_keys = ON",
        "INSERT INTO message (conversation, role, timestamp, content) VALUES (99, 'ai', '', 'orphan')",
    )
    one, two = storing("one"), storing("two")

    commits = run_group(database, [one, breaking, two])

    assert commits == 2
    assert stored(database) == ["one", "two"]
    assert isinstance(breaking.error, sqlite3.IntegrityError)
    assert one.error is two.error is None


def test_a_transaction_that_sqlite_gave_up_is_done_again_one_by_one(database: sqlite3.Connection) -> None:
    """Some errors roll back everything: nobody is told of a success that was undone."""
    breaking = running("INSERT OR ROLLBACK INTO conversation (conf_uid, uid) VALUES ('ann', NULL)")
    one, two = storing("one"), storing("two")

    commits = run_group(database, [one, breaking, two])

    assert commits == 2
    assert stored(database) == ["one", "two"]
    assert isinstance(breaking.error, sqlite3.IntegrityError)


def test_half_a_request_leaves_no_trace(database: sqlite3.Connection) -> None:
    """A request that fails after its first statement is undone as a whole."""
    half = running(
        "INSERT INTO conversation (conf_uid, uid) VALUES ('ann', 'half')", "SELECT * FROM nothing_like_that"
    )

    assert run_group(database, [storing("one"), half, storing("two")]) == 1

    assert stored(database) == ["one", "two"]
    assert database.execute("SELECT conf_uid FROM conversation").fetchall() == [("mao_001",)]
    assert isinstance(half.error, sqlite3.OperationalError)


def test_reads_see_only_what_is_on_disk(database: sqlite3.Connection) -> None:
    """A read in one group with a write may not show what a crash could still take back."""
    run_group(database, [storing("one")])
    reading = Request(partial(queries.messages, owner=MAO, uid=FIRST), "read")

    run_group(database, [storing("two"), reading])

    assert [human("one")] == reading._result
    assert stored(database) == ["one", "two"]


def test_reads_alone_make_no_commit(database: sqlite3.Connection) -> None:
    """Looking costs no sync of the disk, and a read that fails keeps its error to itself."""
    missing = Request(partial(queries.messages, owner=MAO, uid=FIRST), "read")
    listing = Request(partial(queries.conversations, owner=MAO), "read")

    assert run_group(database, [missing, listing]) == 0

    assert missing.error is not None
    assert listing.error is None


def test_a_request_that_works_the_second_time_has_no_error(database: sqlite3.Connection) -> None:
    """What went wrong before the group was begun anew is forgotten."""
    tries: list[int] = []

    def work(database: sqlite3.Connection) -> None:
        tries.append(1)
        if len(tries) == 1:
            raise sqlite3.OperationalError("not now")
        queries.append(database, owner=MAO, uid=FIRST, messages=[human("one")])

    moody = Request(work, "write")
    breaking = running(
        "PRAGMA defer_foreign_keys = ON",
        "INSERT INTO message (conversation, role, timestamp, content) VALUES (99, 'ai', '', 'orphan')",
    )
    run_group(database, [moody, breaking])
    assert len(tries) == 2
    assert moody.error is None
    assert stored(database) == ["one"]
