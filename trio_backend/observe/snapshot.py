"""`Snapshot`: everything that lives in this process at one moment, as `/debug/tasks` shows it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence

import attrs
import psutil
import trio

from ..backend import Backend
from ..engines.leases import EngineStatistics
from ..rooms import RoomStatistics
from .stock import open_files
from .task_tree import TaskTree, read_task_tree
from .trouble import Trouble
from .watch import Watch

MAX_SESSIONS = 200


@attrs.frozen
class Child:
    """A child process, or a child's child; ``age`` in seconds."""

    pid: int
    name: str
    age: float


@attrs.frozen
class ProcessFacts:
    """The process as the system sees it. ``memory`` is in bytes, ``cpu`` in seconds since it began.

    ``files`` are all open descriptors (handles on Windows), sockets among them.
    """

    pid: int
    memory: int
    cpu: float
    files: int
    threads: Sequence[str]
    children: Sequence[Child]


@attrs.frozen
class LoopFacts:
    """How busy the event loop is, in seconds: since the start, and the longest pass and step lately.

    A pass is all that runs between two looks at the network. Steps are timed only with ``debug: true``.
    """

    busy: float
    longest_pass: float
    longest_step: float | None
    longest_step_of: str


@attrs.frozen
class Snapshot:
    """What there is. ``sessions`` are the first `MAX_SESSIONS`; ``session_count`` counts all.

    ``first_audio`` are the times to the first sound, in seconds, of the last turns that had any.
    """

    process: ProcessFacts
    loop: LoopFacts
    connections: int
    session_count: int
    speaking: int
    """Sessions in which a turn is running."""
    sessions: Sequence[str]
    engines: Sequence[EngineStatistics]
    rooms: Sequence[RoomStatistics]
    first_audio: Sequence[float]
    troubles: Sequence[Trouble]
    tree: TaskTree


async def take_snapshot(
    backend: Backend, watch: Watch, *, connections: int, first_audio: Iterable[float], limit: int
) -> Snapshot:
    """Look at everything once; at most ``limit`` tasks are described. No step of it takes over 10 ms."""
    process = await trio.to_thread.run_sync(_read_process)
    tree = await read_task_tree(watch.births, limit=limit)
    sessions = list(backend.services.sessions)
    return Snapshot(
        process,
        _read_loop(watch),
        connections,
        len(sessions),
        sum(session.turn_running for session in sessions),
        [repr(session) for session in sessions[:MAX_SESSIONS]],
        backend.leases.statistics().engines,
        backend.rooms.each(),
        list(first_audio),
        watch.troubles.last(),
        tree,
    )


def _read_loop(watch: Watch) -> LoopFacts:
    step, owner = watch.steps.longest.value if watch.steps else (None, "")
    return LoopFacts(watch.passes.busy, watch.passes.longest.value[0], step, owner)


def _read_process() -> ProcessFacts:
    """Reads the process table, which takes milliseconds: for a thread."""
    process = psutil.Process()
    with process.oneshot():
        times, memory = process.cpu_times(), process.memory_info().rss
    return ProcessFacts(
        process.pid,
        memory,
        times.user + times.system,
        open_files(process),
        sorted(thread.name for thread in threading.enumerate()),
        [child for found in process.children(recursive=True) if (child := _child(found)) is not None],
    )


def _child(process: psutil.Process) -> Child | None:
    try:
        return Child(process.pid, process.name(), time.time() - process.create_time())
    except psutil.NoSuchProcess:
        return None  # it ended while we looked
