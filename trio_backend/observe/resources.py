"""What this process holds and may use: tasks, threads, child processes, sockets, open files, memory."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import attrs
import psutil
import trio

# Where Linux says what a container may take: cgroups of version 2, and of version 1.
_CONTAINER_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)


@attrs.frozen
class ResourceCounts:
    """Counts at one moment. ``files`` are all open descriptors (handles on Windows), sockets among them."""

    tasks: int
    threads: int
    children: int
    sockets: int
    files: int

    def minus(self, before: ResourceCounts) -> ResourceCounts:
        """How many more of each there are here than ``before``; negative where there are fewer."""
        pairs = zip(attrs.astuple(self), attrs.astuple(before), strict=True)
        return ResourceCounts(*(now - then for now, then in pairs))

    def __str__(self) -> str:
        # Without threads, of which Trio keeps the idle ones for 10 s: a person would take them for a leak.
        return f"{self.tasks} tasks, {self.children} children, {self.sockets} sockets"


def count_resources() -> ResourceCounts:
    """Count now, inside `trio.run`. Reads the process table: a millisecond or two, not for hot paths."""
    process = psutil.Process()
    return ResourceCounts(
        tasks=trio.lowlevel.current_statistics().tasks_living,
        threads=threading.active_count(),
        children=len(process.children(recursive=True)),
        sockets=len(process.net_connections("inet")),
        files=open_files(process),
    )


def open_files(process: psutil.Process) -> int:
    """How many descriptors are open, or handles on Windows. Raises `psutil.Error`."""
    if sys.platform == "win32":
        return process.num_handles()
    return process.num_fds()


def memory_of_machine() -> int:
    """The machine's memory in bytes, or the container's limit where that is less."""
    limits = [int(psutil.virtual_memory().total)]
    for path in _CONTAINER_LIMITS:
        try:
            text = path.read_text("ascii").strip()
        except (OSError, UnicodeDecodeError):
            continue
        # "max" means that there is no limit.
        if text.isdecimal():
            limits.append(int(text))
    return min(limits)
