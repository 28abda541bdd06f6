"""`Inspection`: what a running server tells about itself, as `/debug/tasks` and as metrics."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

import attrs
import msgspec
import psutil
import trio

from ..backend import Backend
from ..conversation.admission import AdmissionStatistics
from ..engines.leases import EngineStatistics
from ..rooms import RoomStatistics
from ..server.listener import ConnectionCounts
from .instrumentation import Instrumentation, LoggedWarning
from .metrics import Reading
from .resources import open_files
from .task_tree import TaskTree, read_task_tree

# A page of sessions, not a wall: all of a large server would be megabytes of JSON.
MAX_SESSIONS = 200


@attrs.frozen
class ChildProcess:
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
    children: Sequence[ChildProcess]


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
    """What there is at one moment. ``sessions`` are the first `MAX_SESSIONS`; ``session_count`` counts all.
    ``connections`` are open, of all kinds; of those that are no ``websockets``, ``idle_connections`` are kept
    by browsers for their next request.

    ``first_audio`` are the times to the first sound, in seconds, of the last turns that had any.
    """

    process: ProcessFacts
    loop: LoopFacts
    connections: int
    websockets: int
    idle_connections: int
    session_count: int
    turns_running: int
    admission: AdmissionStatistics
    sessions: Sequence[str]
    engines: Sequence[EngineStatistics]
    rooms: Sequence[RoomStatistics]
    first_audio: Sequence[float]
    warnings: Sequence[LoggedWarning]
    tree: TaskTree


@attrs.frozen
class Inspection:
    """What a running ``backend`` tells about itself.

    ``first_audio`` holds the times to the first sound of the last turns.
    """

    backend: Backend
    instrumentation: Instrumentation
    connections: Callable[[], ConnectionCounts]
    first_audio: Collection[float]

    async def tasks(self, limit: int) -> bytes:
        """A `Snapshot` as JSON, with at most ``limit`` tasks described."""
        snapshot = await take_snapshot(
            self.backend,
            self.instrumentation,
            connections=self.connections(),
            first_audio=self.first_audio,
            limit=limit,
        )
        return msgspec.json.encode(snapshot)

    def readings(self) -> Iterator[Reading]:
        """The gauges of this moment, for `Metrics`."""
        sessions = self.backend.services.sessions
        connections = self.connections()
        yield Reading("connections", "Open connections, of all kinds.", connections.open)
        yield Reading("connections_idle", "Connections without WebSocket or request.", connections.idle)
        yield Reading("websockets_open", "Open WebSockets.", connections.websockets)
        yield Reading("sessions_open", "Clients that are connected.", len(sessions))
        yield Reading("turns_running", "Turns that are running.", self.backend.services.turns_running)
        resting = self.backend.services.budgets.resting
        yield Reading("speculation_resting", "Characters with whom no turn is begun early now.", resting)
        admission = self.backend.services.admission.statistics()
        yield Reading("turns_answered_now", "Turns whose sound is on its way.", admission.answered)
        if admission.limit is not None:
            yield Reading("turns_answered_limit", "How many of them there may be now.", admission.limit)
        yield Reading("turns_waiting", "Turns that wait for the server's load.", admission.waiting)
        yield Reading("turns_refused", "Turns refused for the server's load so far.", admission.refused)
        yield Reading("overloaded", "1 if turns had to wait for seconds on end.", int(admission.overloaded))
        yield Reading("own_wait_seconds", "What the loop adds to a turn's first sound.", admission.own_wait)
        rooms = self.backend.rooms.statistics()
        yield Reading("rooms_open", "Rooms that have clients.", rooms.rooms)
        yield Reading("room_messages_waiting", "Messages that wait in all rooms.", rooms.waiting)
        yield Reading("room_turns_running", "Turns that the forwarders run.", rooms.turns)
        tasks = trio.lowlevel.current_statistics().tasks_living
        yield Reading("tasks", "Running tasks.", tasks)
        for engine in self.backend.leases.statistics().engines:
            labels = {"kind": engine.kind, "name": engine.name, "state": engine.state}
            yield Reading("leases", "Leases of each engine.", engine.leases, labels)
            for member in engine.members:
                labels = {"kind": engine.kind, "list": engine.name, "name": member.name}
                yield Reading(
                    "engine_in_use",
                    "1 for the engine of a list that is asked now.",
                    int(member.state == "in use"),
                    labels,
                )
        passes = self.instrumentation.passes
        yield Reading("loop_busy_seconds", "Time that the event loop was not waiting.", passes.busy)
        yield Reading(
            "loop_longest_pass_seconds", "The longest time lately between two looks at the network.",
            passes.longest.value[0],
        )  # fmt: skip


async def take_snapshot(
    backend: Backend,
    instrumentation: Instrumentation,
    *,
    connections: ConnectionCounts,
    first_audio: Iterable[float],
    limit: int,
) -> Snapshot:
    """Look at everything once; at most ``limit`` tasks are described. No step of it takes over 10 ms."""
    process = await trio.to_thread.run_sync(_read_process)
    tree = await read_task_tree(instrumentation.ages, limit=limit)
    sessions = list(backend.services.sessions)
    return Snapshot(
        process,
        _read_loop(instrumentation),
        connections.open,
        connections.websockets,
        connections.idle,
        len(sessions),
        backend.services.turns_running,
        backend.services.admission.statistics(),
        [repr(session) for session in sessions[:MAX_SESSIONS]],
        backend.leases.statistics().engines,
        backend.rooms.each(),
        list(first_audio),
        instrumentation.warnings.last(),
        tree,
    )


def _read_loop(instrumentation: Instrumentation) -> LoopFacts:
    passes, steps = instrumentation.passes, instrumentation.steps
    step, owner = steps.longest.value if steps else (None, "")
    return LoopFacts(passes.busy, passes.longest.value[0], step, owner)


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


def _child(process: psutil.Process) -> ChildProcess | None:
    try:
        return ChildProcess(process.pid, process.name(), time.time() - process.create_time())
    except psutil.NoSuchProcess:
        return None  # it ended while we looked
