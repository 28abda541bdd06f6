"""`Slot` holds one task at a time; `map_in_order` keeps the order and the bound."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

import pytest
import trio
import trio.testing
from trio.testing import wait_all_tasks_blocked

from trio_backend.concurrency import Slot, map_in_order, names_of_tasks


async def feed(items: Iterable[int], channel: trio.MemorySendChannel[int]) -> None:
    """Send ``items`` and close."""
    with channel:
        for item in items:
            await channel.send(item)


@pytest.mark.parametrize(("ahead", "seconds"), [(1, 15), (2, 9), (3, 7), (7, 5)])
async def test_results_leave_in_the_order_items_came(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery, ahead: int, seconds: float
) -> None:
    """Whatever finishes first, and never more than ``ahead`` at once."""
    put, get = trio.open_memory_channel[int](0)
    nursery.start_soon(feed, [5, 4, 3, 2, 1], put)
    running = peak = 0

    async def slow(item: int) -> int:
        nonlocal running, peak
        running += 1
        peak = max(peak, running)
        await trio.sleep(item)
        running -= 1
        return item

    began = trio.current_time()
    async with map_in_order(slow, get, ahead=ahead) as results:
        assert [result async for result in results] == [5, 4, 3, 2, 1]

    assert peak == min(ahead, 5)
    assert trio.current_time() - began == seconds


async def test_leaving_early_cancels_the_work(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    """Nothing goes on that nobody waits for."""
    put, get = trio.open_memory_channel[int](0)
    nursery.start_soon(feed, range(100), put)
    running: set[int] = set()

    async def work(item: int) -> int:
        running.add(item)
        try:
            await trio.sleep(1000 if item else 0)
        finally:
            running.discard(item)
        return item

    began = trio.current_time()
    async with map_in_order(work, get, ahead=3) as results:
        assert await results.receive() == 0
        await wait_all_tasks_blocked()
        assert running

    assert not running
    assert trio.current_time() == began


async def test_an_error_of_the_work_reaches_the_block(nursery: trio.Nursery) -> None:
    """It is not lost, and it does not wait for the results before it."""
    put, get = trio.open_memory_channel[int](0)
    nursery.start_soon(feed, [1], put)

    async def fail(item: int) -> int:
        await trio.lowlevel.checkpoint()
        raise LookupError(item)

    with pytest.raises(ExceptionGroup) as caught:
        async with map_in_order(fail, get, ahead=2) as results:
            await results.receive()
    assert caught.group_contains(LookupError)


async def test_a_newcomer_waits_until_the_evicted_is_gone(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    """The two never run at the same time."""
    log: list[tuple[str, float]] = []
    slot, began = Slot(nursery), trio.current_time()

    async def first() -> None:
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(2)
            log.append(("first left", trio.current_time() - began))

    async def second() -> None:
        await trio.lowlevel.checkpoint()
        log.append(("second in", trio.current_time() - began))

    await slot.fill(first)
    await wait_all_tasks_blocked()
    await slot.fill(second)
    await wait_all_tasks_blocked()

    assert log == [("first left", 2), ("second in", 2)]
    assert not slot.occupied
    assert not await slot.evict("nobody there")


async def test_an_occupant_can_be_evicted_before_its_first_step(nursery: trio.Nursery) -> None:
    """A slot that is filled and emptied at once holds nobody."""
    slot = Slot(nursery)
    await slot.fill(trio.sleep_forever)
    assert await slot.evict("changed my mind")
    assert not slot.occupied


async def test_who_waits_for_an_empty_slot_waits_for_the_occupant(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    """And not at all for an empty one."""
    slot, began = Slot(nursery), trio.current_time()
    await slot.wait_empty()
    await slot.fill(trio.sleep, 3)
    await slot.wait_empty()
    assert trio.current_time() - began == 3


async def test_tasks_are_named_however_deep_they_are() -> None:
    """Tasks of inner nurseries are told too."""

    async def outer() -> None:
        async with trio.open_nursery() as inner:
            inner.start_soon(trio.sleep_forever, name="inner")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(outer, name="outer")
        await wait_all_tasks_blocked()
        assert names_of_tasks(nursery) == ["outer", "inner"]
        nursery.cancel_scope.cancel()


async def test_a_result_that_comes_in_the_pass_in_which_the_block_is_cancelled_is_dropped() -> None:
    """The scheduler may run the cancelled receiver first, and then the work that is done."""
    for attempt in range(200):
        release = trio.Event()

        async def work(item: int, release: trio.Event = release) -> int:
            await release.wait()
            return item

        put, get = trio.open_memory_channel[int](0)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(feed, [attempt], put)
            with trio.CancelScope() as scope:
                async with trio.open_nursery() as inner:
                    inner.start_soon(take_all, work, get)
                    await wait_all_tasks_blocked()
                    release.set()
                    scope.cancel("in the same pass")


async def take_all(work: Callable[[int], Awaitable[int]], get: trio.MemoryReceiveChannel[int]) -> None:
    """Map and receive, until there is no more."""
    async with map_in_order(work, get, ahead=2) as results:
        async for _ in results:
            pass


async def test_who_wants_no_more_results_closes_them(nursery: trio.Nursery) -> None:
    """Closing is no error for those who still work."""
    put, get = trio.open_memory_channel[int](0)
    nursery.start_soon(feed, range(3), put)

    async def work(item: int) -> int:
        await trio.lowlevel.checkpoint()
        return item

    async with map_in_order(work, get, ahead=1) as results:
        assert await results.receive() == 0
        await results.aclose()
        await wait_all_tasks_blocked()
    nursery.cancel_scope.cancel()


async def test_a_closed_slot_lets_nobody_in() -> None:
    """Its nursery may be gone: that is no error, and nothing is started."""
    async with trio.open_nursery() as nursery:
        slot = Slot(nursery)
        assert await slot.fill(trio.sleep, 0)
        slot.close()
    assert not await slot.fill(trio.sleep_forever)
    assert not slot.occupied


async def test_the_task_in_a_slot_has_the_name_it_was_given() -> None:
    """Or that of its function."""
    async with trio.open_nursery() as nursery:
        slot = Slot(nursery)
        await slot.fill(trio.sleep_forever, name="somebody")
        await wait_all_tasks_blocked()
        assert names_of_tasks(nursery) == ["somebody"]
        await slot.fill(trio.sleep_forever)
        await wait_all_tasks_blocked()
        assert [name.rpartition(".")[2] for name in names_of_tasks(nursery)] == ["sleep_forever"]
        nursery.cancel_scope.cancel("seen")


async def test_a_task_that_fails_leaves_its_slot(autojump_clock: trio.testing.MockClock) -> None:
    """Who waits for the slot to be empty does not wait for ever."""
    slots: list[Slot] = []

    async def fail() -> None:
        await trio.lowlevel.checkpoint()
        raise LookupError

    async def run() -> None:
        async with trio.open_nursery() as nursery:
            slots.append(Slot(nursery))
            await slots[0].fill(fail)

    with pytest.raises(ExceptionGroup) as caught:
        await run()
    assert caught.group_contains(LookupError)
    with trio.fail_after(10):
        await slots[0].wait_empty()
    assert not slots[0].occupied


async def test_who_waits_shielded_for_a_result_that_fails_does_not_wait_for_ever(
    autojump_clock: trio.testing.MockClock, nursery: trio.Nursery
) -> None:
    """There is none any more, and that is said; the error is raised when the block is left."""
    put, get = trio.open_memory_channel[int](0)
    nursery.start_soon(feed, [1], put)
    told: list[str] = []

    async def fail(item: int) -> int:
        await trio.sleep(1)
        raise LookupError(item)

    async def run() -> None:
        async with map_in_order(fail, get, ahead=2) as results:
            with trio.fail_after(10, shield=True), pytest.raises(trio.EndOfChannel):
                await results.receive()
            told.append("no result")

    with pytest.raises(ExceptionGroup) as caught:
        await run()
    assert caught.group_contains(LookupError)
    assert told == ["no result"]
