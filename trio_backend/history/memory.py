"""Conversations that last as long as the process: the store for tests and for embedding."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import trio

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


@attrs.define(eq=False)
class _InMemory:
    owner: Owner
    place: int
    messages: list[StoredMessage] = attrs.field(factory=list)

    renamed: str = ""

    @property
    def title(self) -> str:
        said = (message.content for message in self.messages if message.role == "human" and message.content)
        return self.renamed or next(said, "")[:PREVIEW]


@attrs.define(eq=False)
class MemoryHistory:
    """A `History` without a disk and without a thread: every call is one checkpoint long.

    A cancel leaves everything as it was.
    """

    _conversations: dict[HistoryUid, _InMemory] = attrs.field(factory=dict, init=False)

    async def append(
        self, owner: Owner, uid: HistoryUid, *messages: StoredMessage, continues: bool = False
    ) -> None:
        """See `History.append`."""
        await trio.lowlevel.checkpoint()
        if not messages:
            return
        owner, uid = owner.well_formed(), HistoryUid(well_formed(uid))
        if continues or uid in self._conversations:
            kept = self._find(owner, uid)
        else:
            kept = self._conversations[uid] = _InMemory(owner, 0)
        latest = kept.messages[-1].timestamp if kept.messages else ""
        for message in messages:
            latest = max(latest, message.timestamp)
            kept.messages.append(attrs.evolve(message.well_formed(), timestamp=latest))
        kept.place = 1 + max(0, *(other.place for other in self._conversations.values()))

    async def adopt(self, owner: Owner, uid: HistoryUid, *messages: StoredMessage) -> None:
        """See `History.adopt`."""
        await trio.lowlevel.checkpoint()
        if not messages:
            return
        owner, uid = owner.well_formed(), HistoryUid(well_formed(uid))
        if uid in self._conversations:
            kept = self._find(owner, uid)
        else:
            place = place_in_the_past(messages[-1].timestamp)
            kept = self._conversations[uid] = _InMemory(owner, place)
        kept.messages += [message.well_formed() for message in messages]

    async def conversations(
        self, owner: Owner, *, limit: int = LISTED, before: HistoryUid | None = None
    ) -> Sequence[StoredConversation]:
        """See `History.conversations`."""
        await trio.lowlevel.checkpoint()
        found = sorted(
            (
                ((kept.place, number), StoredConversation.of(uid, kept.messages[-1], kept.title))
                for number, (uid, kept) in enumerate(self._conversations.items())
                if kept.owner == owner.well_formed()
            ),
            key=lambda one: one[0],
            reverse=True,
        )
        if before is not None:
            self._find(owner, before)
            [last] = [place for place, one in found if one.uid == well_formed(before)]
            found = [(place, one) for place, one in found if place < last]
        return [conversation for _, conversation in found[:limit]]

    async def messages(
        self, owner: Owner, uid: HistoryUid, *, limit: int = READ, size: int = READ_BYTES
    ) -> Sequence[StoredMessage]:
        """See `History.messages`."""
        await trio.lowlevel.checkpoint()
        return newest_that_fit(self._find(owner, uid).messages[: -limit - 1 : -1], size)

    async def rename(self, owner: Owner, uid: HistoryUid, title: str) -> str:
        """See `History.rename`."""
        await trio.lowlevel.checkpoint()
        kept = self._find(owner, uid)
        kept.renamed = well_formed(title)[:PREVIEW]
        return kept.title

    async def delete(self, owner: Owner, uid: HistoryUid) -> None:
        """See `History.delete`."""
        await trio.lowlevel.checkpoint()
        self._find(owner, uid)
        del self._conversations[HistoryUid(well_formed(uid))]

    def _find(self, owner: Owner, uid: HistoryUid) -> _InMemory:
        kept = self._conversations.get(HistoryUid(well_formed(uid)))
        if kept is None or kept.owner != owner.well_formed():
            raise NoSuchHistory("this character has no conversation of that name")
        return kept
