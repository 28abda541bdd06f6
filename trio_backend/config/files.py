"""Files of a configuration: bounded, ordinary files only, read again when they have changed; blocking."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

import attrs

from ..errors import FileTooLarge

T = TypeVar("T")


def read_file(path: Path, limit: int) -> bytes:
    """All that is in ``path``.

    Raises `FileTooLarge` where that is more than ``limit`` bytes, and `OSError` where it cannot be read or
    is no ordinary file: a pipe would keep its reader waiting for ever.
    """
    _refuse_nul(path)
    # Without O_NONBLOCK, opening a pipe waits until somebody writes to it.
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with open(handle, "rb") as file:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise OSError(None, "it is not a regular file")
        # One byte more than allowed says that it is too large, even if it grew since it was opened.
        data = file.read(limit + 1) if found.st_size <= limit else b""
    if found.st_size > limit or len(data) > limit:
        raise FileTooLarge(f"it has more than {limit} bytes")
    return data


# Files that one cache keeps: more than any folder of characters has.
MAX_KEPT = 256


@attrs.define(eq=False)
class FileCache(Generic[T]):
    """What ``make`` made of each file, until the file changes on disk. For one thread at a time.

    ``make`` is given the file's bytes and the name by which people know it. It must depend on nothing else,
    and its results must not be changed. A change is noticed by time, size or inode. Of `MAX_KEPT` files and
    more, the one that was made first is forgotten.
    """

    make: Callable[[bytes, str], T]
    limit: int
    """Bytes that a file may have."""
    _kept: dict[tuple[Path, str], tuple[object, T]] = attrs.field(factory=dict, init=False)

    def unchanged(self, path: Path, shown: str) -> T | None:
        """What was made of the file, if it is as it was then; the file is not opened. Raises `OSError`."""
        kept = self._kept.get((path, shown))
        return kept[1] if kept and kept[0] == _stamp(path) else None

    def read(self, path: Path, shown: str) -> T:
        """What is made of the file; ``shown`` is its name for people. Raises as `read_file` and ``make``."""
        # Looked at before it is read: a change in between is then noticed by the next call.
        stamp = _stamp(path)
        kept = self._kept.get((path, shown))
        if kept and kept[0] == stamp:
            return kept[1]
        made = self.make(read_file(path, self.limit), shown)
        self._kept.pop((path, shown), None)
        while len(self._kept) >= MAX_KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept[path, shown] = (stamp, made)
        return made


def _stamp(path: Path) -> tuple[int, int, int]:
    _refuse_nul(path)
    found = path.stat()
    return found.st_mtime_ns, found.st_size, found.st_ino


def _refuse_nul(path: Path) -> None:
    if "\0" in str(path):
        # The system's functions raise ValueError, which no caller expects of a file.
        raise OSError(None, "no file can have this name")
