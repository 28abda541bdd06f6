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

# Released versions stay as they are; a change of the tables is one more entry.
LAYOUTS: tuple[tuple[str, ...], ...] = (_VERSION_1,)
