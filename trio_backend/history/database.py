"""How the history file is opened, and what is said where that fails.

Only a file of ours is opened; it is brought up to this version's tables, safe against a crash.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import TypeAlias

from ..errors import HistoryError
from .layouts import LAYOUTS

# In the header of every file of ours ("trio"), so that another program's database is never written to.
APPLICATION_ID = 0x7472696F

_LOCKED = "another program holds it locked; close that program (a second server, a database browser)"
_CLOSED = "it cannot be opened or written; check the permissions of the file and of its directory"

# By SQLite's primary result code.
_REMEDIES = {
    sqlite3.SQLITE_FULL: "the disk is full; make room, nothing that was stored is lost",
    sqlite3.SQLITE_BUSY: _LOCKED,
    sqlite3.SQLITE_LOCKED: _LOCKED,
    sqlite3.SQLITE_NOTADB: "it is no SQLite database; name another file, or move this one away",
    sqlite3.SQLITE_CORRUPT: "it is damaged; move it away, or restore a copy. Nothing of it was deleted",
    sqlite3.SQLITE_CANTOPEN: _CLOSED,
    sqlite3.SQLITE_READONLY: _CLOSED,
    sqlite3.SQLITE_PERM: _CLOSED,
    sqlite3.SQLITE_IOERR: "the disk failed to read or write; check the disk",
}


# What SQLite's module raises when it fails, or when the file is damaged. It decodes the names in a file's
# schema as UTF-8, whatever they are, and says MemoryError for a size that cannot be.
Failure: TypeAlias = sqlite3.Error | UnicodeDecodeError | MemoryError
FAILURES = (sqlite3.Error, UnicodeDecodeError, MemoryError)


def history_error(error: Failure | OSError, path: Path) -> HistoryError:
    """``error`` as a sentence that names the file and says what to do."""
    if isinstance(error, OSError):
        return HistoryError(f"{path}: {error.strerror or error}; check the permissions, or name another file")
    code = _code(error)
    return HistoryError(f"{path}: {_REMEDIES.get(code, str(error))}")


def is_full(error: BaseException | None) -> bool:
    """Whether ``error`` says that there is no room on the disk."""
    # Some files are grown by means that only say that it did not work.
    return isinstance(error, sqlite3.Error) and _code(error) in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)


def _code(error: Failure) -> int:
    """SQLite's primary result code."""
    if not isinstance(error, sqlite3.Error):
        return sqlite3.SQLITE_CORRUPT
    # Errors of the Python module itself have no code.
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF


def open_database(path: Path, busy_timeout: float) -> sqlite3.Connection:
    """The open file at ``path``; it and its directory are made if they are missing.

    The connection may move between threads, one at a time. Waits up to ``busy_timeout`` seconds for other
    programs' locks, now and later. Raises `HistoryError`, and leaves the file as it was, if it is another
    program's, a newer version's, or no database.
    """
    try:
        _create(path)
        with ExitStack() as on_error:
            connection = _connect(path, busy_timeout)
            on_error.callback(connection.close)
            _check_ours(connection, path)
            _set_up(connection)
            _bring_up_to_date(connection)
            on_error.pop_all()
            return connection
    except (*FAILURES, OSError) as error:
        raise history_error(error, path) from error


def open_reader(path: Path, busy_timeout: float) -> sqlite3.Connection:
    """A second connection to a file that `open_database` has opened, to read beside what is written.

    Raises `HistoryError`.
    """
    try:
        connection = _connect(path, busy_timeout)
        connection.execute("PRAGMA query_only = ON")
        return connection
    except FAILURES as error:
        raise history_error(error, path) from error


def set_busy_timeout(connection: sqlite3.Connection, seconds: float) -> None:
    """From here on wait so long for other programs' locks."""
    connection.execute(f"PRAGMA busy_timeout = {int(seconds * 1000)}")


def _connect(path: Path, busy_timeout: float) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=busy_timeout, isolation_level=None, check_same_thread=False)
    # A damaged letter is no reason not to show the rest, and the module's error would quote the whole text.
    connection.text_factory = lambda text: text.decode("utf-8", "replace")
    # In kibibytes, not pages: what is read again and again is small, and memory is to stay what it was.
    connection.execute("PRAGMA cache_size = -512")
    return connection


def _create(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # What people say to their character is for the owner of the file only; SQLite's side files follow it.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))


def _check_ours(connection: sqlite3.Connection, path: Path) -> None:
    owner = _number(connection, "PRAGMA application_id")
    version = _number(connection, "PRAGMA user_version")
    tables = _number(connection, "SELECT count(*) FROM sqlite_master")
    if owner != APPLICATION_ID and (owner or version or tables):
        raise HistoryError(f"{path}: it is another program's database; name another file. It was not changed")
    known = len(LAYOUTS)
    if version > known:
        raise HistoryError(
            f"{path}: a newer trio-backend wrote it (version {version}, this one knows {known}); "
            "update trio-backend, or name another file. It was not changed"
        )


def _set_up(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    # In WAL mode anything less may lose the last commits when the power fails …
    connection.execute("PRAGMA synchronous = FULL")
    # … and on macOS an ordinary sync leaves them in the drive's own cache.
    connection.execute("PRAGMA fullfsync = ON")
    connection.execute("PRAGMA foreign_keys = ON")
    # Deleted is deleted: its place in the file is written over.
    connection.execute("PRAGMA secure_delete = ON")
    # A short log is folded back with little room: see `reserve`. In pages; it is one more sync for some
    # forty commits.
    connection.execute("PRAGMA wal_autocheckpoint = 128")
    # After a large import the log shrinks again.
    connection.execute("PRAGMA journal_size_limit = 1048576")


def _bring_up_to_date(connection: sqlite3.Connection) -> None:
    """All missing versions in one transaction: a crash leaves the old file.

    It writes even if none is missing, to find out now, and not at the first message, whether it can.
    """
    connection.execute("BEGIN IMMEDIATE")
    # Only asked here, where no other process can be doing the same.
    version = _number(connection, "PRAGMA user_version")
    for statement in chain.from_iterable(LAYOUTS[version:]):
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {len(LAYOUTS)}")
    connection.execute("COMMIT")


def _number(connection: sqlite3.Connection, question: str) -> int:
    row = connection.execute(question).fetchone()
    if row is None or not isinstance(row[0], int):
        raise sqlite3.DatabaseError("the file's head cannot be read")
    return row[0]
