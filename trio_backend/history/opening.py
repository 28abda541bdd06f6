"""`open_store`: the one place that knows which stores there are.

Apart from store.py, which both stores import.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from ..boundary import UNCOUNTED, Boundary
from ..errors import HistoryError
from .memory import MemoryHistory
from .sqlite import BUSY_TIMEOUT, open_sqlite_history
from .store import History

IN_MEMORY = "memory:"

# Version 0.1 kept the file in the folder where Open-LLM-VTuber keeps its own.
_MOVED = {"history.sqlite3": "chat_history/history.sqlite3"}


def place_of(history_file: str) -> str:
    """Where the conversations of ``history_file`` are: elsewhere if an earlier version has put them there."""
    before = _MOVED.get(history_file, "")
    return before if before and not Path(history_file).exists() and Path(before).exists() else history_file


@asynccontextmanager
async def open_store(
    place: str, *, busy_timeout: float = BUSY_TIMEOUT, boundary: Boundary = UNCOUNTED
) -> AsyncIterator[History]:
    """The store at ``place``: a file, made if it is missing, or `IN_MEMORY`, what lasts as long as the block.

    ``busy_timeout`` is how many seconds another program may hold a file before callers get a `HistoryError`.
    A bug in the store stays in ``boundary``, and is an error of the call that met it. Raises `HistoryError`
    if there is no such store, or it cannot be used. Leaving the block finishes what was accepted.
    """
    if place == IN_MEMORY:
        yield MemoryHistory()
        return
    scheme, mark, _ = place.partition("://")
    if mark:
        # What follows may hold a password.
        raise HistoryError(f"history_file: there is no store at {scheme}:// addresses; name a file")
    async with open_sqlite_history(Path(place), busy_timeout=busy_timeout, boundary=boundary) as history:
        yield history


def why_unusable(name: str) -> str:
    """Why `open_store` would fail for the place ``name``; empty if it would not. Makes nothing; blocking."""
    scheme, mark, _ = name.partition("://")
    if mark:
        return f"there is no store at {scheme}:// addresses; name a file"
    path = Path(name)
    if name == IN_MEMORY or path.is_file():
        return _wrong_database(path) if name != IN_MEMORY else ""
    if path.is_dir():
        return f"{name!r} is a folder; name a file in it"
    # The folders above it are made, too.
    above = next(each for each in path.absolute().parents if each.exists())
    if not above.is_dir():
        return f"{name!r} cannot be made: {above.name!r} is a file, and no folder"
    # Folders of /proc are said to be writable for root; nothing can be made there.
    if not os.access(above, os.W_OK | os.X_OK) or above.is_relative_to("/proc"):
        return f"{name!r} cannot be made: this user may not write into {str(above)!r}"
    return ""


def _wrong_database(path: Path) -> str:
    if not os.access(path, os.R_OK | os.W_OK):
        return f"{str(path)!r} may not be read and written by this user"
    try:
        database = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
        try:
            database.execute("SELECT count(*) FROM sqlite_master")
        finally:
            database.close()
    except sqlite3.DatabaseError as error:
        return f"{str(path)!r} is no database of conversations: {error}; move it away, or name another"
    return ""
