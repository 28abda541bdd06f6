"""How the process uses memory: what goes back to the system, and when garbage is collected."""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Callable

import trio
from loguru import logger

# From glibc's malloc.h; see mallopt(3).
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3

LARGE = 2**20
"""Bytes of a block that goes back to the system as soon as it is freed: 16 s of speech, in base64."""
KEPT = 4 * 2**20
"""Bytes of smaller blocks that are kept for the next sentences."""

# Thresholds of the two younger generations, which are collected as ever, but not quite so often: twenty
# thousand objects (the product) take about 10 ms. By itself the interpreter would start at 700.
YOUNG, MIDDLE = 2_000, 10
# A full collection looks at every object there is. With a thousand connections that takes 100 to 200 ms, in
# which none of them is served, so the interpreter must not start one.
NEVER = 2**31 - 1
# Collections of the middle generation after which a full one is due: half of the interpreter's own 10. Where
# nothing happens there are none.
DUE = 5
CHECK_INTERVAL = 15.0
"""Seconds between two looks at whether a full collection is due."""
MAX_INTERVAL = 600.0
"""Seconds after which a full collection that is due is made, although the server is not quiet."""


def give_back_large_blocks() -> bool:
    """Let freed blocks of `LARGE` and more go back to the system at once; whether that could be arranged.

    By itself glibc keeps such blocks once one was freed, and small blocks between them hold them for ever. It
    also gives back and fetches again what each sentence needs. Other C libraries are left as they are.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:
        return False
    return bool(mallopt(_MMAP_THRESHOLD, LARGE) and mallopt(_TRIM_THRESHOLD, KEPT))


def give_back_free_pages() -> None:
    """Give pages that hold nothing back to the system, wherever they lie between others; blocking.

    Takes some milliseconds for a hundred megabytes, in which other threads that need memory wait. By itself
    glibc gives back what is at the end of its heap only, and one small block there keeps all before it. Other
    C libraries are left as they are.
    """
    if sys.platform.startswith("linux"):
        # From malloc_trim(3): 0 leaves nothing at the end.
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


def no_departures() -> int:
    """For programs without sessions."""
    return 0


def do_nothing() -> None:
    """For programs that have nothing to do after a collection."""


async def collect_when_quiet(
    is_quiet: Callable[[], bool],
    departures: Callable[[], int] = no_departures,
    *,
    after: Callable[[], None] = do_nothing,
) -> None:
    """Make full collections only while ``is_quiet()``, or every `MAX_INTERVAL` seconds if it never is.

    One is due after `DUE` collections of the middle generation, and when ``departures()``, the number of
    sessions that have ended so far, has changed: an ended session is a circle of references, perhaps with
    megabytes of pictures in it, and where nothing else happens the interpreter would never collect it.
    Objects that exist at the beginning are never looked at again. ``after`` is called in a thread after each
    full collection. Runs until it is cancelled; then the collector is set as it was before.
    """
    before, enabled = gc.get_threshold(), gc.isenabled()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, NEVER)
    gc.enable()
    try:
        collected, seen = trio.current_time(), departures()
        while True:
            await trio.sleep(CHECK_INTERVAL)
            overdue = trio.current_time() - collected >= MAX_INTERVAL
            if (gc.get_count()[2] >= DUE or departures() != seen) and (is_quiet() or overdue):
                seen = departures()
                logger.debug("full garbage collection: {} objects were unreachable", gc.collect())
                collected = trio.current_time()
                await trio.to_thread.run_sync(after)
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
        if not enabled:
            gc.disable()
