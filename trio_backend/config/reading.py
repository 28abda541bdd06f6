"""`read_file`: a file's bytes, if it is a file, and no larger than it may be; blocking."""

from __future__ import annotations

import os
import stat
from pathlib import Path


class FileTooLarge(OSError):
    """There is more in the file than may be read."""


def read_file(path: Path, limit: int) -> bytes:
    """All that is in ``path``.

    Raises `FileTooLarge` where that is more than ``limit`` bytes, and `OSError` where it cannot be read or
    is no ordinary file: a pipe would keep its reader waiting for ever.
    """
    # A pipe that nobody writes to would hold up the opening already, unless told not to wait.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        handle = os.open(path, flags)
    except ValueError as error:
        # A NUL in the name: no file has one.
        raise OSError(None, "no file can have this name") from error
    with open(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(None, "it is no ordinary file")
        data = file.read(limit + 1)
    if len(data) > limit:
        raise FileTooLarge(None, "it is too large")
    return data
