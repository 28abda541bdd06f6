"""The tables of the history file, version by version: what each version adds to the one before."""

from __future__ import annotations

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

# The list used to be sorted by the clock, and so read and sorted all conversations for each look at it.
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

# What was said before anybody had a name is nobody's in particular: `user.NOBODY`.
_VERSION_3 = (
    "ALTER TABLE conversation ADD COLUMN user_id TEXT NOT NULL DEFAULT ''",
    "DROP INDEX conversation_of",
    "CREATE INDEX conversation_of ON conversation (conf_uid, user_id, place)",
)

# Released versions stay as they are; a change of the tables is one more entry.
LAYOUTS: tuple[tuple[str, ...], ...] = (_VERSION_1, _VERSION_2, _VERSION_3)
