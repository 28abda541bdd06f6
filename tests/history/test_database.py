"""Opening files: new ones, old ones, broken ones, and ones that are not ours."""

from __future__ import annotations

import os
import sqlite3
import stat
import sys
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from tests.history.locks import locked
from tests.history.samples import FIRST, MAO, SECOND, ai, human
from trio_backend.errors import HistoryError
from trio_backend.history import database
from trio_backend.history.database import open_database
from trio_backend.history.layouts import LAYOUTS
from trio_backend.history.sqlite import open_sqlite_history
from trio_backend.history.store import PREVIEW, HistoryUid, StoredMessage


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where nothing is yet."""
    return tmp_path / "chat_history" / "history.db"


def write_text(path: Path) -> None:
    """Something that is no database."""
    path.write_text("To do: buy milk.\n" * 100)


def write_foreign(path: Path) -> None:
    """Another program's database."""
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE bookmark (url TEXT)")


def write_foreign_and_marked(path: Path) -> None:
    """Another program's database, which says so, and has no table yet."""
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA application_id = 42")


def write_newer(path: Path) -> None:
    """A file of a version to come."""
    open_database(path, 1).close()
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version = 7")


def write_readonly(path: Path) -> None:
    """A file whose header asks all who know less to only read it: it holds for root, and on any system."""
    open_database(path, 1).close()
    header = bytearray(path.read_bytes())
    header[18] = 3
    path.write_bytes(header)


def damage(path: Path) -> None:
    """Overwrite ten pages in the middle."""
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2 // 4096 * 4096)
        file.write(b"\xff" * 40_960)


def contents(path: Path) -> bytes:
    """All bytes of the file."""
    return path.read_bytes()


@pytest.mark.parametrize(
    ("write", "expected"),
    [
        (write_text, "it is no SQLite database; name another file"),
        (write_foreign, "another program's database; name another file"),
        (write_foreign_and_marked, "another program's database; name another file"),
        (write_newer, r"newer trio-backend wrote it \(version 7, this one knows 5\); update trio-backend"),
    ],
)
async def test_a_file_that_is_not_for_us_is_refused_and_left_alone(
    path: Path, write: Callable[[Path], None], expected: str
) -> None:
    """The error names the file and the remedy, and not a byte of the file changes."""
    path.parent.mkdir()
    write(path)
    before = contents(path)

    with pytest.raises(HistoryError, match=f"history.db: .*{expected}"):
        async with open_sqlite_history(path):
            pytest.fail("it was opened")

    assert before == contents(path)
    assert [path.name] == os.listdir(path.parent)


async def test_a_file_that_may_not_be_written_is_an_error(path: Path) -> None:
    """The permissions are named as the place to look."""
    path.parent.mkdir()
    write_readonly(path)

    with pytest.raises(HistoryError, match=r"history.db: it cannot be opened or written; check the perm"):
        async with open_sqlite_history(path):
            pytest.fail("it was opened")


async def test_a_directory_in_the_file_s_place_is_an_error(path: Path) -> None:
    """So is a file in the directory's place; both are named."""
    os.makedirs(path)
    with pytest.raises(HistoryError, match=r"history.db: .*name another file"):
        async with open_sqlite_history(path):
            pytest.fail("it was opened")

    (path / "file").write_text("")
    with pytest.raises(HistoryError, match=r"file.deeper.history.db: .*name another file"):
        async with open_sqlite_history(path / "file" / "deeper" / "history.db"):
            pytest.fail("it was opened")


async def test_a_file_locked_while_it_is_new_is_an_error(path: Path) -> None:
    """Opening waits for another program no longer than storing does."""
    path.parent.mkdir()
    with locked(path), pytest.raises(HistoryError, match=r"history.db: another program holds it locked"):
        async with open_sqlite_history(path, busy_timeout=0.05):
            pytest.fail("it was opened")


