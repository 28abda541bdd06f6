"""The two tools by which tasks are owned: `Slot` (one at a time) and `map_in_order` (several ahead)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

import attrs
import trio

A = TypeVar("A")
B = TypeVar("B")


@attrs.define(eq=False)
class Slot:
    """Holds one task at a time: `fill` first cancels the task before it.

    A slot has one owner, and only the owner calls `fill` and `evict`. The task runs in the nursery
    that the slot was made with, so it cannot outlive it. Where that is another task's nursery, that task
    calls `close` before it leaves it.
    """

    _nursery: trio.Nursery
    _closed: bool = attrs.field(default=False, init=False)
    _scope: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    _left: trio.Event = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._left = trio.Event()
        self._left.set()

    @property
    def occupied(self) -> bool:
        return not self._left.is_set()

    async def fill(
        self, async_fn: Callable[..., Awaitable[object]], *args: object, name: object = None
    ) -> bool:
        """Evict the occupant, wait until it is gone, then start ``async_fn(*args)``.

        False, and nothing is started, if the slot was closed. What is started takes its first step, even if
        it is evicted at once.
        """
        await self.evict("superseded")
        if self._closed:
            return False
        self._scope, self._left = trio.CancelScope(), trio.Event()
        self._nursery.start_soon(self._occupy, self._scope, self._left, async_fn, args, name=name or async_fn)
        return True

    def close(self) -> None:
        """Start no task from now on; the one that runs goes on."""
        # A nursery that is about to be left cannot be asked whether it still takes tasks: it raises.
        self._closed = True

    async def evict(self, reason: str) -> bool:
        """Cancel the occupant and wait until it is gone; True if there was one.

        If the wait itself is cancelled, the occupant stays cancelled and leaves on its own.
        """
        if not self.occupied:
            return False
        self._scope.cancel(reason)
        await self._left.wait()
        return True

    async def wait_empty(self) -> None:
        """Wait until the occupant, if there is one, has left by itself."""
        await self._left.wait()

    @staticmethod
    async def _occupy(
        scope: trio.CancelScope,
        left: trio.Event,
        async_fn: Callable[..., Awaitable[object]],
        args: tuple[object, ...],
    ) -> None:
        try:
            with scope:
                await async_fn(*args)
        finally:
            left.set()


@attrs.define(eq=False)
class _Answer(Generic[B]):
    """What becomes of one item. A channel for it would cost 9 µs, and each sentence of a turn has one."""

    settled: trio.Event = attrs.field(factory=trio.Event, init=False)
    results: list[B] = attrs.field(factory=list, init=False)
    """One, or none where the work has failed."""


@attrs.define(eq=False)
class _InOrder(trio.abc.ReceiveChannel[B], Generic[B]):
    """The results, each waited for in the order in which its item came."""

    _answers: trio.MemoryReceiveChannel[_Answer[B]]

    async def receive(self) -> B:
        answer = await self._answers.receive()
        if not answer.settled.is_set():
            await answer.settled.wait()
        if not answer.results:
            raise trio.EndOfChannel
        return answer.results.pop()

    async def aclose(self) -> None:
        await self._answers.aclose()


@asynccontextmanager
async def map_in_order(
    async_fn: Callable[[A], Awaitable[B]],
    source: trio.abc.ReceiveChannel[A],
    *,
    ahead: int,
) -> AsyncIterator[trio.abc.ReceiveChannel[B]]:
    """Apply ``async_fn`` to up to ``ahead`` items of ``source`` at once; results come in source order.

    Leaving the block cancels what still runs. An error of ``async_fn`` or of ``source`` cancels the
    block and leaves it inside an `ExceptionGroup`. ``ahead`` is at least 1.
    """
    # One item is being waited for at the other end of the channel, so its capacity is one less.
    queue, answers = trio.open_memory_channel[_Answer[B]](ahead - 1)

    async def work(item: A, answer: _Answer[B]) -> None:
        try:
            answer.results.append(await async_fn(item))
        finally:
            answer.settled.set()

    async def hand_out() -> None:
        with queue:
            async for item in source:
                answer = _Answer[B]()
                try:
                    await queue.send(answer)
                except trio.BrokenResourceError:
                    return  # nobody wants any results any more
                nursery.start_soon(work, item, answer, name=async_fn)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(hand_out, name=map_in_order)
        yield _InOrder(answers)
        nursery.cancel_scope.cancel("the results are no longer wanted")


def names_of_tasks(nursery: trio.Nursery) -> list[str]:
    """The names of all tasks that live in ``nursery``, and in the nurseries of those tasks."""
    return [
        name
        for task in nursery.child_tasks
        for name in (task.name, *(name for inner in task.child_nurseries for name in names_of_tasks(inner)))
    ]
