"""`Worker`: an engine in a child process, for libraries that hold the interpreter or cannot be stopped."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from contextvars import Context, copy_context
from functools import partial
from typing import TypeVar

import attrs
import trio
from loguru import logger

from ..errors import EngineError, NotBegun
from .child_process import AnswerKind
from .worker_process import ProcessAnswer, WorkerProcess
from .worker_process import WorkerJob as WorkerJob  # adapters need both, and nothing else of that module

T = TypeVar("T")

STOPPING = 1.0
"""Seconds that a request has to stop. A language model stops within milliseconds; loading it anew takes up to
minutes, so it is worth a wait that a user hardly notices."""

INTERRUPTION = 0.5
"""Seconds that an interrupted request has to end, of libraries with torch, which take 10 s and more to load.
Their calls into C, amid which they do not stop, take milliseconds each, mostly."""


@attrs.frozen
class Patience:
    """Seconds from the request to the first part of the answer, and from part to part."""

    first: float
    each: float


@asynccontextmanager
async def open_worker(job: WorkerJob) -> AsyncIterator[Worker]:
    """A loaded child process. Raises `EngineError` with the child's own words if it cannot load.

    Leaving the block, or cancelling it at any moment, ends the process.
    """
    first = await WorkerProcess.start(job)
    try:
        # Outside the nursery, whose errors come in groups.
        await first.wait_loaded()
        async with trio.open_nursery() as nursery:
            worker = Worker(job, nursery, first)
            try:
                yield worker
            finally:
                nursery.cancel_scope.cancel("the worker is no longer wanted")
                await worker.close()
    finally:
        await first.end()


@attrs.define(eq=False)
class Worker:
    """One child process that answers one request at a time; the others queue, first come, first served.

    A request that is cancelled or takes too long ends the process, since nothing else stops its
    libraries, unless its job says that they can be interrupted; the next process begins to load at once,
    before anybody asks for it. A process that has
    ended by itself before it began with a request costs that request only the time to load another.
    """

    _job: WorkerJob
    _nursery: trio.Nursery
    _child: WorkerProcess | None
    _turn: trio.Lock = attrs.field(factory=trio.Lock, init=False)
    _closed: bool = attrs.field(default=False, init=False)
    # A replacement belongs to no request: its log lines must not have the id of the last session.
    _context: Context = attrs.field(factory=copy_context, init=False, repr=False)

    async def ask(self, request: bytes) -> str:
        """As `fetch`, of an answer that is a text."""
        return (await self.fetch(request)).decode("utf-8", "replace")

    async def fetch(self, request: bytes) -> bytes:
        """The answer to ``request``. Raises `EngineError`. A cancelled one no longer runs when it returns."""
        async with self._turn:
            answer = await self._asked_again(partial(self._ask, request))
        return answer.result()

    async def stream(self, request: bytes, patience: Patience) -> AsyncGenerator[bytes, None]:
        """The parts of the answer to ``request``, as they come, of a process that runs `work_in_parts`.

        The others wait until the generator has ended or is closed, which a cancel demands, too: it stops the
        request, and keeps the process if that takes less than `STOPPING`. Raises `EngineError`. What the
        process is ahead of the reader waits in the pipe, which holds it up when it is full.
        """
        async with self._turn:
            child, answer = await self._asked_again(partial(self._begin, request, patience.first))
            over = False
            try:
                while answer.kind is AnswerKind.PART:
                    yield answer.body
                    answer = await child.receive(within=patience.each)
                over = True
            finally:
                if not over:
                    await self._stop(child)
        answer.result()

    async def close(self) -> None:
        """End the process, if there is one, and wait until it is gone; requests fail from now on."""
        self._closed = True
        await self._end()

    async def _asked_again(self, ask: Callable[[], Awaitable[T]]) -> T:
        """What ``ask`` gives, if need be of another process."""
        try:
            return await ask()
        except NotBegun as ended:
            # It was killed while it was idle, perhaps by the system for want of memory.
            # Only once: a process that always ends must not be restarted for ever.
            logger.warning("{}; another one is started", ended)
            return await ask()

    async def _begin(self, request: bytes, within: float) -> tuple[WorkerProcess, ProcessAnswer]:
        """The first part of the answer, and who gives it."""
        child = await self._loaded()
        try:
            return child, await child.ask(request, within=within)
        except NotBegun:
            await self._end()
            raise
        except BaseException:
            await self._stop(child)
            raise

    async def _ask(self, request: bytes) -> ProcessAnswer:
        child = await self._loaded()
        try:
            answer = await child.ask(request)
            if answer.kind is AnswerKind.PART:
                raise EngineError(f"{self._job.name}: its process sent a part where the whole was asked for")
            return answer
        except NotBegun:
            await self._end()
            raise
        except trio.Cancelled:
            if not await child.interrupted():
                await self._end_and_replace()
            raise
        except BaseException:
            await self._end_and_replace()
            raise

    async def _stop(self, child: WorkerProcess) -> None:
        """End the request that ``child`` works on, and the process where that does not help."""
        stopped = False
        with trio.move_on_after(STOPPING, shield=True), suppress(EngineError):
            stopped = await child.stop()
        if not stopped:
            await self._end_and_replace()

    async def _end_and_replace(self) -> None:
        await self._end()
        if not self._closed:
            name = f"{self._job.name}/replacement"
            self._context.run(partial(self._nursery.start_soon, self._replace, name=name))

    async def _loaded(self) -> WorkerProcess:
        if self._child is None:
            await self._start()
        assert self._child is not None
        try:
            await self._child.wait_loaded()
        except EngineError:
            await self._end()
            raise
        return self._child

    async def _start(self) -> None:
        self._check_open()
        self._child = await WorkerProcess.start(self._job)
        try:
            self._check_open()
        except EngineError:
            await self._end()
            raise

    def _check_open(self) -> None:
        if self._closed:
            raise EngineError(f"{self._job.name}: it was closed")

    async def _replace(self) -> None:
        """Load the next process now, so that no request waits for it."""
        async with self._turn:
            try:
                await self._loaded()
            except EngineError as error:
                # The next request tries again, and raises the error.
                logger.debug("no replacement: {}", error)

    async def _end(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            await child.end()
