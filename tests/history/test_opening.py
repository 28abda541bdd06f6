"""Which store it is: said in one place, by one text."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.history.samples import FIRST, MAO, human
from trio_backend.errors import HistoryError
from trio_backend.history.opening import IN_MEMORY, open_store


async def test_a_file_keeps_what_the_memory_forgets(tmp_path: Path) -> None:
    """A path is a file's, be it new; what is in memory is gone with the block."""
    left = {}
    for place in (str(tmp_path / "new" / "history.db"), IN_MEMORY):
        async with open_store(place) as history:
            await history.append(MAO, FIRST, human())
        async with open_store(place) as history:
            left[place] = len(await history.conversations(MAO))

    assert list(left.values()) == [1, 0]


async def test_a_store_that_there_is_not_is_refused_without_its_password(tmp_path: Path) -> None:
    """And no file of that name is made."""
    with pytest.raises(HistoryError, match="no store at postgresql:// addresses; name a file") as caught:
        async with open_store("postgresql://ann:hush@example.com/history"):
            pytest.fail("it was opened")
    assert "hush" not in str(caught.value)
