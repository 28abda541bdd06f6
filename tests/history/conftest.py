"""The fixture that gives a store to a test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from trio_backend.history.memory import MemoryHistory
from trio_backend.history.sqlite import open_sqlite_history
from trio_backend.history.store import History


@pytest.fixture(params=["memory", "sqlite"])
async def history(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[History]:
    """Each store in turn: what a test with this fixture proves, it proves for both."""
    if request.param == "memory":
        yield MemoryHistory()
        return
    async with open_sqlite_history(tmp_path / "history.db") as opened:
        yield opened
