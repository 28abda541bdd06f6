"""Garbage collection, at moments when nobody waits for an answer."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

import trio
from loguru import logger

# A full collection looks at every object there is, which takes 100 to 200 ms with a thousand connections,
# and stops all of them. Young objects are looked at as always, but not quite so often: twenty thousand of
# them take about 10 ms.
YOUNG, MIDDLE = 2_000, 10
NEVER = 2**31 - 1
# Full collections that the interpreter itself would have considered: when idle there are none.
DUE = 5
LOOK_EVERY = 15.0
AT_LEAST_EVERY = 600.0
"""Seconds after which a full collection is made though somebody speaks."""
CHEAP = 0.01
"""Seconds that a full collection may take of people who speak: in a small house it takes less."""


async def collect_when_quiet(is_quiet: Callable[[], bool]) -> None:
    """Make full collections only while ``is_quiet()``, or every ten minutes if it never is.

    One that took less than `CHEAP` is not worth waiting for: the next is made as soon as it is due.
    What exists when it begins is never looked at again. Runs until it is cancelled; then everything is
    as it was before.
    """
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, NEVER)
    try:
        collected, took = trio.current_time(), 0.0
        while True:
            await trio.sleep(LOOK_EVERY)
            overdue = trio.current_time() - collected >= AT_LEAST_EVERY
            if gc.get_count()[2] >= DUE and (took < CHEAP or is_quiet() or overdue):
                collected, took = trio.current_time(), _collect()
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def _collect() -> float:
    """Make a full collection; the seconds that it took."""
    began = time.perf_counter()
    found = gc.collect()
    took = time.perf_counter() - began
    logger.debug("full garbage collection: {} objects were unreachable; {:.0f} ms", found, 1000 * took)
    return took
