"""`FairQueue`: the order of turns, and that silent tasks hold neither a turn nor a place."""

from __future__ import annotations

from functools import partial

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from trio_backend.errors import QueueFull
from trio_backend.server.client_address import share_of
from trio_backend.server.fair_queue import FairQueue


async def test_addresses_take_turns(autojump_clock: MockClock) -> None:
    """One task of each address at a time, in rotation; a new address waits for one turn of each other."""
    queue = FairQueue(1, 100, 100)
    order: list[str] = []

    async def work(address: str) -> None:
        async with queue.turn(address):
            await trio.sleep(10)
            order.append(address)

    async with trio.open_nursery() as nursery:
        for address in "aaaabbc":
            nursery.start_soon(work, address)
            await wait_all_tasks_blocked()
        await trio.sleep(15)
        nursery.start_soon(work, "d")
    assert "".join(order) == "abcadbaa"
    assert trio.current_time() == 80


async def test_an_address_has_one_turn_even_if_there_are_more(autojump_clock: MockClock) -> None:
    """Four at once are four addresses."""
    queue = FairQueue(4, 100, 100)
    running: list[str] = []

    async def work(address: str) -> None:
        async with queue.turn(address):
            running.append(address)
            await trio.sleep(10)
            running.remove(address)

    async with trio.open_nursery() as nursery:
        for address in "aaabbcdef":
            nursery.start_soon(work, address)
            await wait_all_tasks_blocked()
        await trio.sleep(5)
        assert sorted(running) == ["a", "b", "c", "d"]
        await trio.sleep(10)
        assert sorted(running) == ["a", "b", "e", "f"]
        await trio.sleep(10)
        assert running == ["a"]


async def test_a_cancelled_wait_holds_nothing(autojump_clock: MockClock) -> None:
    """While waiting, at work, and in the moment in which the turn comes."""
    queue = FairQueue(1, 100, 100)

    async def work(timeout: float) -> None:
        with trio.move_on_after(timeout):
            async with queue.turn("a"):
                await trio.sleep(10)

    async with trio.open_nursery() as nursery:
        for timeout in (10, 5, 10, 12, 100):
            nursery.start_soon(work, timeout)
    with trio.fail_after(1):
        async with queue.turn("b"):
            pass
    assert not queue._waiting
    assert not queue._working


async def test_places_have_shares() -> None:
    """Of an address, and of all; they are given back however the block ends, and nothing of it is left."""
    queue = FairQueue(1, 3, 2)
    with queue.place("a") as one, queue.place("a") as two:
        one.ready = two.ready = True
        with pytest.raises(QueueFull) as full, queue.place("a"):
            pass
        assert full.value.own_share
        with queue.place("b") as three:
            three.ready = True
            with pytest.raises(QueueFull) as full, queue.place("c"):
                pass
            assert not full.value.own_share
        with pytest.raises(RuntimeError), queue.place("b"):
            raise RuntimeError
    assert not queue._places


async def test_the_task_that_prepares_longest_loses_its_place(autojump_clock: MockClock) -> None:
    """To a task of the same address first. Ready tasks keep theirs; the task that loses it is told why."""
    queue = FairQueue(1, 3, 2)
    ended: list[tuple[str, float, bool]] = []

    async def hold(name: str, *, ready: bool = False) -> None:
        with queue.place(name[0]) as place:
            place.ready = ready
            with place.preparing:
                await trio.sleep(100)
            assert place.preparing.cancelled_caught is (place.lost is not None)
        ended.append((name, trio.current_time(), place.lost is not None and place.lost.own_share))

    async with trio.open_nursery() as nursery:
        for name in ("a-ready", "a1", "b1", "a2", "c1", "d1"):
            nursery.start_soon(partial(hold, name, ready=name == "a-ready"))
            await trio.sleep(1)
            assert len(queue._places) <= 3
    assert ended == [
        ("a1", 3, True),
        ("b1", 4, False),
        ("a2", 5, False),
        ("a-ready", 100, False),
        ("c1", 104, False),
        ("d1", 105, False),
    ]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("10.0.0.7", "10.0.0.7", True),
        ("10.0.0.7", "10.0.0.8", False),
        ("::ffff:10.0.0.7", "10.0.0.7", True),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("fe80::1%eth0", "fe80::1", True),
        ("::1", "::2", False),
        ("", "", True),
        ("no address", "another", False),
    ],
)
def test_a_share_is_a_subscribers(one: str, other: str, same: bool) -> None:
    """A client with a /64 has more addresses than there are places."""
    assert (share_of(one) == share_of(other)) is same
