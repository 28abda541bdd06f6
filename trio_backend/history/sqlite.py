"""Conversations in one SQLite file: all writes that wait share a commit, and readers do not wait for it."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, suppress
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TypeVar

import attrs
import trio
from loguru import logger

from ..boundary import UNCOUNTED, Boundary
from ..errors import HistoryError
from . import queries
from .commit import Request, run_group
from .database import FAILURES, history_error, is_full, open_database, open_reader, set_busy_timeout
from .reserve import Reserve
from .store import LISTED, READ, READ_BYTES, HistoryUid, Owner, StoredConversation, StoredMessage

T = TypeVar("T")

_SILENT = "the disk does not answer"

# How many requests may wait before callers do, and so how many go into one commit: enough for every
# client of a busy server at once. It bounds how long a group keeps the next one waiting (a few ms).
CAPACITY = 256

# How long another program may hold the file before those who store are told; seconds. They try again.
BUSY_TIMEOUT = 0.25
# The same when the file is opened, where nobody would try again.
OPEN_TIMEOUT = 2.0

# How long the end of the server waits for a disk that does not answer: until what was accepted is done, and
# then until the file is closed; seconds. A disk that works takes milliseconds.
FINISH_TIME, CLOSE_TIME = 5.0, 5.0


@attrs.frozen
class HistoryStatistics:
    """``requests`` and ``commits`` so far, the ``largest_group``, and how many requests are ``waiting``."""

    requests: int
    commits: int
    largest_group: int
    waiting: int


@attrs.define(eq=False)
class SqliteHistory:
    """A `History` in a file. One thread at a time writes, and another one reads beside it.

    A caller that is cancelled leaves at once; what it asked for is withdrawn if it has not begun.
    Raises `trio.ClosedResourceError` once the block that opened it was left.
    """

    _path: Path
    _writes: trio.MemorySendChannel[Request[object]]
    _reads: trio.MemorySendChannel[Request[object]]
    _reserve: Reserve
    _boundary: Boundary
    _finishing: list[trio.CancelScope] = attrs.field(factory=list, init=False)
    _requests: int = attrs.field(default=0, init=False)
    _commits: int = attrs.field(default=0, init=False)
    _largest_group: int = attrs.field(default=0, init=False)

    async def append(
        self, owner: Owner, uid: HistoryUid, *messages: StoredMessage, continues: bool = False
    ) -> None:
        """See `History.append`."""
        if not messages:
            await trio.lowlevel.checkpoint()
            return
        work = partial(queries.append, owner=owner, uid=uid, messages=messages, continues=continues)
        await self._ask(Request(work, "write"))

    async def adopt(self, owner: Owner, uid: HistoryUid, *messages: StoredMessage) -> None:
        """See `History.adopt`."""
        if not messages:
            await trio.lowlevel.checkpoint()
            return
        work = partial(queries.adopt, owner=owner, uid=uid, messages=messages)
        await self._ask(Request(work, "write"))

    async def conversations(
        self, owner: Owner, *, limit: int = LISTED, before: HistoryUid | None = None
    ) -> Sequence[StoredConversation]:
        """See `History.conversations`."""
        work = partial(queries.conversations, owner=owner, limit=limit, before=before)
        return await self._ask(Request(work, "read"))

    async def messages(
        self, owner: Owner, uid: HistoryUid, *, limit: int = READ, size: int = READ_BYTES
    ) -> Sequence[StoredMessage]:
        """See `History.messages`."""
        work = partial(queries.messages, owner=owner, uid=uid, limit=limit, size=size)
        return await self._ask(Request(work, "read"))

    async def rename(self, owner: Owner, uid: HistoryUid, title: str) -> str:
        """See `History.rename`."""
        work = partial(queries.rename, owner=owner, uid=uid, title=title)
        return await self._ask(Request(work, "write"))

    async def delete(self, owner: Owner, uid: HistoryUid) -> None:
        """See `History.delete`."""
        try:
            await self._ask(Request(partial(queries.delete, owner=owner, uid=uid), "write"))
        except HistoryError as error:
            if not is_full(error.__cause__):
                raise
            await self._ask(Request(partial(self._reserve.delete, owner=owner, uid=uid), "alone"))
        else:
            await self._ask(Request(self._reserve.make_room, "alone"))

    def statistics(self) -> HistoryStatistics:
        """What it has done, and what it still has to do."""
        waiting = 0
        for queue in (self._writes.statistics(), self._reads.statistics()):
            waiting += queue.current_buffer_used + queue.tasks_waiting_send
        return HistoryStatistics(self._requests, self._commits, self._largest_group, waiting)

    async def _ask(self, request: Request[T]) -> T:
        await (self._reads if request.kind == "read" else self._writes).send(request)
        result = await request.wait()
        if request.given_up:
            raise HistoryError(f"{self._path}: {request.given_up}")
        if isinstance(request.error, FAILURES):
            raise history_error(request.error, self._path) from request.error
        if request.error is not None:
            raise request.error
        return result

    async def _serve(
        self,
        database: sqlite3.Connection,
        queue: trio.MemoryReceiveChannel[Request[object]],
        *,
        most: int,
    ) -> None:
        """Carry requests to a thread, at most ``most`` together, until the queue is closed and empty."""
        # A limiter of its own: messages are stored even while all of Trio's threads are busy.
        thread = trio.CapacityLimiter(1)
        # Leaving the block closes the queue, on a cancel too; what was accepted until then is still done, if
        # that is possible: `_finish` sets the deadline.
        finishing = trio.CancelScope(shield=True)
        self._finishing.append(finishing)
        with queue:
            with finishing:
                async for first in queue:
                    await self._run(database, _take(first, queue, most), thread)
                    # Or the last answer, perhaps a long list, would stay in memory until the next request.
                    del first
            for request in _waiting(queue):
                request.give_up(_SILENT)

    async def _run(
        self, database: sqlite3.Connection, group: Sequence[Request[object]], thread: trio.CapacityLimiter
    ) -> None:
        async def run() -> None:
            # Given up at the end only, where nothing else is done with the connection any more.
            self._commits += await trio.to_thread.run_sync(
                run_group, database, group, limiter=thread, abandon_on_cancel=True
            )

        if not group:
            return
        try:
            if await self._boundary.run("history", run):
                self._requests += len(group)
                self._largest_group = max(self._largest_group, len(group))
            else:
                await self._run_rest(database, group, thread)
        finally:
            for request in group:
                if request.finished:
                    request.answered.set()
                else:
                    request.give_up(_SILENT)

    async def _run_rest(
        self, database: sqlite3.Connection, group: Sequence[Request[object]], thread: trio.CapacityLimiter
    ) -> None:
        """One of ``group`` met a bug. Each is done again by itself, so that only that one fails."""
        rest = [request for request in group if not request.finished]
        if len(group) == 1:
            rest[0].give_up("a bug in the store; the log says where")
        else:
            for request in rest:
                await self._run(database, [request], thread)

    def _finish(self) -> None:
        """Give the disk `FINISH_TIME` seconds from now to do what was accepted."""
        for scope in self._finishing:
            scope.deadline = trio.current_time() + FINISH_TIME

    @property
    def _stuck(self) -> bool:
        """Whether a thread was given up, which may still use its connection."""
        return any(scope.cancelled_caught for scope in self._finishing)


@asynccontextmanager
async def open_sqlite_history(
    path: Path,
    *,
    busy_timeout: float = BUSY_TIMEOUT,
    open_timeout: float = OPEN_TIMEOUT,
    boundary: Boundary = UNCOUNTED,
) -> AsyncIterator[SqliteHistory]:
    """The history in the file ``path``, made with its directory if it is missing.

    ``busy_timeout`` is how many seconds another program may hold the file locked before callers get a
    `HistoryError`, and ``open_timeout`` how many before the file counts as unusable; when `CAPACITY` requests
    wait, callers wait too. A bug stays in ``boundary``, and is a `HistoryError` for the call that met it.
    Leaving the block finishes what was accepted, a cancel included, and folds the write-ahead log into the
    file, within `FINISH_TIME` and `CLOSE_TIME`. Raises `HistoryError` if the file cannot be used.
    """
    reserve = Reserve(path)
    # One at a time, as they are used: opening and closing are for the whole file.
    thread = trio.CapacityLimiter(1)
    open_both = partial(_open, path, busy_timeout, open_timeout, reserve)
    writer, reader = await trio.to_thread.run_sync(open_both, limiter=thread)
    to_writer, writes = trio.open_memory_channel[Request[object]](CAPACITY)
    to_reader, reads = trio.open_memory_channel[Request[object]](CAPACITY)
    history = SqliteHistory(path, to_writer, to_reader, reserve, boundary)
    try:
        async with trio.open_nursery() as nursery, to_writer, to_reader:
            nursery.start_soon(partial(history._serve, writer, writes, most=CAPACITY), name="history/writes")
            # One by one: each reader has the answer as soon as it is there.
            nursery.start_soon(partial(history._serve, reader, reads, most=1), name="history/reads")
            try:
                yield history
            finally:
                history._finish()
    finally:
        with trio.move_on_after(0 if history._stuck else CLOSE_TIME, shield=True) as closing:
            await trio.to_thread.run_sync(
                _close, writer, reader, reserve, limiter=thread, abandon_on_cancel=True
            )
        if closing.cancelled_caught:
            # What was committed is in the log beside the file, for the next who opens it.
            logger.error("{}: {}; the file is left open", path, _SILENT)


def _open(
    path: Path, busy_timeout: float, open_timeout: float, reserve: Reserve
) -> tuple[sqlite3.Connection, sqlite3.Connection]:
    """The connection that writes and the one that reads."""
    with ExitStack() as on_error:
        writer = open_database(path, open_timeout)
        on_error.callback(writer.close)
        reader = open_reader(path, busy_timeout)
        on_error.callback(reader.close)
        set_busy_timeout(writer, busy_timeout)
        reserve.make()
        on_error.pop_all()
    return writer, reader


def _close(writer: sqlite3.Connection, reader: sqlite3.Connection, reserve: Reserve) -> None:
    # Its space may be what the last checkpoint needs.
    reserve.give_back()
    reader.close()
    # The last one to close checkpoints; what cannot be written back stays in the log, for the next.
    writer.close()


def _waiting(queue: trio.MemoryReceiveChannel[Request[object]]) -> Iterator[Request[object]]:
    """What waits in ``queue``, which is taken out one by one."""
    with suppress(trio.WouldBlock, trio.EndOfChannel):
        while True:
            yield queue.receive_nowait()


def _take(
    first: Request[object], queue: trio.MemoryReceiveChannel[Request[object]], most: int
) -> list[Request[object]]:
    """``first`` and those that wait behind it, ``most`` in all, without those whose callers have left."""
    group = [first, *islice(_waiting(queue), most - 1)]
    return [request for request in group if request.wanted]
