"""What a store of conversations promises; `memory` and `sqlite` keep the promise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NewType, Protocol

import attrs

ConfUid = NewType("ConfUid", str)
HistoryUid = NewType("HistoryUid", str)


@attrs.frozen
class StoredMessage:
    """One message of a conversation. ``timestamp`` is ISO 8601 in UTC, to the microsecond."""

    role: Literal["human", "ai"]
    timestamp: str
    content: str
    name: str | None = None
    avatar: str | None = None


@attrs.frozen
class Conversation:
    """A conversation with at least one message, and its latest one."""

    uid: HistoryUid
    latest: StoredMessage


class History(Protocol):
    """Conversations by character. Each belongs to one ``conf_uid``, and no other can see it."""

    async def append(self, conf_uid: ConfUid, uid: HistoryUid, *messages: StoredMessage) -> None:
        """Add messages, in order, all or none; a conversation begins with its first one.

        When this returns they are on disk. If it is cancelled they may or may not be stored. Raises
        `NoSuchHistory` if ``uid`` belongs to another character.
        """
        ...

    async def conversations(self, conf_uid: ConfUid) -> Sequence[Conversation]:
        """All of this character's, the one with the newest message first."""
        ...

    async def messages(self, conf_uid: ConfUid, uid: HistoryUid) -> Sequence[StoredMessage]:
        """A conversation's messages, oldest first. Raises `NoSuchHistory`."""
        ...

    async def delete(self, conf_uid: ConfUid, uid: HistoryUid) -> None:
        """Remove a conversation for good. Raises `NoSuchHistory`."""
        ...
