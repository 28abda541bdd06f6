"""What a store of conversations promises; `memory` and `sqlite` keep the promise."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal, NewType, Protocol

import attrs

ConfUid = NewType("ConfUid", str)
HistoryUid = NewType("HistoryUid", str)


def utc_timestamp(moment: datetime) -> str:
    """ISO 8601 in UTC, to the microsecond: ``2026-01-31T12:34:56.000000+00:00``.

    A moment without a zone is taken as local time.
    """
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def well_formed(text: str) -> str:
    """``text`` with U+FFFD for each half of a surrogate pair, which neither a file nor the wire can carry."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


@attrs.frozen
class StoredMessage:
    """One message of a conversation. ``timestamp`` has `utc_timestamp`'s form: as text it sorts by time."""

    role: Literal["human", "ai"]
    timestamp: str
    content: str
    name: str | None = None
    avatar: str | None = None

    def well_formed(self) -> StoredMessage:
        """The same with `well_formed` texts."""
        return attrs.evolve(
            self,
            content=well_formed(self.content),
            name=None if self.name is None else well_formed(self.name),
            avatar=None if self.avatar is None else well_formed(self.avatar),
        )


@attrs.frozen
class Conversation:
    """A conversation with at least one message, and its latest one."""

    uid: HistoryUid
    latest: StoredMessage


class History(Protocol):
    """Conversations by character. Each belongs to one ``conf_uid``, and no other can see it.

    A ``uid`` names one conversation, whosever it is, until that is deleted. Texts and names are kept
    `well_formed`. Everything here raises `HistoryError` if the store itself fails.
    """

    async def append(self, conf_uid: ConfUid, uid: HistoryUid, *messages: StoredMessage) -> None:
        """Add messages, in order, all or none; a conversation begins with its first one.

        When this returns they are on disk. If it is cancelled they may or may not be stored; one message
        of a call is never stored without the others. Raises `NoSuchHistory` if ``uid`` belongs to another
        character. Without messages it does nothing.
        """
        ...

    async def conversations(self, conf_uid: ConfUid) -> Sequence[Conversation]:
        """All of this character's, the one whose latest message is newest first."""
        ...

    async def messages(self, conf_uid: ConfUid, uid: HistoryUid) -> Sequence[StoredMessage]:
        """A conversation's messages, oldest first. Raises `NoSuchHistory`."""
        ...

    async def delete(self, conf_uid: ConfUid, uid: HistoryUid) -> None:
        """Remove a conversation for good. Raises `NoSuchHistory`."""
        ...