async def test_a_damaged_file_is_an_error_and_stays(path: Path) -> None:
    """Reading what is broken says so; what is whole can still be read, and nothing is deleted."""
    async with open_sqlite_history(path) as history:
        for number in range(100):
            await history.append(MAO, FIRST, human(f"message {number} " * 200))
    damage(path)

    async with open_sqlite_history(path) as history:
        with pytest.raises(HistoryError, match=r"history.db: it is damaged; move it away"):
            await history.messages(MAO, FIRST)
    async with open_sqlite_history(path) as history:
        assert [found.latest.content[:10] for found in await history.conversations(MAO)] == ["message 99"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permissions")
async def test_what_people_say_is_for_the_owner_only(path: Path) -> None:
    """Other users of the machine read neither the file nor its log."""
    async with open_sqlite_history(path) as history:
        await history.append(MAO, FIRST, human())
        modes = {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}

    assert {0o600} == modes


def test_every_commit_is_synced(path: Path) -> None:
    """The promise rests on the write-ahead log and on full synchronisation."""
    with closing(open_database(path, 1)) as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert database.execute("PRAGMA synchronous").fetchone() == (2,)


async def test_a_file_of_an_older_version_is_brought_up_to_date(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A later version adds its tables to the file, and keeps what it holds."""
    async with open_sqlite_history(path) as history:
        await history.append(MAO, FIRST, human())
    monkeypatch.setattr(
        database, "LAYOUTS", (*LAYOUTS, ("ALTER TABLE message ADD COLUMN mood TEXT DEFAULT 'joy'",))
    )

    async with open_sqlite_history(path) as history:
        assert [human()] == await history.messages(MAO, FIRST)
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("PRAGMA user_version").fetchone() == (6,)
        assert file.execute("SELECT mood FROM message").fetchall() == [("joy",)]


async def test_a_migration_that_fails_half_way_leaves_the_old_file(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All statements of all missing versions are one transaction."""
    async with open_sqlite_history(path) as history:
        await history.append(MAO, FIRST, human())
    with monkeypatch.context() as patch:
        patch.setattr(database, "LAYOUTS", (*LAYOUTS, ("DROP TABLE message", "DROP TABLE missing")))
        with pytest.raises(HistoryError, match=r"history.db: no such table: missing"):
            async with open_sqlite_history(path):
                pytest.fail("it was opened")

    async with open_sqlite_history(path) as history:
        assert [human()] == await history.messages(MAO, FIRST)


async def test_a_file_of_version_0_1_opens_with_all_it_holds(path: Path) -> None:
    """A file that the released program wrote: its list stands as it stood, and goes on from there."""
    path.parent.mkdir()
    path.write_bytes(Path(__file__).with_name("version_1.sqlite3").read_bytes())

    async with open_sqlite_history(path) as history:
        listed = await history.conversations(MAO)
        assert [one.uid for one in listed] == ["first", "second", "old"]
        assert [one.content for one in await history.messages(MAO, HistoryUid("first"))] == [
            "Hello, 小猫!",
            "Hi!",
            "Still there?",
        ]
        await history.append(MAO, HistoryUid("second"), human(), continues=True)
        assert [one.uid for one in await history.conversations(MAO)] == ["second", "first", "old"]
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA user_version").fetchone() == (5,)
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


# As version 3 stored a message.
INSERT = """
    INSERT INTO message (conversation, role, timestamp, content, name, avatar) VALUES (?, ?, ?, ?, ?, ?)
"""


def row(conversation: int, message: StoredMessage) -> tuple[object, ...]:
    """What `INSERT` is given."""
    return (conversation, message.role, message.timestamp, message.content, message.name, message.avatar)


def write_version(version: int, path: Path) -> None:
    """A file as that version left it: two conversations of two messages each, and one that has none."""
    path.parent.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "LAYOUTS", LAYOUTS[:version])
        open_database(path, 1).close()
    with closing(sqlite3.connect(path)) as file:
        file.executemany(
            "INSERT INTO conversation (id, conf_uid, uid, place) VALUES (?, ?, ?, ?)",
            [(1, MAO.conf_uid, FIRST, 2), (2, MAO.conf_uid, SECOND, 1), (3, MAO.conf_uid, "empty", 3)],
        )
        said = [
            (1, human("Hi.")),
            (2, human("")),
            (1, ai("\0" + 900 * "猫", second=1)),
            (2, ai("", second=1)),
        ]
        file.executemany(INSERT, [row(*each) for each in said])
        file.commit()


write_version_3 = partial(write_version, 3)


async def test_a_file_of_version_3_lists_what_it_listed(path: Path) -> None:
    """The newest message of each conversation, its beginning only; and what is stored next."""
    write_version_3(path)

    async with open_sqlite_history(path) as history:
        listed = [(one.uid, one.latest) for one in await history.conversations(MAO)]
        await history.append(MAO, SECOND, human("Me again.", second=2))
        again = [(one.uid, one.latest) for one in await history.conversations(MAO)]

    shown = ai("\0" + (PREVIEW - 1) * "猫", second=1)
    assert listed == [(FIRST, shown), (SECOND, ai("", second=1))]
    assert again == [(SECOND, human("Me again.", second=2)), (FIRST, shown)]


async def test_what_an_older_server_stores_meanwhile_is_listed(path: Path) -> None:
    """It still has the file open that this one has brought up to date, and knows nothing of it."""
    write_version_3(path)
    with closing(sqlite3.connect(path)) as older:
        assert older.execute("SELECT count(*) FROM message").fetchone() == (4,)
        async with open_sqlite_history(path) as history:
            older.execute(INSERT, row(2, human("From there.", second=5)))
            older.commit()
            listed = {one.uid: one.latest for one in await history.conversations(MAO)}

    assert listed[SECOND] == human("From there.", second=5)


@pytest.mark.parametrize("done", range(len(LAYOUTS[3]) + 1))
async def test_wherever_version_4_is_cut_short_the_file_is_of_version_3(
    path: Path, done: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of it is in the file, and the next start does it all."""
    write_version_3(path)
    with monkeypatch.context() as patch:
        cut = (*LAYOUTS[3][:done], "DROP TABLE missing")
        patch.setattr(database, "LAYOUTS", (*LAYOUTS[:3], cut))
        with pytest.raises(HistoryError, match="no such table: missing"):
            open_database(path, 1)

    with closing(sqlite3.connect(path)) as left:
        assert left.execute("PRAGMA user_version").fetchone() == (3,)
        assert "latest_role" not in str(left.execute("SELECT sql FROM sqlite_master").fetchall())
    async with open_sqlite_history(path) as history:
        assert [one.uid for one in await history.conversations(MAO)] == [FIRST, SECOND]


async def test_a_file_of_version_4_is_called_by_what_was_said_first(path: Path) -> None:
    """Not by a picture without words, nor by what was said later; where nothing was, by what is said next."""
    write_version(4, path)
    with closing(sqlite3.connect(path)) as file:
        later = [row(1, human("Later.", second=2)), row(1, human("", second=3))]
        file.executemany(INSERT, later)
        file.commit()

    async with open_sqlite_history(path) as history:
        titles = {one.uid: one.title for one in await history.conversations(MAO)}
        await history.append(MAO, SECOND, human("\0" + "猫" * 2 * PREVIEW, second=4), human("And?", second=5))
        again = {one.uid: one.title for one in await history.conversations(MAO)}

    assert titles == {FIRST: "Hi.", SECOND: ""}
    assert again == {FIRST: "Hi.", SECOND: "\0" + "猫" * (PREVIEW - 1)}


async def test_what_an_older_server_stores_meanwhile_has_a_title(path: Path) -> None:
    """A version 4 that has the file open while this one brings it up to date fills the new column too."""
    write_version(4, path)
    with closing(sqlite3.connect(path)) as older:
        assert older.execute("SELECT count(*) FROM message").fetchone() == (4,)
        async with open_sqlite_history(path) as history:
            older.execute(INSERT, row(2, human("From there.", second=5)))
            older.commit()
            titles = {one.uid: one.title for one in await history.conversations(MAO)}

    assert titles[SECOND] == "From there."


async def test_an_older_version_refuses_the_file_in_words(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Version 4 would neither show nor clear a title: it says what to do, and changes nothing."""
    async with open_sqlite_history(path) as history:
        await history.append(MAO, FIRST, human())
    before = contents(path)
    monkeypatch.setattr(database, "LAYOUTS", LAYOUTS[:4])

    with pytest.raises(HistoryError, match=r"version 5, this one knows 4\); update trio-backend"):
        open_database(path, 1)
    assert before == contents(path)


@pytest.mark.parametrize("done", range(len(LAYOUTS[4]) + 1))
async def test_wherever_version_5_is_cut_short_the_file_is_of_version_4(
    path: Path, done: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of it is in the file, and the next start does it all."""
    write_version(4, path)
    with monkeypatch.context() as patch:
        cut = (*LAYOUTS[4][:done], "DROP TABLE missing")
        patch.setattr(database, "LAYOUTS", (*LAYOUTS[:4], cut))
        with pytest.raises(HistoryError, match="no such table: missing"):
            open_database(path, 1)

    with closing(sqlite3.connect(path)) as left:
        assert left.execute("PRAGMA user_version").fetchone() == (4,)
        assert "said_first" not in str(left.execute("SELECT name, sql FROM sqlite_master").fetchall())
    async with open_sqlite_history(path) as history:
        assert [one.title for one in await history.conversations(MAO)] == ["Hi.", ""]
