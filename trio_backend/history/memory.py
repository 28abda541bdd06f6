"""Conversations that last as long as the process: the store for tests and for embedding."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import trio

from ..errors import NoSuchHistory
from .store import ConfUid, Conversation, HistoryUid, StoredMessage, well_formed


@attrs.define(eq=False)
class _Kept:
    conf_uid: ConfUid
    messages: list[StoredMessage] = attrs.field(factory=list)


@attrs.define(eq=False)
class MemoryHistory:
    """A `History` without a disk and without a thread: every call is one checkpoint long.

    A cancel leaves everything as it was.
    """

    # The one that was last written to is last.
    _conversations: dict[HistoryUid, _Kept] = attrs.field(factory=dict, init=False)

    async def append(self, conf_uid: ConfUid, uid: HistoryUid, *messages: StoredMessage) -> None:
        """See `History.append`."""
        await trio.lowlevel.checkpoint()
        if not messages:
            return
        conf_uid, uid = ConfUid(well_formed(conf_uid)), HistoryUid(well_formed(uid))
        kept = self._find(conf_uid, uid) if uid in self._conversations else _Kept(conf_uid)
        kept.messages += [message.well_formed() for message in messages]
        self._conversations.pop(uid, None)
        self._conversations[uid] = kept

    async def conversations(self, conf_uid: ConfUid) -> Sequence[Conversation]:
        """See `History.conversations`."""
        await trio.lowlevel.checkpoint()
        found = [
            Conversation(uid, kept.messages[-1])
            for uid, kept in reversed(self._conversations.items())
            if kept.conf_uid == well_formed(conf_uid)
        ]
        return sorted(found, key=lambda conversation: conversation.latest.timestamp, reverse=True)

    async def messages(self, conf_uid: ConfUid, uid: HistoryUid) -> Sequence[StoredMessage]:
        """See `History.messages`."""
        await trio.lowlevel.checkpoint()
        return list(self._find(conf_uid, uid).messages)

    async def delete(self, conf_uid: ConfUid, uid: HistoryUid) -> None:
        """See `History.delete`."""
        await trio.lowlevel.checkpoint()
        self._find(conf_uid, uid)
        del self._conversations[HistoryUid(well_formed(uid))]

    def _find(self, conf_uid: ConfUid, uid: HistoryUid) -> _Kept:
        kept = self._conversations.get(HistoryUid(well_formed(uid)))
        if kept is None or kept.conf_uid != well_formed(conf_uid):
            raise NoSuchHistory("this character has no conversation of that name")
        return kept
