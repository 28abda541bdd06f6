"""Garbage collection, at moments when nobody waits for an answer."""

from __future__ import annotations

import gc
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


def nobody() -> int:
    """For programs in which nobody comes and goes."""
    return 0


def nothing() -> None:
    """For programs that have nothing to do behind a collection."""


async def collect_when_quiet(
    is_quiet: Callable[[], bool], gone: Callable[[], int] = nobody, *, after: Callable[[], None] = nothing
) -> None:
    """Make full collections only while ``is_quiet()``, or every ten minutes if it never is.

    One is due when the interpreter would consider it, and when somebody has left: ``gone()`` says how many
    have. A session ends as a circle of references, perhaps with megabytes of pictures in it, and where
    nothing else happens nothing would ever look. What exists when it begins is never looked at again.
    ``after`` is called in a thread behind each of them. Runs until it is cancelled; then everything is as it
    was before.
    """
    before, enabled = gc.get_threshold(), gc.isenabled()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, NEVER)
    gc.enable()
    try:
        collected, seen = trio.current_time(), gone()
        while True:
            await trio.sleep(LOOK_EVERY)
            overdue = trio.current_time() - collected >= AT_LEAST_EVERY
            if (gc.get_count()[2] >= DUE or gone() != seen) and (is_quiet() or overdue):
                seen = gone()
                logger.debug("full garbage collection: {} objects were unreachable", gc.collect())
                collected = trio.current_time()
                await trio.to_thread.run_sync(after)
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
        if not enabled:
            gc.disable()
