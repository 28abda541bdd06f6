"""`Backlog`: stores messages in order, and tries again what the store cannot take now."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

import attrs
import trio
from loguru import logger

from ..boundary import UNCOUNTED, Boundary
from ..errors import HistoryError, NoSuchHistory, NotStoredYet
from .store import (
    LISTED,
    READ,
    READ_BYTES,
    History,
    HistoryUid,
    Owner,
    StoredConversation,
    StoredMessage,
    size_of,
)

# Seconds that a store may take to answer before its callers are told that it cannot store now. One that works
# answers in milliseconds.
STORE_TIMEOUT = 2.0
# Between two tries: the first pause, and the longest; seconds.
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 10.0
# How long the end of the server waits for the store, and how often it then tries; seconds.
LAST_TRIES, LAST_PAUSE = 3.0, 0.25

# How many bytes of texts may wait in all if nobody says otherwise; see `SystemConfig`.
MOST_WAITING = 16 * 1024 * 1024


@attrs.define(eq=False)
class Entry:
    """Messages that were handed over together."""

    messages: Sequence[StoredMessage]
    continues: bool
    size: int
    settled: trio.Event = attrs.field(factory=trio.Event, init=False)
    """Set when the caller need not wait any more: it is stored, or `error` says why not."""
    error: HistoryError | NoSuchHistory | None = attrs.field(default=None, init=False)

    def settle(self, error: HistoryError | NoSuchHistory | None = None) -> None:
        self.error = error
        self.settled.set()


@attrs.define(eq=False)
class _Lane:
    """The messages of one conversation that wait to be stored, oldest first. One task stores them."""

    owner: Owner
    uid: HistoryUid
    scope: trio.CancelScope
    waiting: deque[Entry] = attrs.field(factory=deque, init=False)
    storing: Entry | None = attrs.field(default=None, init=False)
    """The entry that the store was given and has not answered yet."""
    failure: HistoryError | None = attrs.field(default=None, init=False)
    """Why it cannot be stored now."""

    def hold_up(self, error: HistoryError) -> None:
        """Tell all callers that wait that their messages are stored later."""
        self.failure = error
        for entry in self.waiting:
            entry.settle(
                NotStoredYet(f"{error}. What is said is kept, and stored as soon as that is possible")
            )


@attrs.define(eq=False)
class Backlog:
    """A `History` in front of ``_store``, whose callers do not wait while that cannot store.

    The messages of a conversation are stored in order, even if the tasks that handed them over are cancelled.
    While another program holds the file, or the disk is full, texts of up to ``most`` bytes wait and are
    tried again, until the block that opened it is left.
    """

    _store: History
    _nursery: trio.Nursery
    _most: int
    _boundary: Boundary
    _lanes: dict[HistoryUid, _Lane] = attrs.field(factory=dict, init=False)
    _size: int = attrs.field(default=0, init=False)
    _closing: trio.Event = attrs.field(factory=trio.Event, init=False)

    async def keep(
        self, owner: Owner, uid: HistoryUid, *messages: StoredMessage, continues: bool = False
    ) -> None:
        """Hand ``messages`` over; when this returns they are on disk. See `History.append`.

        Without messages it waits for those that were handed over before, by somebody who was cancelled.
        A cancel takes nothing back: what was handed over is stored, behind what was handed over before.
        Raises `NotStoredYet`, soon, if it will be stored later; another `HistoryError` if it will not,
        because too much is waiting already; `NoSuchHistory` if the conversation was deleted.
        """
        if uid not in self._lanes:
            if not messages:
                await trio.lowlevel.checkpoint()
                return
            if self._closing.is_set():
                await self._store_at_once(owner, uid, messages, continues)
                return
        if messages:
            entry = self.take(owner, uid, *messages, continues=continues)
        else:
            # A lane that exists has entries: it ends with the last one.
            entry = self._lanes[uid].waiting[-1]
        await self.confirm(uid, entry)

    async def confirm(self, uid: HistoryUid, entry: Entry) -> None:
        """Wait until ``entry``, which `take` gave, is on disk. Raises as `keep` does."""
        # In two halves: after a pause of the whole process (a closed laptop) the first is over at once, and
        # the store still has the second to answer.
        for _ in range(2):
            with trio.move_on_after(STORE_TIMEOUT / 2):
                await entry.settled.wait()
                break
        lane = self._lanes.get(uid)
        if not entry.settled.is_set() and lane is not None:
            lane.hold_up(HistoryError(f"the store has not answered for {STORE_TIMEOUT:.0f} s"))
        if entry.error is not None:
            raise entry.error

    def take(self, owner: Owner, uid: HistoryUid, *messages: StoredMessage, continues: bool = False) -> Entry:
        """As `keep`, without waiting, for at least one message; see `confirm`.

        Raises `HistoryError` where too much is waiting already, and `NoSuchHistory` where another owner's is.
        """
        lane, size = self._lane_of(owner, uid), sum(size_of(message.content) for message in messages)
        if self._size + size > self._most:
            why = lane.failure if lane is not None and lane.failure else "the store is too slow"
            logger.warning("conversation {}: {} messages are lost: too much waits", uid, len(messages))
            raise HistoryError(
                f"{why}. Too much is waiting to be stored: this part of the conversation is lost"
            )
        if lane is None:
            # Shielded: a cancel of the caller must not stop the storing. Leaving the block sets the deadline.
            lane = self._lanes[uid] = _Lane(owner, uid, trio.CancelScope(shield=True))
            self._nursery.start_soon(self._keep_lane, lane, name=f"history/conversation {uid}")
        self._size += size
        entry = Entry(messages, continues, size)
        lane.waiting.append(entry)
        if lane.failure is not None:
            lane.hold_up(lane.failure)
        return entry

    def _lane_of(self, owner: Owner, uid: HistoryUid) -> _Lane | None:
        lane = self._lanes.get(uid)
        if lane is not None and lane.owner != owner:
            raise NoSuchHistory("this character has no conversation of that name")
        return lane

    async def _store_at_once(
        self, owner: Owner, uid: HistoryUid, messages: Sequence[StoredMessage], continues: bool
    ) -> None:
        """Store what a session says after the block was left; a cancel does not stop it, the timeout does."""
        with trio.move_on_after(STORE_TIMEOUT, shield=True):
            await self._store.append(owner, uid, *messages, continues=continues)
            return
        logger.error("conversation {}: {} messages are lost: the store does not answer", uid, len(messages))
        raise HistoryError("the store does not answer: this part of the conversation is lost")

    async def conversations(
        self, owner: Owner, *, limit: int = LISTED, before: HistoryUid | None = None
    ) -> Sequence[StoredConversation]:
        """See `History.conversations`."""
        return await self._store.conversations(owner, limit=limit, before=before)

    async def messages(
        self, owner: Owner, uid: HistoryUid, *, limit: int = READ, size: int = READ_BYTES
    ) -> Sequence[StoredMessage]:
        """See `History.messages`: what is on disk."""
        return await self._store.messages(owner, uid, limit=limit, size=size)

    async def rename(self, owner: Owner, uid: HistoryUid, title: str) -> str:
        """See `History.rename`: of what is on disk."""
        return await self._store.rename(owner, uid, title)

    async def delete(self, owner: Owner, uid: HistoryUid) -> None:
        """See `History.delete`. What waits to be stored there is deleted too."""
        dropped = await self._drop(owner, uid)
        try:
            await self._store.delete(owner, uid)
        except NoSuchHistory:
            if not dropped:
                raise

    async def _drop(self, owner: Owner, uid: HistoryUid) -> int:
        """Forget what waits in a conversation of ``owner``; how much that was."""
        lane = self._lanes.get(uid)
        if lane is None or lane.owner != owner:
            return 0
        dropped = [entry for entry in lane.waiting if entry is not lane.storing]
        for entry in dropped:
            lane.waiting.remove(entry)
            self._size -= entry.size
            entry.settle(NoSuchHistory("this conversation was deleted"))
        if lane.storing is not None:
            with trio.move_on_after(STORE_TIMEOUT):
                await lane.storing.settled.wait()
        return len(dropped)

    async def _keep_lane(self, lane: _Lane) -> None:
        """Store what waits in ``lane``, and tell those who wait for what is lost."""
        await self._boundary.run("history", partial(self._store_all, lane))
        if lane.waiting:
            lost = sum(len(entry.messages) for entry in lane.waiting)
            why = lane.failure or HistoryError("the store has failed")
            logger.error("conversation {}: {} messages are lost: {}", lane.uid, lost, why)
            for entry in lane.waiting:
                self._size -= entry.size
                entry.settle(HistoryError(f"{why}: this part of the conversation is lost"))
        # Nothing is awaited between the last look at what waits and this.
        del self._lanes[lane.uid]

    async def _store_all(self, lane: _Lane) -> None:
        """Store what waits in ``lane``, in order, until nothing does."""
        pause = FIRST_PAUSE
        with lane.scope:
            while lane.waiting:
                lane.storing = entry = lane.waiting[0]
                try:
                    await self._append(lane, entry)
                except HistoryError as error:
                    if lane.failure is None:
                        logger.warning("conversation {}: cannot be stored now: {}", lane.uid, error)
                    lane.storing = None
                    lane.hold_up(error)
                    await self._pause(pause)
                    pause = min(2 * pause, LONGEST_PAUSE)
                    continue
                lane.storing = None
                lane.waiting.popleft()
                self._size -= entry.size
                pause = FIRST_PAUSE
                if lane.failure is not None and not lane.waiting:
                    lane.failure = None
                    logger.info("conversation {}: what waited is stored", lane.uid)

    async def _append(self, lane: _Lane, entry: Entry) -> None:
        try:
            await self._store.append(lane.owner, lane.uid, *entry.messages, continues=entry.continues)
        except NoSuchHistory as error:
            entry.settle(error)
        else:
            entry.settle()

    async def _pause(self, seconds: float) -> None:
        if self._closing.is_set():
            await trio.sleep(LAST_PAUSE)
        else:
            with trio.move_on_after(seconds):
                await self._closing.wait()

    def _close(self) -> None:
        """Try what waits a few times more."""
        self._closing.set()
        for lane in self._lanes.values():
            lane.scope.deadline = trio.current_time() + LAST_TRIES


@asynccontextmanager
async def open_backlog(
    store: History, most: int = MOST_WAITING, boundary: Boundary = UNCOUNTED
) -> AsyncIterator[Backlog]:
    """A backlog in front of ``store``; at most ``most`` bytes of texts wait in it.

    A bug in the store stays in ``boundary``, and loses the waiting messages of the conversation that met it.
    Leaving the block, a cancel included, gives the store `LAST_TRIES` seconds for what waits. What is lost
    then is logged, with the names of its conversations.
    """
    async with trio.open_nursery() as nursery:
        backlog = Backlog(store, nursery, most, boundary)
        try:
            yield backlog
        finally:
            backlog._close()
