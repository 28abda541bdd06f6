"""A session's view of history: the conversation that it is in, and the character's others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import attrs
import trio

from ..errors import HistoryError
from ..history.store import ConfUid, Conversation, History, HistoryUid, StoredMessage
from ..identity import new_id, now

# Messages that have begun to be stored are stored, even if their turn is cut meanwhile: the store answers
# in milliseconds. This is how long we believe in a disk that does not.
STORE_TIMEOUT = 5.0


def new_history_uid() -> HistoryUid:
    """A name that sorts by time, as the old backend's files have it: ``2026-01-31_12-34-56_…``."""
    return HistoryUid(f"{now():%Y-%m-%d_%H-%M-%S}_{new_id().hex}")


@attrs.define(eq=False)
class Record:
    """The conversation with one character that is being written; its first message begins it on disk."""

    _history: History
    conf_uid: ConfUid
    uid: HistoryUid = attrs.field(factory=new_history_uid)

    def begin_new(self) -> HistoryUid:
        """Leave this conversation for a new one."""
        self.uid = new_history_uid()
        return self.uid

    async def add(self, *messages: StoredMessage) -> None:
        """Store messages in the order given; they are on disk when this returns.

        A cancel does not stop it half way. Raises `HistoryError` if they could not be stored.
        """
        try:
            with trio.fail_after(STORE_TIMEOUT, shield=True):
                await self._history.append(self.conf_uid, self.uid, *messages)
        except trio.TooSlowError as error:
            raise HistoryError(
                f"the disk took nothing for {STORE_TIMEOUT:.0f} s: this part of the conversation may be lost"
            ) from error

    async def messages(self, uid: HistoryUid) -> Sequence[StoredMessage]:
        """The messages of conversation ``uid``, oldest first. Raises `NoSuchHistory`."""
        return await self._history.messages(self.conf_uid, uid)

    async def conversations(self) -> Sequence[Conversation]:
        """All conversations with this character, newest first."""
        return await self._history.conversations(self.conf_uid)

    async def delete(self, uid: HistoryUid) -> None:
        """Delete a conversation for good. Raises `NoSuchHistory`."""
        await self._history.delete(self.conf_uid, uid)


def stored(role: Literal["human", "ai"], content: str, *, name: str, avatar: str = "") -> StoredMessage:
    """A message of this moment."""
    timestamp = now().isoformat(timespec="microseconds")
    return StoredMessage(role, timestamp, content, name or None, avatar or None)
