"""What the process holds: tasks, threads, child processes, sockets, open files."""

from __future__ import annotations

import sys
import threading

import attrs
import psutil
import trio


@attrs.frozen
class Stock:
    """Counts at one moment. ``files`` are all open descriptors (handles on Windows), sockets among them."""

    tasks: int
    threads: int
    children: int
    sockets: int
    files: int

    def __str__(self) -> str:
        return f"{self.tasks} tasks, {self.children} children, {self.sockets} sockets"


def take_stock() -> Stock:
    """Count now, inside `trio.run`. Reads the process table: a millisecond or two, not for hot paths."""
    process = psutil.Process()
    return Stock(
        tasks=trio.lowlevel.current_statistics().tasks_living,
        threads=threading.active_count(),
        children=len(process.children(recursive=True)),
        sockets=len(process.net_connections("inet")),
        files=open_files(process),
    )


def open_files(process: psutil.Process) -> int:
    """How many descriptors are open, or handles on Windows."""
    if sys.platform == "win32":
        return process.num_handles()
    return process.num_fds()


def difference(after: Stock, before: Stock) -> Stock:
    """How many more of each there are ``after`` than ``before``."""
    pairs = zip(attrs.astuple(after), attrs.astuple(before), strict=True)
    return Stock(*(now - then for now, then in pairs))
