"""The four things that `History` promises, as SQL. They run in the history's thread."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import attrs

from ..errors import NoSuchHistory
from .store import ConfUid, Conversation, HistoryUid, StoredMessage, well_formed

_INSERT = """
    INSERT INTO message (conversation, role, timestamp, content, name, avatar) VALUES (?, ?, ?, ?, ?, ?)
"""

_CONVERSATIONS = """
    SELECT conversation.uid, latest.role, latest.timestamp, latest.content, latest.name, latest.avatar
    FROM conversation
    JOIN message AS latest
      ON latest.id = (SELECT max(id) FROM message WHERE message.conversation = conversation.id)
    WHERE conversation.conf_uid = ?
    ORDER BY latest.timestamp DESC, latest.id DESC
"""

_MESSAGES = """
    SELECT role, timestamp, content, name, avatar
    FROM message
    WHERE conversation = (SELECT id FROM conversation WHERE uid = ? AND conf_uid = ?)
    ORDER BY id
"""


def append(
    database: sqlite3.Connection, conf_uid: ConfUid, uid: HistoryUid, messages: Sequence[StoredMessage]
) -> None:
    """See `History.append`. Runs inside a transaction."""
    conversation = _find_or_begin(database, well_formed(conf_uid), well_formed(uid))
    database.executemany(
        _INSERT, [(conversation, *attrs.astuple(message.well_formed())) for message in messages]
    )


def conversations(database: sqlite3.Connection, conf_uid: ConfUid) -> list[Conversation]:
    """See `History.conversations`."""
    rows = database.execute(_CONVERSATIONS, (well_formed(conf_uid),))
    return [Conversation(HistoryUid(uid), StoredMessage(*latest)) for uid, *latest in rows]


def messages(database: sqlite3.Connection, conf_uid: ConfUid, uid: HistoryUid) -> list[StoredMessage]:
    """See `History.messages`."""
    rows = database.execute(_MESSAGES, (well_formed(uid), well_formed(conf_uid)))
    found = [StoredMessage(*row) for row in rows]
    if not found:
        raise _no_such_history()
    return found


def delete(database: sqlite3.Connection, conf_uid: ConfUid, uid: HistoryUid) -> None:
    """See `History.delete`. Runs inside a transaction."""
    deleted = database.execute(
        "DELETE FROM conversation WHERE uid = ? AND conf_uid = ?", (well_formed(uid), well_formed(conf_uid))
    )
    if not deleted.rowcount:
        raise _no_such_history()


def _find_or_begin(database: sqlite3.Connection, conf_uid: str, uid: str) -> int:
    row = database.execute("SELECT id, conf_uid FROM conversation WHERE uid = ?", (uid,)).fetchone()
    if row is None:
        begun = database.execute("INSERT INTO conversation (conf_uid, uid) VALUES (?, ?)", (conf_uid, uid))
        assert begun.lastrowid is not None
        return begun.lastrowid
    conversation, owner = row
    if owner != conf_uid:
        raise _no_such_history()
    return int(conversation)


def _no_such_history() -> NoSuchHistory:
    return NoSuchHistory("this character has no conversation of that name")
