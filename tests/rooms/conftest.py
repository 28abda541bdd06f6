"""Rooms, with sessions that do as they are told, on the virtual clock."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from trio.testing import MockClock

from tests.rooms.running import RunningRooms, open_running_rooms
from trio_backend.config.system import SystemConfig


@pytest.fixture
def system() -> SystemConfig:
    """Few places, so that they are soon taken; a test may have other limits."""
    return SystemConfig(preload=False, enable_proxy=True, room_queue=5, max_per_sender=3, max_rooms=4)


@pytest.fixture
async def running(autojump_clock: MockClock, system: SystemConfig) -> AsyncIterator[RunningRooms]:
    """Open rooms."""
    async with open_running_rooms(system) as running:
        yield running
