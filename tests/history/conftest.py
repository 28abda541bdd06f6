"""The fixture that gives a store to a test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from trio_backend.history.opening import IN_MEMORY, open_store
from trio_backend.history.store import History


@pytest.fixture(params=["memory", "sqlite"])
async def history(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[History]:
    """Each store in turn: what a test with this fixture proves, it proves for both."""
    places = {"memory": IN_MEMORY, "sqlite": str(tmp_path / "history.db")}
    async with open_store(places[request.param]) as opened:
        yield opened
