"""Falling asleep: a character with wake words does, when nothing was said for a while."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import attrs
import trio

from ..conversation.wake_word import WakeWord

H = TypeVar("H")


@attrs.frozen
class Idle:
    """Nothing was said for so long that the character behind ``door`` is to fall asleep."""

    door: WakeWord


async def doze(
    door: WakeWord, wait_quiet: Callable[[], Awaitable[None]], inbox: trio.MemorySendChannel[Idle | H]
) -> None:
    """After the running turn, wait as long as the character stays awake, then say so.

    The next turn cancels it, and begins another.
    """
    await wait_quiet()
    idle_at = door.idle_at()
    if idle_at is not None:
        await trio.sleep_until(idle_at)
        await inbox.send(Idle(door))
