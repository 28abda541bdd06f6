"""Conversations in one SQLite file: all requests that wait are written and synced in one commit."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

import attrs
import trio

from . import queries
from .commit import Request, run_group
from .database import history_error, open_database
from .store import ConfUid, Conversation, HistoryUid, StoredMessage

T = TypeVar("T")

# How many requests may wait before callers do, and so how many go into one commit: enough for every
# client of a busy server at once. It bounds how long a group keeps the next one waiting (a few ms).
CAPACITY = 256

# Seconds; with a full group ahead that waits as long, a caller still gets its answer within 5 s.
BUSY_TIMEOUT = 2.0


@attrs.frozen
class HistoryStatistics:
    """``requests`` and ``commits`` so far, the ``largest_group``, and how many requests are ``waiting``."""

    requests: int
    commits: int
    largest_group: int
    waiting: int


@attrs.define(eq=False)
class SqliteHistory:
    """A `History` in a file. All its SQL runs in one thread at a time.

    A caller that is cancelled leaves at once; what it asked for is withdrawn if it has not begun.
    Raises `trio.ClosedResourceError` once the block that opened it was left.
    """

    _path: Path
    _queue: trio.MemorySendChannel[Request[object]]
    # Of one: no two calls are in SQLite at once.
    _thread: trio.CapacityLimiter
    _requests: int = attrs.field(default=0, init=False)
    _commits: int = attrs.field(default=0, init=False)
    _largest_group: int = attrs.field(default=0, init=False)

    async def append(self, conf_uid: ConfUid, uid: HistoryUid, *messages: StoredMessage) -> None:
        """See `History.append`."""
        if not messages:
            await trio.lowlevel.checkpoint()
            return
        work = partial(queries.append, conf_uid=conf_uid, uid=uid, messages=messages)
        await self._ask(work, writes=True)

    async def conversations(self, conf_uid: ConfUid) -> Sequence[Conversation]:
        """See `History.conversations`."""
        return await self._ask(partial(queries.conversations, conf_uid=conf_uid), writes=False)

    async def messages(self, conf_uid: ConfUid, uid: HistoryUid) -> Sequence[StoredMessage]:
        """See `History.messages`."""
        return await self._ask(partial(queries.messages, conf_uid=conf_uid, uid=uid), writes=False)

    async def delete(self, conf_uid: ConfUid, uid: HistoryUid) -> None:
        """See `History.delete`."""
        await self._ask(partial(queries.delete, conf_uid=conf_uid, uid=uid), writes=True)

    def statistics(self) -> HistoryStatistics:
        """What it has done, and what it still has to do."""
        queue = self._queue.statistics()
        waiting = queue.current_buffer_used + queue.tasks_waiting_send
        return HistoryStatistics(self._requests, self._commits, self._largest_group, waiting)

    async def _ask(self, work: Callable[[sqlite3.Connection], T], *, writes: bool) -> T:
        request = Request(work, writes)
        await self._queue.send(request)
        result = await request.wait()
        if isinstance(request.error, sqlite3.Error):
            raise history_error(request.error, self._path) from request.error
        if request.error is not None:
            raise request.error
        return result

    async def _serve(
        self, database: sqlite3.Connection, queue: trio.MemoryReceiveChannel[Request[object]]
    ) -> None:
        """Carry requests to the thread, group after group, until the queue is closed and empty."""
        # Leaving the block closes the queue, on a cancel too; what was accepted until then is still done.
        with trio.CancelScope(shield=True), queue:
            async for first in queue:
                await self._run(database, _take(first, queue))
                # While nobody asks, the last answer, a long list perhaps, is not kept for nobody.
                del first

    async def _run(self, database: sqlite3.Connection, group: Sequence[Request[object]]) -> None:
        if group:
            self._commits += await trio.to_thread.run_sync(run_group, database, group, limiter=self._thread)
            self._requests += len(group)
            self._largest_group = max(self._largest_group, len(group))
        for request in group:
            request.answered.set()


@asynccontextmanager
async def open_sqlite_history(
    path: Path, *, busy_timeout: float = BUSY_TIMEOUT
) -> AsyncIterator[SqliteHistory]:
    """The history in the file ``path``, made with its directory if it is missing.

    ``busy_timeout`` is how many seconds another program may hold the file locked before callers get a
    `HistoryError`; when `CAPACITY` requests wait, callers wait too. Leaving the block finishes what was
    accepted, a cancel included, and folds the write-ahead log into the file. Raises `HistoryError` if
    the file cannot be used.
    """
    thread = trio.CapacityLimiter(1)
    database = await trio.to_thread.run_sync(open_database, path, busy_timeout, limiter=thread)
    try:
        send, receive = trio.open_memory_channel[Request[object]](CAPACITY)
        history = SqliteHistory(path, send, thread)
        async with trio.open_nursery() as nursery, send:
            nursery.start_soon(history._serve, database, receive, name="history")
            yield history
    finally:
        with trio.CancelScope(shield=True):
            # The last one to close checkpoints; what cannot be written back stays in the log, for the next.
            await trio.to_thread.run_sync(database.close, limiter=thread)


def _take(first: Request[object], queue: trio.MemoryReceiveChannel[Request[object]]) -> list[Request[object]]:
    """``first`` and all that wait behind it, without those whose callers have left."""
    group = [first]
    with suppress(trio.WouldBlock, trio.EndOfChannel):
        while len(group) < CAPACITY:
            group.append(queue.receive_nowait())
    return [request for request in group if request.wanted]
