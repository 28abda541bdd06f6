"""What `History` promises, as SQL. It runs in the history's threads."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

import attrs
import msgspec

from ..errors import NoSuchHistory
from .store import (
    LISTED,
    PREVIEW,
    READ,
    READ_BYTES,
    HistoryUid,
    Owner,
    StoredConversation,
    StoredMessage,
    newest_that_fit,
    place_in_the_past,
    well_formed,
)

_INSERT = """
    INSERT INTO message (conversation, role, timestamp, content, name, avatar) VALUES (?, ?, ?, ?, ?, ?)
"""

_FIND = "SELECT id, conf_uid, user_id FROM conversation WHERE uid = ?"

_LATEST = "SELECT timestamp FROM message WHERE conversation = ? ORDER BY id DESC LIMIT 1"

# One step down the index.
_TO_THE_TOP = """
    UPDATE conversation
    SET place = 1 + max(0, (SELECT max(place) FROM conversation WHERE conf_uid = ? AND user_id = ?))
    WHERE id = ?
"""

# From one place of the index on, so a list costs what it shows, however many conversations there are.
#
# The whole page is one row. SQLite's module lets go of the interpreter's lock for each row, and gets it back
# when a busy loop next sleeps: a list of two hundred rows took up to 215 ms. As JSON it is also read in
# one call of C, and without the names of the fields in half the time. A subquery with a limit keeps its
# order. A list of two hundred takes 0.24 ms; with the names, and the first thing that the user said looked
# for among the messages, it took 0.51.
_PAGE = """
    SELECT json_group_array(json_array(
        uid, coalesce(title, first_said, ''),
        latest_role, latest_timestamp, latest_preview, latest_name, latest_avatar
    ))
    FROM (
        SELECT
            uid, title, first_said, latest_role, latest_timestamp, latest_preview, latest_name, latest_avatar
        FROM conversation
        WHERE conf_uid = ? AND user_id = ? AND (place, id) < (?, ?) AND latest_role IS NOT NULL
        ORDER BY place DESC, id DESC
        LIMIT ?
    )
"""
_page = msgspec.json.Decoder(list[StoredConversation])

_LISTED = "uid = ? AND conf_uid = ? AND user_id = ? AND latest_role IS NOT NULL"
_RENAME = f"UPDATE conversation SET title = nullif(?, '') WHERE {_LISTED}"
_TITLE = f"SELECT coalesce(title, first_said, '') FROM conversation WHERE {_LISTED}"

_PLACE = "SELECT place, id FROM conversation WHERE uid = ? AND conf_uid = ? AND user_id = ?"

_MESSAGES = """
    SELECT role, timestamp, content, name, avatar
    FROM message
    WHERE conversation = (SELECT id FROM conversation WHERE uid = ? AND conf_uid = ? AND user_id = ?)
    ORDER BY id DESC
    LIMIT ?
"""

_OLDEST = """
    SELECT id FROM message
    WHERE conversation = (SELECT id FROM conversation WHERE uid = ? AND conf_uid = ? AND user_id = ?)
    ORDER BY id
    LIMIT ?
