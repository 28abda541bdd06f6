"""Which processor core does what: the server has one alone, so that nothing else is taken for its work."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import attrs


@attrs.frozen
class CorePlacement:
    """The cores of the ``server``, and those of the load generator and the engine server; () is any."""

    server: Sequence[int] = ()
    load: Sequence[int] = ()

    def __str__(self) -> str:
        if not self.server:
            return "server, load generator and engines share the machine's cores"
        return f"server on core {_told(self.server)}, load generator and engines on {_told(self.load)}"


def _told(cores: Sequence[int]) -> str:
    return ", ".join(map(str, cores))


def placement() -> CorePlacement:
    """The last core for the server and the others for the rest; no choice where there is one, or no way."""
    if sys.platform != "linux":
        return CorePlacement()  # the other systems let no program choose
    # Interrupts are handled by the first cores on most machines, so the server has the last.
    *load, server = sorted(os.sched_getaffinity(0))
    return CorePlacement((server,), tuple(load)) if load else CorePlacement()


def pin(pid: int, cores: Sequence[int]) -> None:
    """Let the process ``pid`` (0: this one) and what it starts from now on run on ``cores`` only.

    Threads that it has already stay where they are, so this is done at its start.
    """
    if cores and sys.platform == "linux":
        os.sched_setaffinity(pid, cores)
