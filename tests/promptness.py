"""How promptly something ends, on a machine that has other things to do as well."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

# 50 ms is promised, and measured by `trio-backend prove interrupt` on a quiet machine. Here other programs
# may take the processors for seconds; if it were not cancelled, it would go on for a minute, or for ever.
PROMPTLY = 5.0
ATTEMPTS = 4


async def promptly(attempt: Callable[[], Awaitable[float]]) -> None:
    """Of a few attempts, each of which says how many seconds it took, all take less than `PROMPTLY`."""
    took = [await attempt() for _ in range(ATTEMPTS)]
    assert max(took) < PROMPTLY, took