"""


class _DamagedRow(sqlite3.DatabaseError):
    """A value is of another kind than its column: SQLite itself did not notice the damage.

    Not one of errors.py: it is among the failures of SQLite, and is translated with them.
    """

    sqlite_errorcode = sqlite3.SQLITE_CORRUPT


# SQLite's largest integer: above every place.
_TOP = 2**63 - 1


def append(
    database: sqlite3.Connection,
    owner: Owner,
    uid: HistoryUid,
    messages: Sequence[StoredMessage],
    *,
    continues: bool = False,
) -> None:
    """See `History.append`. Runs inside a transaction."""
    conversation = _find(database, owner, uid)
    if conversation is None:
        if continues:
            raise _no_such_history()
        conversation = _begin(database, owner, uid, 0)
    row = database.execute(_LATEST, (conversation,)).fetchone()
    latest = _text(row[0]) if row else ""
    for message in messages:
        latest = max(latest, message.timestamp)
        message = attrs.evolve(message.well_formed(), timestamp=latest)
        database.execute(_INSERT, (conversation, *attrs.astuple(message)))
    database.execute(_TO_THE_TOP, (*_columns(owner), conversation))


def adopt(
    database: sqlite3.Connection, owner: Owner, uid: HistoryUid, messages: Sequence[StoredMessage]
) -> None:
    """See `History.adopt`. Runs inside a transaction."""
    conversation = _find(database, owner, uid)
    if conversation is None:
        place = place_in_the_past(messages[-1].timestamp)
        conversation = _begin(database, owner, uid, place)
    database.executemany(
        _INSERT, [(conversation, *attrs.astuple(message.well_formed())) for message in messages]
    )


def conversations(
    database: sqlite3.Connection, owner: Owner, *, limit: int = LISTED, before: HistoryUid | None = None
) -> list[StoredConversation]:
    """See `History.conversations`."""
    below = (_TOP, _TOP)
    if before is not None:
        row = database.execute(_PLACE, (well_formed(before), *_columns(owner))).fetchone()
        if row is None:
            raise _no_such_history()
        below = row
    try:
        (page,) = database.execute(_PAGE, (*_columns(owner), *below, limit)).fetchone()
        found = _page.decode(page)
    except msgspec.DecodeError as error:
        raise _DamagedRow from error
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_ERROR:
            raise
        # The statement is right, so it is a value of which no JSON can be made.
        raise _DamagedRow from error
    # The file holds more than is shown only of a text that has a NUL: see `PREVIEW_OF`.
    return [_shortened(one) for one in found] if _NUL in page else found


_NUL = r"\u0000"


def _shortened(conversation: StoredConversation) -> StoredConversation:
    return StoredConversation.of(conversation.uid, conversation.latest, conversation.title)


def messages(
    database: sqlite3.Connection,
    owner: Owner,
    uid: HistoryUid,
    *,
    limit: int = READ,
    size: int = READ_BYTES,
) -> list[StoredMessage]:
    """See `History.messages`."""

    def newest_first() -> Iterator[StoredMessage]:
        # Row by row: what no longer fits is not read from the disk either.
        for row in database.execute(_MESSAGES, (well_formed(uid), *_columns(owner), limit)):
            yield _message(*row)

    found = newest_that_fit(newest_first(), size)
    if not found:
        raise _no_such_history()
    return found


def rename(database: sqlite3.Connection, owner: Owner, uid: HistoryUid, title: str) -> str:
    """See `History.rename`. Runs inside a transaction."""
    whose = (well_formed(uid), *_columns(owner))
    database.execute(_RENAME, (well_formed(title)[:PREVIEW], *whose))
    row = database.execute(_TITLE, whose).fetchone()
    if row is None:
        raise _no_such_history()
    return _text(row[0])[:PREVIEW]


def delete(database: sqlite3.Connection, owner: Owner, uid: HistoryUid) -> None:
    """See `History.delete`. Runs inside a transaction."""
    deleted = database.execute(
        "DELETE FROM conversation WHERE uid = ? AND conf_uid = ? AND user_id = ?",
        (well_formed(uid), *_columns(owner)),
    )
    if not deleted.rowcount:
        raise _no_such_history()


def delete_oldest(database: sqlite3.Connection, owner: Owner, uid: HistoryUid, limit: int) -> int:
    """Delete up to ``limit`` messages from the beginning of a conversation; how many there were.

    Runs outside a transaction, as one of its own.
    """
    rows = database.execute(_OLDEST, (well_formed(uid), *_columns(owner), limit)).fetchall()
    if rows:
        (first,), (last,) = rows[0], rows[-1]
        database.execute(
            "DELETE FROM message WHERE id BETWEEN ? AND ? AND conversation = "
            "(SELECT id FROM conversation WHERE uid = ? AND conf_uid = ? AND user_id = ?)",
            (first, last, well_formed(uid), *_columns(owner)),
        )
    return len(rows)


def _columns(owner: Owner) -> tuple[str, str]:
    """As the columns ``conf_uid`` and ``user_id`` hold it."""
    return well_formed(owner.conf_uid), well_formed(owner.user)


def _find(database: sqlite3.Connection, owner: Owner, uid: HistoryUid) -> int | None:
    row = database.execute(_FIND, (well_formed(uid),)).fetchone()
    if row is None:
        return None
    conversation, *columns = row
    if tuple(columns) != _columns(owner):
        raise _no_such_history()
    return _number(conversation)


def _begin(database: sqlite3.Connection, owner: Owner, uid: HistoryUid, place: int) -> int:
    begun = database.execute(
        "INSERT INTO conversation (conf_uid, user_id, uid, place) VALUES (?, ?, ?, ?)",
        (*_columns(owner), well_formed(uid), place),
    )
    assert begun.lastrowid is not None
    return begun.lastrowid


def _message(role: Any, timestamp: Any, content: Any, name: Any, avatar: Any) -> StoredMessage:
    # In a damaged file a column may hold anything.
    if role not in ("human", "ai"):
        raise _DamagedRow
    return StoredMessage(
        role,
        _text(timestamp),
        _text(content),
        None if name is None else _text(name),
        None if avatar is None else _text(avatar),
    )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise _DamagedRow
    return value


def _number(value: Any) -> int:
    if not isinstance(value, int):
        raise _DamagedRow
    return value


def _no_such_history() -> NoSuchHistory:
    return NoSuchHistory("this character has no conversation of that name")
