"""How much memory there is for this process."""

from __future__ import annotations

from pathlib import Path

import psutil

# Where Linux says what a container may take: cgroups of version 2, and of version 1.
_CONTAINER_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)


def memory_of_machine() -> int:
    """The machine's memory in bytes, or the container's where that is less."""
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
