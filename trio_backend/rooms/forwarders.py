"""The forwarders: a fixed number of tasks that carry the turns of all rooms, up to their last sound."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

import trio

from .room import Room

Fence: TypeAlias = Callable[[Callable[[], Awaitable[None]]], Awaitable[bool]]
"""Runs a function; False if it died of a bug, which the log was told."""


async def forward(line: trio.MemoryReceiveChannel[Room], fence: Fence) -> None:
    """Take the room that has waited longest, carry one message until its sound was sent, and so on for ever.

    ``line`` has no capacity: the rooms that wait in it are blocked in `send`, each at most once, first come
    first served. A room that is closed meanwhile is out of it at once. So a room with a hundred
    messages stands behind all others again after each of them.
    """
    async for room in line:
        # Inside this body the room is busy; it may stay so, playing, without us.
        await fence(room.carry_next)
        del room
