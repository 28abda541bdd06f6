"""`AsyncioThread`: asyncio in a thread of its own, for libraries that need it. Nothing else imports it.

Trio runs the server. A library that keeps up with a protocol that its owner keeps changing is worth a thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, Generic, TypeVar

import attrs
import trio
from loguru import logger

from ..errors import EngineError

T = TypeVar("T")

CLOSING = 2.0
"""Seconds that cancelled work has to end, and the thread; both take milliseconds unless a library blocks."""


@asynccontextmanager
async def open_asyncio_thread() -> AsyncIterator[AsyncioThread]:
    """A thread with an event loop. Leaving the block cancels what still runs there, and ends the thread.

    Raises `EngineError` if there can be no event loop.
    """
    token, began, ended = trio.lowlevel.current_trio_token(), trio.Event(), trio.Event()
    thread = AsyncioThread(token)

    async def serve() -> None:
        thread.begin()
        _set(token, began)
        await thread.stop.wait()

    def deliver(_: object) -> None:
        # In this order: who waits for the begin sees that there is none.
        _set(token, ended)
        _set(token, began)

    trio.lowlevel.start_thread_soon(lambda: asyncio.run(serve()), deliver)
    try:
        await began.wait()
        if ended.is_set():
            raise EngineError("asyncio cannot be started: the system has no resources left for it")
        yield thread
    finally:
        with trio.move_on_after(CLOSING, shield=True):
            await began.wait()
            if not ended.is_set():
                thread.end()
                await ended.wait()
        if not ended.is_set():
            logger.warning("a library in the thread for asyncio has not ended within {:g} s", CLOSING)


@attrs.define(eq=False)
class AsyncioThread:
    """A running event loop. Made by `open_asyncio_thread`."""

    _token: trio.lowlevel.TrioToken
    stop: asyncio.Event = attrs.field(init=False)
    _loop: asyncio.AbstractEventLoop = attrs.field(init=False)
    _ended: bool = attrs.field(default=False, init=False)

    def begin(self) -> None:
        """Called in the thread, when its loop runs."""
        self._loop, self.stop = asyncio.get_running_loop(), asyncio.Event()

    def end(self) -> None:
        """End the thread: from now on nothing can be run."""
        self._ended = True
        self._loop.call_soon_threadsafe(self.stop.set)

    async def run(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """What ``work`` returns, or raises, in the thread.

        A cancel cancels it there, and returns when it has ended, or after `CLOSING`. Raises `EngineError` if
        the thread ends first.
        """
        if self._ended:
            raise EngineError("the thread for asyncio has ended")
        job = _Job(work, self._token)
        self._loop.call_soon_threadsafe(job.begin)
        try:
            await job.ended.wait()
        finally:
            if not job.ended.is_set():
                with trio.move_on_after(CLOSING, shield=True), suppress(RuntimeError):  # the loop is closed
                    self._loop.call_soon_threadsafe(job.cancel)
                    await job.ended.wait()
        if job.task.cancelled():
            raise EngineError("the thread for asyncio has ended")
        return job.task.result()


@attrs.define(eq=False)
class _Job(Generic[T]):
    """Work in the thread; its methods are called there."""

    _work: Callable[[], Coroutine[Any, Any, T]]
    _token: trio.lowlevel.TrioToken
    ended: trio.Event = attrs.field(factory=trio.Event, init=False)
    task: asyncio.Task[T] = attrs.field(init=False)

    def begin(self) -> None:
        self.task = asyncio.create_task(self._work())
        self.task.add_done_callback(lambda _: _set(self._token, self.ended))

    def cancel(self) -> None:
        self.task.cancel()


def _set(token: trio.lowlevel.TrioToken, event: trio.Event) -> None:
    """From the thread: set an event of Trio's, if Trio still runs."""
    with suppress(trio.RunFinishedError):
        token.run_sync_soon(event.set)
