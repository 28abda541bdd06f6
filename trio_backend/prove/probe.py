"""`Probe`: what can be read of a server from outside: its process, and `/debug/tasks`."""

from __future__ import annotations

import math
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

import attrs
import httpx2
import msgspec
import psutil
import trio

from ..client.address import ServerAddress
from ..observe.resources import open_files

# The kinds of task that do a turn's work.
_TURN = re.compile(r"(^|/)turn(/|$)|\bTurn\.")
# Threads that work for no turn: they store conversations, or read the process for `/debug/tasks` and metrics.
_NO_TURN = ("run_group", "_read_process", "generate_latest")


class _DebugProcess(msgspec.Struct):
    pid: int
    memory: int
    cpu: float
    files: int
    threads: Sequence[str]
    children: Sequence[object]


class _DebugLoop(msgspec.Struct):
    longest_pass: float
    longest_step: float | None
    longest_step_of: str


class _DebugTree(msgspec.Struct):
    tasks: int
    kinds: Mapping[str, int]


class _DebugTasks(msgspec.Struct):
    """What is read of ``/debug/tasks``."""

    process: _DebugProcess
    loop: _DebugLoop
    tree: _DebugTree
    engines: Sequence[Mapping[str, object]]


@attrs.frozen
class Sample:
    """The server at one moment; NaN for what cannot be read. ``memory`` in bytes, ``cpu`` in seconds.

    ``loop_cpu`` is the part of ``cpu`` that the event loop's thread has used, the first of its process.
    """

    memory: float = math.nan
    cpu: float = math.nan
    loop_cpu: float = attrs.field(default=math.nan, kw_only=True)
    files: float = math.nan
    threads: float = math.nan
    children: float = math.nan
    tasks: float = math.nan
    engines: float = math.nan
    turns: float = math.nan
    """Tasks and threads that work on some turn."""
    longest_pass: float = math.nan

    def more_than(self, before: Sample) -> Mapping[str, float]:
        """How many more there are than ``before``, of what clients must not leave; without unknown ones."""
        names = ("tasks", "threads", "children", "files", "engines")
        more = {name: getattr(self, name) - getattr(before, name) for name in names}
        return {name: count for name, count in more.items() if not math.isnan(count)}


class Probe(Protocol):
    """Reads the state of the server that is measured. Its methods raise what the implementation says."""

    @property
    def sees_process(self) -> bool:
        """Whether memory and CPU can be seen."""
        ...

    @property
    def shows_tasks(self) -> bool:
        """Whether the server's tasks and engines can be seen."""
        ...

    async def sample(self) -> Sample:
        """The server now."""
        ...

    async def cpu(self) -> float:
        """Seconds of CPU that the server has used, read without asking the server where possible."""
        ...

    async def loop_cpu(self) -> float:
        """Those of its event loop alone; NaN where a process does not show its threads."""
        ...

    async def ready(self) -> bool:
        """Whether the server says that clients may be sent to it; True where that cannot be seen."""
        ...


@attrs.frozen
class NoProbe:
    """A server that shows nothing, in a process that we do not know."""

    sees_process: bool = False
    shows_tasks: bool = False

    async def sample(self) -> Sample:
        """See `Probe.sample`."""
        await trio.lowlevel.checkpoint()
        return Sample()

    async def ready(self) -> bool:
        """See `Probe.ready`."""
        await trio.lowlevel.checkpoint()
        return True

    async def cpu(self) -> float:
        """See `Probe.cpu`."""
        return (await self.sample()).cpu

    async def loop_cpu(self) -> float:
        """See `Probe.loop_cpu`."""
        return (await self.sample()).loop_cpu


@attrs.frozen
class ProcessProbe:
    """Reads the process ``pid`` of this machine. Its methods raise `psutil.Error`."""

    pid: int
    sees_process: bool = True
    shows_tasks: bool = False

    async def sample(self) -> Sample:
        """See `Probe.sample`."""
        return await trio.to_thread.run_sync(_read_process, self.pid)

    async def ready(self) -> bool:
        """See `Probe.ready`."""
        await trio.lowlevel.checkpoint()
        return True

    async def cpu(self) -> float:
        """See `Probe.cpu`."""
        return (await self.sample()).cpu

    async def loop_cpu(self) -> float:
        """See `Probe.loop_cpu`."""
        return (await self.sample()).loop_cpu


@attrs.frozen
class DebugProbe:
    """Reads ``/debug/tasks``; the CPU from the process where ``pid`` is known. Raises `httpx2.HTTPError`."""

    _http: httpx2.AsyncClient
    _pid: int | None
    sees_process: bool = True
    shows_tasks: bool = True

    async def sample(self) -> Sample:
        """See `Probe.sample`."""
        answer = await self._http.get("/debug/tasks", params={"limit": 0})
        found = msgspec.json.decode(answer.content, type=_DebugTasks)
        process = found.process
        return Sample(
            process.memory, process.cpu, process.files, len(process.threads), len(process.children),
            found.tree.tasks, len(found.engines),
            sum(count for kind, count in found.tree.kinds.items() if _TURN.search(kind))
            + sum(_works(thread) for thread in process.threads),
            found.loop.longest_pass,
        )  # fmt: skip

    async def cpu(self) -> float:
        """See `Probe.cpu`."""
        return (await (self if self._pid is None else ProcessProbe(self._pid)).sample()).cpu

    async def loop_cpu(self) -> float:
        """See `Probe.loop_cpu`."""
        return math.nan if self._pid is None else await ProcessProbe(self._pid).loop_cpu()

    async def ready(self) -> bool:
        """See `Probe.ready`."""
        return (await self._http.get("/readyz")).status_code != 503


def _works(thread: str) -> bool:
    """Whether it does a turn's work: while one works, Trio names it ``FUNCTION from TASK``."""
    function, works, _ = thread.partition(" from ")
    return bool(works) and function not in _NO_TURN


@asynccontextmanager
async def open_probe(address: ServerAddress, pid: int | None) -> AsyncIterator[Probe]:
    """The probe that sees the most of the server at ``address``."""
    async with httpx2.AsyncClient(base_url=address.url, headers=address.headers, timeout=30) as http:
        if await _shows_tasks(http):
            yield DebugProbe(http, pid)
        else:
            yield NoProbe() if pid is None else ProcessProbe(pid)


async def _shows_tasks(http: httpx2.AsyncClient) -> bool:
    try:
        answer = await http.get("/debug/tasks", params={"limit": 0})
        msgspec.json.decode(answer.content, type=_DebugTasks)
    except (httpx2.HTTPError, msgspec.DecodeError):
        return False
    return True


def _read_process(pid: int) -> Sample:
    process = psutil.Process(pid)
    times = process.cpu_times()
    return Sample(
        memory=process.memory_info().rss,
        cpu=times.user + times.system,
        files=open_files(process),
        threads=process.num_threads(),
        children=len(process.children(recursive=True)),
        loop_cpu=_loop_cpu(process),
    )


def _loop_cpu(process: psutil.Process) -> float:
    """Seconds of CPU of the process's first thread."""
    if not psutil.LINUX:
        return math.nan
    # In nanoseconds; psutil's time of a thread comes in steps of 10 ms, and a hundred turns take 300.
    schedstat = Path(f"/proc/{process.pid}/task/{process.pid}/schedstat")
    try:
        return int(schedstat.read_text().split()[0]) / 1e9
    except (OSError, ValueError):  # a kernel that keeps none
        threads = {each.id: each.user_time + each.system_time for each in process.threads()}
        return threads.get(process.pid, math.nan)
