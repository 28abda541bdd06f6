"""Another program that has the file open."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path


@contextmanager
def locked(path: Path) -> Iterator[sqlite3.Connection]:
    """Hold the file's write lock; rolling back earlier gives it up."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield other


def read(path: Path) -> list[str]:
    """The contents of all messages, as another program sees them."""
    with closing(sqlite3.connect(path)) as other:
        return [content for (content,) in other.execute("SELECT content FROM message ORDER BY id")]
