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
    """Nothing was said for so long that the character behind ``wake_word`` is to fall asleep."""

    wake_word: WakeWord


async def fall_asleep_when_idle(
    wake_word: WakeWord, turn_over: Callable[[], Awaitable[None]], inbox: trio.MemorySendChannel[Idle | H]
) -> None:
    """After the running turn, wait as long as the character stays awake, then say so.

    The next turn cancels it, and begins another.
    """
    await turn_over()
    idle_at = wake_word.idle_at()
    if idle_at is not None:
        await trio.sleep_until(idle_at)
        await inbox.send(Idle(wake_word))
