"""Full collections stop everybody, so they wait until nobody is waiting."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from trio_backend.garbage import AT_LEAST_EVERY, DUE, LOOK_EVERY, collect_when_quiet


@pytest.fixture
def full_collections() -> Iterator[list[float]]:
    """When each full collection was made, on Trio's clock."""
    made: list[float] = []

    def note(phase: str, info: dict[str, int]) -> None:
        if phase == "start" and info["generation"] == 2:
            made.append(trio.current_time())

    gc.callbacks.append(note)
    yield made
    gc.callbacks.remove(note)


def make_one_due() -> None:
    """As many collections of the middle generation as make the interpreter think of a full one."""
    for _ in range(DUE):
        gc.collect(1)


async def test_a_full_collection_waits_until_nobody_speaks(
    autojump_clock: MockClock,
    nursery: trio.Nursery,
    full_collections: list[float],
) -> None:
    """None at the beginning, none while somebody speaks, and one soon after that."""
    quiet = False
    nursery.start_soon(collect_when_quiet, lambda: quiet)
    await wait_all_tasks_blocked()
    make_one_due()
    await trio.sleep(AT_LEAST_EVERY / 2)
    assert full_collections == []
    quiet = True
    await trio.sleep(LOOK_EVERY + 1)
    assert len(full_collections) == 1


async def test_a_house_that_is_never_quiet_is_swept_all_the_same(
    autojump_clock: MockClock,
    nursery: trio.Nursery,
    full_collections: list[float],
) -> None:
    """After ten minutes, so that memory is bounded."""
    nursery.start_soon(collect_when_quiet, lambda: False)
    await wait_all_tasks_blocked()
    make_one_due()
    await trio.sleep(AT_LEAST_EVERY + LOOK_EVERY)
    assert full_collections == [AT_LEAST_EVERY]


async def test_where_nothing_happens_nothing_is_collected(
    autojump_clock: MockClock, nursery: trio.Nursery, full_collections: list[float]
) -> None:
    """Idle connections cost nothing, not even a look at them."""
    nursery.start_soon(collect_when_quiet, lambda: True)
    await trio.sleep(2 * AT_LEAST_EVERY)
    assert full_collections == []


async def test_who_leaves_takes_along_what_they_held(
    autojump_clock: MockClock, nursery: trio.Nursery, full_collections: list[float]
) -> None:
    """Nothing else happens: one look soon after somebody has left, and no more."""
    gone = 0
    nursery.start_soon(collect_when_quiet, lambda: True, lambda: gone)
    await trio.sleep(2 * LOOK_EVERY + 1)
    assert full_collections == []
    gone = 3
    await trio.sleep(AT_LEAST_EVERY)
    assert full_collections == [3 * LOOK_EVERY]


@pytest.mark.parametrize("enabled", [True, False])
async def test_afterwards_everything_is_as_before(
    autojump_clock: MockClock, nursery: trio.Nursery, *, enabled: bool
) -> None:
    """Who runs a server inside another program gets back the collector that they had."""
    before, was_enabled = gc.get_threshold(), gc.isenabled()
    (gc.enable if enabled else gc.disable)()
    try:
        async with trio.open_nursery() as inner:
            inner.start_soon(collect_when_quiet, lambda: True)
            await wait_all_tasks_blocked()
            assert gc.isenabled()
            assert gc.get_freeze_count() > 0
            assert gc.get_threshold() != before
            inner.cancel_scope.cancel()
        assert gc.isenabled() == enabled
        assert gc.get_freeze_count() == 0
        assert gc.get_threshold() == before
    finally:
        (gc.enable if was_enabled else gc.disable)()
