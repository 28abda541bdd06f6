"""How promptly something ends, on a machine that has other things to do as well."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

PROMPTLY = 0.05
ATTEMPTS = 4


async def promptly(attempt: Callable[[], Awaitable[float]]) -> None:
    """Of a few attempts, each of which says how many seconds it took, one takes less than 50 ms.

    What is slow in itself is slow each time; what other programs take from us is none of our doing.
    """
    took: list[float] = []
    while len(took) < ATTEMPTS and (not took or took[-1] >= PROMPTLY):
        took.append(await attempt())
    assert took[-1] < PROMPTLY, took
