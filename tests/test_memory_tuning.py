"""Memory goes back to the system, and full garbage collections wait for a quiet moment."""

from __future__ import annotations

import gc
import platform
import subprocess
import sys
from collections.abc import Iterator

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from trio_backend.memory_tuning import (
    CHECK_INTERVAL,
    DUE,
    MAX_INTERVAL,
    collect_when_quiet,
    give_back_large_blocks,
)

# A large block is freed, as long speech is, whereupon glibc would keep all such blocks; then comes another
# one, with a small one behind it that stays. Prints how many bytes there are more once the other is freed.
PROGRAM = """
import psutil
from trio_backend.memory_tuning import LARGE, give_back_large_blocks
assert give_back_large_blocks()
def resident(): return psutil.Process().memory_info().rss
bytearray(20 * LARGE)
before = resident()
large = bytearray(b"x" * 10 * LARGE)
small = [bytearray(1000) for _ in range(100)]
del large
print(resident() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the other C libraries are left as they are")
def test_a_large_block_is_given_back() -> None:
    """Although a small one came behind it."""
    grown = subprocess.check_output([sys.executable, "-c", PROGRAM], text=True, timeout=60)
    assert int(grown) < 1_000_000


# Blocks too small to be given back at once are freed, all but one in a thousand of them, which stays.
HOLES = """
import psutil
from trio_backend.memory_tuning import give_back_free_pages
def resident(): return psutil.Process().memory_info().rss
before = resident()
blocks = [bytearray(b"x" * 5000) for _ in range(20_000)]
blocks = blocks[::1000]
kept = resident() - before
give_back_free_pages()
print(kept - (resident() - before))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the other C libraries are left as they are")
def test_pages_between_what_stays_are_given_back() -> None:
    """Of a hundred megabytes that crowds held, little is left."""
    given_back = subprocess.check_output([sys.executable, "-c", HOLES], text=True, timeout=60)
    assert int(given_back) > 50_000_000


@pytest.mark.skipif(sys.platform.startswith("linux"), reason="that is where it works")
def test_elsewhere_nothing_is_done() -> None:
    """And it is no error."""
    assert not give_back_large_blocks()


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


async def test_a_full_collection_waits_until_no_turn_runs(
    autojump_clock: MockClock,
    nursery: trio.Nursery,
    full_collections: list[float],
) -> None:
    """None at the beginning, none during a turn, and one soon after that."""
    quiet = False
    nursery.start_soon(collect_when_quiet, lambda: quiet)
    await wait_all_tasks_blocked()
    make_one_due()
    await trio.sleep(MAX_INTERVAL / 2)
    assert full_collections == []
    quiet = True
    await trio.sleep(CHECK_INTERVAL + 1)
    assert len(full_collections) == 1


async def test_a_server_that_is_never_quiet_collects_all_the_same(
    autojump_clock: MockClock,
    nursery: trio.Nursery,
    full_collections: list[float],
) -> None:
    """After ten minutes, so that memory is bounded."""
    nursery.start_soon(collect_when_quiet, lambda: False)
    await wait_all_tasks_blocked()
    make_one_due()
    await trio.sleep(MAX_INTERVAL + CHECK_INTERVAL)
    assert full_collections == [MAX_INTERVAL]


async def test_where_nothing_happens_nothing_is_collected(
    autojump_clock: MockClock, nursery: trio.Nursery, full_collections: list[float]
) -> None:
    """Idle connections cost nothing, not even a look at them."""
    nursery.start_soon(collect_when_quiet, lambda: True)
    await trio.sleep(2 * MAX_INTERVAL)
    assert full_collections == []


async def test_an_ended_session_is_collected(
    autojump_clock: MockClock, nursery: trio.Nursery, full_collections: list[float]
) -> None:
    """Nothing else happens: one collection soon after a session has ended, and no more."""
    departures = 0
    nursery.start_soon(collect_when_quiet, lambda: True, lambda: departures)
    await trio.sleep(2 * CHECK_INTERVAL + 1)
    assert full_collections == []
    departures = 3
    await trio.sleep(MAX_INTERVAL)
    assert full_collections == [3 * CHECK_INTERVAL]


@pytest.mark.parametrize("enabled", [True, False])
async def test_afterwards_everything_is_as_before(
    autojump_clock: MockClock, nursery: trio.Nursery, *, enabled: bool
) -> None:
    """A program that embeds a server gets the collector back as it was."""
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
