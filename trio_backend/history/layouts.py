"""The tables of the history file, version by version: what brings a file from each to the next.

Released versions stay as they are; a change of the tables is one more entry of `LAYOUTS`.
"""

from __future__ import annotations

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

# The list used to look for what the user said first among the messages, two steps down an index for each of
# two hundred conversations: 0.15 of the 0.41 ms that it took. A file of 100 000 conversations with eight
# messages each is brought up to date in 0.4 s.
#
# Two columns: what the user said first is the title again once they take away the one that they gave. Both
# belong to the conversation, and go with its last message.
_VERSION_5 = (
    "ALTER TABLE conversation ADD COLUMN first_said TEXT",
    "ALTER TABLE conversation ADD COLUMN title TEXT",
    f"""
    UPDATE conversation
    SET first_said = (
        SELECT {PREVIEW_OF.format("content")}
        FROM message
        WHERE message.conversation = conversation.id AND role = 'human' AND content != ''
        ORDER BY message.id
        LIMIT 1
    )
    """,
    f"""
    CREATE TRIGGER said_first AFTER INSERT ON message
    WHEN NEW.role = 'human' AND NEW.content != ''
    BEGIN
        UPDATE conversation
        SET first_said = {PREVIEW_OF.format("NEW.content")}
        WHERE id = NEW.conversation AND first_said IS NULL;
    END
    """,
    "DROP TRIGGER last_message_deleted",
    """
    CREATE TRIGGER last_message_deleted AFTER DELETE ON message
    WHEN NOT EXISTS (SELECT 1 FROM message WHERE conversation = OLD.conversation)
    BEGIN
        UPDATE conversation
        SET latest_role = NULL, latest_preview = NULL, first_said = NULL, title = NULL
        WHERE id = OLD.conversation;
    END
    """,
)

LAYOUTS: tuple[tuple[str, ...], ...] = (_VERSION_1, _VERSION_2, _VERSION_3, _VERSION_4, _VERSION_5)
