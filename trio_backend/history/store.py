"""What a store of conversations promises; `memory` and `sqlite` keep the promise."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Literal, NewType, Protocol

import attrs
import msgspec

from ..user import NOBODY, UserId

HistoryUid = NewType("HistoryUid", str)

# What is read at once if nobody says otherwise: the defaults of the bounds in `SystemConfig`.
LISTED = 200  # conversations
READ = 1_000  # messages
READ_BYTES = 1024 * 1024  # of their texts, in UTF-8

# Characters of a message that the list shows: a line of it is displayed. The file keeps those of the latest
# beside each conversation (layouts.py), so a longer one needs a new version of its layout.
PREVIEW = 200

_MILLENNIA = 10**15  # milliseconds; later than any year that a timestamp can name


def place_in_the_past(timestamp: str) -> int:
    """Where a conversation that was imported stands in the list: by its time, below all that was said here.

    What was said here has places from 1 on, which only grow.
    """
    return int(datetime.fromisoformat(timestamp).timestamp() * 1000) - _MILLENNIA


def size_of(text: str) -> int:
    """Bytes of ``text`` in UTF-8."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "replace"))


def newest_that_fit(messages: Iterable[StoredMessage], size: int) -> list[StoredMessage]:
    """Those of ``messages``, newest first, whose texts fit into ``size`` bytes of UTF-8; oldest first.

    There is always one; if it alone is too long, it is cut.
    """
    found: list[StoredMessage] = []
    left = size
    for message in messages:
        length = size_of(message.content)
        if length > left:
            if not found:
                cut = message.content.encode()[:size].decode("utf-8", "ignore")
                found.append(attrs.evolve(message, content=cut))
            break
        left -= length
        found.append(message)
    return found[::-1]


def utc_timestamp(moment: datetime) -> str:
    """ISO 8601 in UTC, to the microsecond: ``2026-01-31T12:34:56.000000+00:00``.

    A moment without a zone is taken as local time.
    """
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def well_formed(text: str) -> str:
    """``text`` with U+FFFD for each half of a surrogate pair, which neither a file nor the wire can carry."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


@attrs.frozen
class Owner:
    """The owner of a conversation: one user, with one character."""

    conf_uid: str
    user: UserId = NOBODY.id

    def well_formed(self) -> Owner:
        """The same with `well_formed` texts."""
        return Owner(well_formed(self.conf_uid), UserId(well_formed(self.user)))


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


# Two hundred for each page that opens: 0.03 ms to read them from JSON without the names of the fields and
# without a message in each, 0.08 with both.
class StoredConversation(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A conversation with at least one message: its title, and its latest message, both cut to `PREVIEW`.

    ``title`` is what the user called it, or else the first thing that they wrote or said, if that is stored.
    """

    uid: HistoryUid
    title: str
    role: Literal["human", "ai"]
    timestamp: str
    content: str
    name: str | None = None
    avatar: str | None = None

    @classmethod
    def of(cls, uid: HistoryUid, latest: StoredMessage, title: str = "") -> StoredConversation:
        """The conversation ``uid`` with this latest message."""
        content = latest.content[:PREVIEW]
        return cls(uid, title[:PREVIEW], latest.role, latest.timestamp, content, latest.name, latest.avatar)

    @property
    def latest(self) -> StoredMessage:
        """The latest message."""
        return StoredMessage(self.role, self.timestamp, self.content, self.name, self.avatar)


class History(Protocol):
    """Conversations by owner. For everybody but its owner a conversation is not there.

    A ``uid`` names one conversation, whosever it is, until that is deleted. Texts and names are kept
    `well_formed`. Everything here raises `HistoryError` if the store itself fails.
    """

    async def append(
        self, owner: Owner, uid: HistoryUid, *messages: StoredMessage, continues: bool = False
    ) -> None:
        """Add messages, in order, all or none; a conversation begins with its first one.

        With ``continues`` it must have begun: what was deleted does not come back. A timestamp that is
        earlier than that of the message before it, as after a clock was set back, becomes the same.

        When this returns they are on disk. If it is cancelled they may or may not be stored; one message
        of a call is never stored without the others. Raises `NoSuchHistory` if ``uid`` belongs to another
        owner, or is not there to be continued. Without messages it does nothing.
        """
        ...

    async def adopt(self, owner: Owner, uid: HistoryUid, *messages: StoredMessage) -> None:
        """Add a conversation of the past as it is, all or nothing; see `append`.

        In the list it stands where its time puts it, below all that `append` has stored.
        """
        ...

    async def conversations(
        self, owner: Owner, *, limit: int = LISTED, before: HistoryUid | None = None
    ) -> Sequence[StoredConversation]:
        """This owner's newest ``limit``, or those that follow ``before``: the last stored to is first.

        Their order is that of storing, whatever the clock said. Raises `NoSuchHistory` if there is no
        ``before``.
        """
        ...

    async def messages(
        self, owner: Owner, uid: HistoryUid, *, limit: int = READ, size: int = READ_BYTES
    ) -> Sequence[StoredMessage]:
        """A conversation's newest messages, oldest first: ``limit``, as far as they fit into ``size`` bytes.

        One that alone does not fit is cut. Raises `NoSuchHistory`.
        """
        ...

    async def rename(self, owner: Owner, uid: HistoryUid, title: str) -> str:
        """Call a conversation ``title``, or by what the user said first if that is empty; its title now.

        It stays where it is in the list. Raises `NoSuchHistory`.
        """
        ...

    async def delete(self, owner: Owner, uid: HistoryUid) -> None:
        """Remove a conversation for good. Raises `NoSuchHistory`.

        Where a disk is full, a file may spend a reserve on this.
        """
        ...
