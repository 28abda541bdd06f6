"""A session's view of history: the conversation that it is in, and the character's others."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from typing import Literal

import attrs

from ..errors import HistoryError, NoSuchHistory, NotStoredYet
from ..history.backlog import Backlog, Entry
from ..history.store import LISTED, READ, READ_BYTES, HistoryUid, Owner, StoredConversation, StoredMessage
from ..identity import new_id, now

_DELETED = "this conversation was deleted elsewhere: a new one has begun"


def new_history_uid() -> HistoryUid:
    """A name that sorts by time, as the old backend's files have it: ``2026-01-31_12-34-56_…``."""
    return HistoryUid(f"{now():%Y-%m-%d_%H-%M-%S}_{new_id().hex}")


@attrs.frozen
class Pages:
    """How much is read at once: ``listed`` conversations; ``read`` messages of ``read_bytes`` in all."""

    listed: int = LISTED
    read: int = READ
    read_bytes: int = READ_BYTES


@attrs.frozen
class ConversationPage:
    """Some conversations with a character, newest first, and whether there are ``more``, older ones."""

    conversations: Sequence[StoredConversation]
    more: bool


@attrs.frozen
class Given:
    """What was handed over of conversation ``uid``, and may not be on disk yet."""

    uid: HistoryUid
    entry: Entry


@attrs.define(eq=False)
class Record:
    """The conversation with one character that is being written; its first message begins it on disk."""

    _history: Backlog
    owner: Owner
    _pages: Pages = attrs.field(factory=Pages)
    uid: HistoryUid = attrs.field(factory=new_history_uid, init=False)
    _begun: bool = attrs.field(default=False, init=False)
    """Whether anything of it was handed to the store: then it must be there, or somebody deleted it."""
    _delayed: bool = attrs.field(default=False, init=False)
    """Whether it was said that the store cannot take it now."""

    def of(self, conf_uid: str) -> Record:
        """A new conversation of the same user with another character."""
        return Record(self._history, attrs.evolve(self.owner, conf_uid=conf_uid), self._pages)

    def begin_new(self) -> HistoryUid:
        """Leave this conversation for a new one."""
        self.uid, self._begun = new_history_uid(), False
        return self.uid

    def go_on(self, uid: HistoryUid) -> None:
        """Leave this conversation for ``uid``, which is on disk."""
        self.uid, self._begun = uid, True

    async def add(self, *messages: StoredMessage) -> None:
        """Store messages in the order given; when this returns they are on disk.

        They are this object's as soon as it is called: a cancel takes nothing back, and nobody need give
        them again. Without messages it waits for those given before. Raises `NotStoredYet` if they are
        stored later, once until that is over; another `HistoryError` if they are lost; `NoSuchHistory` if
        somebody has deleted the conversation. Then a new one has begun, with what the user says here; a
        reply to what was deleted is gone with it.
        """
        try:
            await self._store(messages)
        except NoSuchHistory:
            self.begin_new()
            if messages and messages[0].role == "human":
                await self._store(messages)
            raise NoSuchHistory(_DELETED) from None

    def give(self, *messages: StoredMessage) -> Given:
        """Hand messages over to be stored in the order given; to be confirmed by `confirm`.

        Raises `HistoryError` if too much is waiting already: then they are lost.
        """
        continues, self._begun = self._begun, True
        try:
            return Given(self.uid, self._history.take(self.owner, self.uid, *messages, continues=continues))
        except HistoryError:
            self._begun = continues
            raise

    async def confirm(self, given: Given) -> None:
        """Wait until what was given is on disk. Raises as `add` does."""
        try:
            await self._tell_once(self._history.confirm(given.uid, given.entry))
        except NoSuchHistory:
            if self.uid == given.uid:
                self.begin_new()
            raise NoSuchHistory(_DELETED) from None

    async def _store(self, messages: Sequence[StoredMessage]) -> None:
        continues, self._begun = self._begun, self._begun or bool(messages)
        try:
            await self._tell_once(self._history.keep(self.owner, self.uid, *messages, continues=continues))
        except NotStoredYet:
            raise
        except HistoryError:
            self._begun = continues
            raise

    async def _tell_once(self, storing: Awaitable[None]) -> None:
        """Of a store that takes nothing only the first error is raised, until it has taken something."""
        try:
            await storing
        except NotStoredYet:
            delayed, self._delayed = self._delayed, True
            if not delayed:
                raise
        else:
            self._delayed = False

    async def messages(self, uid: HistoryUid) -> Sequence[StoredMessage]:
        """The newest messages of conversation ``uid``, oldest first. Raises `NoSuchHistory`."""
        pages = self._pages
        return await self._history.messages(self.owner, uid, limit=pages.read, size=pages.read_bytes)

    async def conversations(
        self, *, before: HistoryUid | None = None, limit: int | None = None
    ) -> ConversationPage:
        """The newest conversations with this character, or those that follow ``before``.

        They are ``limit``, if there are as many, and never more than `Pages.listed`. Raises `NoSuchHistory`
        if there is no ``before``.
        """
        most = self._pages.listed if limit is None else min(limit, self._pages.listed)
        # One more than is shown tells whether there are more, for the price of a row.
        found = await self._history.conversations(self.owner, limit=most + 1, before=before)
        return ConversationPage(found[:most], len(found) > most)

    async def rename(self, uid: HistoryUid, title: str) -> str:
        """Give a conversation a title, or take it away; its title now. Raises `NoSuchHistory`."""
        return await self._history.rename(self.owner, uid, title)

    async def delete(self, uid: HistoryUid) -> None:
        """Delete a conversation for good. Raises `NoSuchHistory`."""
        await self._history.delete(self.owner, uid)


def stored(role: Literal["human", "ai"], content: str, *, name: str, avatar: str = "") -> StoredMessage:
    """A message of this moment."""
    timestamp = now().isoformat(timespec="microseconds")
    return StoredMessage(role, timestamp, content, name or None, avatar or None)
