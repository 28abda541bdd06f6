"""The history file: its tables, version by version, and how it is opened.

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

# In the header of every file of ours ("trio"), so that another program's database is never written to.
APPLICATION_ID = 0x7472696F

_VERSION_1 = (
    """
    CREATE TABLE conversation (
        id       INTEGER PRIMARY KEY,
        conf_uid TEXT NOT NULL,
        uid      TEXT NOT NULL UNIQUE
    )
    """,
    "CREATE INDEX conversation_of ON conversation (conf_uid)",
    # Ids only grow within a conversation, so they are also the order of its messages.
    """
    CREATE TABLE message (
        id           INTEGER PRIMARY KEY,
        conversation INTEGER NOT NULL REFERENCES conversation ON DELETE CASCADE,
        role         TEXT NOT NULL CHECK (role IN ('human', 'ai')),
        timestamp    TEXT NOT NULL,
        content      TEXT NOT NULL,
        name         TEXT,
        avatar       TEXT
    )
    """,
    # Ends in the row's id, so that the latest message of a conversation is one step away.
    "CREATE INDEX message_of ON message (conversation)",
)

# Before, the list was sorted by time: each request read and sorted all conversations.
_VERSION_2 = (
    # A conversation's place in its character's list: it grows with each message that is stored.
    "ALTER TABLE conversation ADD COLUMN place INTEGER NOT NULL DEFAULT 0",
    # How the conversations stood until now.
    "CREATE TABLE ranked (conversation INTEGER PRIMARY KEY, place INTEGER NOT NULL)",
    """
    INSERT INTO ranked
    SELECT conversation, row_number() OVER (ORDER BY timestamp, id)
    FROM message
    WHERE id IN (SELECT max(id) FROM message GROUP BY conversation)
    """,
    """
    UPDATE conversation
    SET place = coalesce((SELECT place FROM ranked WHERE ranked.conversation = conversation.id), 0)
    """,
    "DROP TABLE ranked",
    "DROP INDEX conversation_of",
    "CREATE INDEX conversation_of ON conversation (conf_uid, place)",
)

# Conversations from before there were users belong to `user.NOBODY`, the user without a login.
_VERSION_3 = (
    "ALTER TABLE conversation ADD COLUMN user_id TEXT NOT NULL DEFAULT ''",
    "DROP INDEX conversation_of",
    "CREATE INDEX conversation_of ON conversation (conf_uid, user_id, place)",
)

# The list used to look for each conversation's latest message among all messages: two steps down an index and
# one into the text for each of two hundred, 1.3 ms. Read from the conversation's own row they are 0.4 ms.
#
# Triggers keep it, so that it is right whoever writes: a server of an older version may still have the file
# open while this one brings it up to date. 200 is `PREVIEW`. The text functions of SQLite end at a NUL: a
# text that has one among the first 800 bytes, which are at least 200 characters, is taken by its bytes.
PREVIEW_OF = """
    CASE WHEN instr(substr(CAST({0} AS BLOB), 1, 800), x'00') > 0
    THEN CAST(substr(CAST({0} AS BLOB), 1, 800) AS TEXT)
    ELSE substr({0}, 1, 200)
    END
"""
_VERSION_4 = (
    "ALTER TABLE conversation ADD COLUMN latest_role TEXT",
    "ALTER TABLE conversation ADD COLUMN latest_timestamp TEXT",
    "ALTER TABLE conversation ADD COLUMN latest_preview TEXT",
    "ALTER TABLE conversation ADD COLUMN latest_name TEXT",
    "ALTER TABLE conversation ADD COLUMN latest_avatar TEXT",
    f"""
    UPDATE conversation
    SET (latest_role, latest_timestamp, latest_preview, latest_name, latest_avatar) = (
        SELECT role, timestamp, {PREVIEW_OF.format("content")}, name, avatar
        FROM message
        WHERE message.conversation = conversation.id
        ORDER BY message.id DESC
        LIMIT 1
    )
    """,
    f"""
    CREATE TRIGGER message_stored AFTER INSERT ON message
    BEGIN
        UPDATE conversation
        SET latest_role = NEW.role,
            latest_timestamp = NEW.timestamp,
            latest_preview = {PREVIEW_OF.format("NEW.content")},
            latest_name = NEW.name,
            latest_avatar = NEW.avatar
        WHERE id = NEW.conversation;
    END
    """,
    # Messages are deleted oldest first, where a disk is full, and the conversation after the last of them.
    """
    CREATE TRIGGER last_message_deleted AFTER DELETE ON message
    WHEN NOT EXISTS (SELECT 1 FROM message WHERE conversation = OLD.conversation)
    BEGIN
        UPDATE conversation SET latest_role = NULL, latest_preview = NULL WHERE id = OLD.conversation;
    END
    """,
)

# Released versions stay as they are; a change of the tables is one more entry.
LAYOUTS: tuple[tuple[str, ...], ...] = (_VERSION_1, _VERSION_2, _VERSION_3, _VERSION_4)


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
