"""Many connections at once: how they leave, and what becomes of the rest when one breaks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
import trio.testing

from trio_backend.prove.client import open_all


@asynccontextmanager
async def connection(name: str, log: list[str], broken: trio.Event | None = None) -> AsyncIterator[str]:
    """As one of a real client: with a nursery of its own, in which something may break."""

    async def read() -> None:
        if broken is None:
            await trio.sleep_forever()
        else:
            await broken.wait()
            raise OSError(f"{name} was lost")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        try:
            yield name
        finally:
            log.append(f"{name} leaves")
            with trio.CancelScope(shield=True):
                await trio.sleep(1)
            log.append(f"{name} has left")
        nursery.cancel_scope.cancel()


async def test_they_leave_all_at_once(autojump_clock: trio.testing.MockClock) -> None:
    """Two hundred that close one after the other would each wait for an answer."""
    log: list[str] = []
    async with open_all(connection(name, log) for name in "abc") as opened:
        assert opened == ["a", "b", "c"]
        began = trio.current_time()
    assert trio.current_time() - began == 1
    assert sorted(log) == [f"{name} {what}" for name in "abc" for what in ("has left", "leaves")]


async def test_one_that_breaks_while_others_open_is_told(autojump_clock: trio.testing.MockClock) -> None:
    """And those that are open leave in order."""
    log: list[str] = []
    broken = trio.Event()

    @asynccontextmanager
    async def slow() -> AsyncIterator[str]:
        broken.set()
        await trio.sleep(10)
        yield "slow"

    openings = [connection("a", log), connection("b", log, broken), slow()]
    with pytest.RaisesGroup(pytest.RaisesExc(OSError, match="b was lost"), flatten_subgroups=True):
        async with open_all(openings):
            raise AssertionError("all were opened")
    assert trio.current_time() < 5
    assert sorted(log) == ["a has left", "a leaves", "b has left", "b leaves"]


async def test_one_that_breaks_later_ends_the_block() -> None:
    """Whoever measures must not go on with those that are left."""
    broken = trio.Event()
    with pytest.RaisesGroup(pytest.RaisesExc(OSError, match="was lost"), flatten_subgroups=True):
        async with open_all([connection("a", []), connection("b", [], broken)]):
            broken.set()
            await trio.sleep_forever()
