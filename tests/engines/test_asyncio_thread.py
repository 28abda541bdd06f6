"""The thread for asyncio: what runs there, how it is cancelled, and how it ends."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine

import pytest
import trio

from tests.promptness import PROMPTLY
from trio_backend.engines import asyncio_thread
from trio_backend.engines.asyncio_thread import AsyncioThread, open_asyncio_thread
from trio_backend.errors import EngineError


async def test_results_and_errors_come_back() -> None:
    """From another thread, also where several run at once."""
    results: list[int] = []

    async def work(number: int) -> int:
        assert threading.current_thread() is not threading.main_thread()
        await asyncio.sleep(0.001)
        if number == 3:
            raise KeyError(number)
        return number

    async def ask(thread: AsyncioThread, number: int) -> None:
        results.append(await thread.run(lambda: work(number)))

    async with open_asyncio_thread() as thread:
        async with trio.open_nursery() as nursery:
            for number in (1, 2):
                nursery.start_soon(ask, thread, number)
        with pytest.raises(KeyError):
            await thread.run(lambda: work(3))
    assert sorted(results) == [1, 2]


async def test_a_cancel_waits_until_the_work_has_tidied_up() -> None:
    """And returns then."""
    tidied: list[bool] = []
    begun = trio.Event()

    async def work() -> None:
        tell_begun()
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.01)
            tidied.append(True)

    token = trio.lowlevel.current_trio_token()

    def tell_begun() -> None:
        token.run_sync_soon(begun.set)

    async with open_asyncio_thread() as thread, trio.open_nursery() as nursery:
        nursery.start_soon(thread.run, work)
        await begun.wait()
        cancelled = trio.current_time()
        nursery.cancel_scope.cancel()
    assert tidied == [True]
    assert trio.current_time() - cancelled < PROMPTLY


async def test_work_that_does_not_end_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A library that blocks its loop is left behind."""
    monkeypatch.setattr(asyncio_thread, "CLOSING", 0.1)
    go_on = threading.Event()

    async def block() -> None:
        go_on.wait()

    with trio.fail_after(PROMPTLY):
        async with open_asyncio_thread() as thread:
            with trio.move_on_after(0.05):
                await thread.run(block)
    go_on.set()


async def test_the_end_of_the_block_ends_what_runs() -> None:
    """Whoever waits for it is told, and nothing can be begun any more."""
    problems: list[str] = []

    async def ask(thread: AsyncioThread) -> None:
        try:
            await thread.run(lambda: asyncio.sleep(60))
        except EngineError as problem:
            problems.append(str(problem))

    with trio.fail_after(5):
        async with trio.open_nursery() as nursery, open_asyncio_thread() as thread:
            nursery.start_soon(ask, thread)
            await trio.sleep(0.05)
        await ask(thread)
    assert problems == ["the thread for asyncio has ended"] * 2


async def test_a_loop_that_cannot_be_made_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for it for ever."""

    def refuse(main: Coroutine[object, object, object]) -> None:
        main.close()
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(asyncio, "run", refuse)
    with trio.fail_after(5), pytest.raises(EngineError, match="no resources left"):
        async with open_asyncio_thread():
            raise AssertionError("there is none")
