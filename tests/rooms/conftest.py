"""Rooms, with sessions that do as they are told, on the virtual clock."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from trio.testing import MockClock

from tests.rooms.house import House, open_house
from trio_backend.config.system import SystemConfig


@pytest.fixture
def system() -> SystemConfig:
    """Few places, so that they are soon taken; a test may have other limits."""
    return SystemConfig(preload=False, enable_proxy=True, room_queue=5, max_per_sender=3, max_rooms=4)


@pytest.fixture
async def house(autojump_clock: MockClock, system: SystemConfig) -> AsyncIterator[House]:
    """Open rooms."""
    async with open_house(system) as house:
        yield house
