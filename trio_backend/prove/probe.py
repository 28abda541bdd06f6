"""`Probe`: a look at the server from outside, as far as it lets us."""

from __future__ import annotations

import math
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import attrs
import httpx2
import msgspec
import psutil
import trio

from ..observe.stock import open_files
from .outcome import LEFT_OVER, Check
from .visitor import Target

# The kinds of task that do a turn's work.
_TURN = re.compile(r"(^|/)turn(/|$)|\bTurn\.")
# Threads of others: the history writes down what was said, and somebody looks at the process.
_NO_TURN = ("run_group", "_read_process", "generate_latest")
# Trio keeps a worker thread for 10 s after its last job, so a count of threads takes that long to settle.
SETTLING = 13.0
LOOK_AGAIN = 0.25


class _Process(msgspec.Struct):
    pid: int
    memory: int
    cpu: float
    files: int
    threads: Sequence[str]
    children: Sequence[object]


class _Loop(msgspec.Struct):
    longest_pass: float
    longest_step: float | None
    longest_step_of: str


class _Tree(msgspec.Struct):
    tasks: int
    kinds: Mapping[str, int]


class _Snapshot(msgspec.Struct):
    """What is read of ``/debug/tasks``."""

    process: _Process
    loop: _Loop
    tree: _Tree
    engines: Sequence[Mapping[str, object]]


@attrs.frozen
class Sight:
    """What was there at one moment; NaN for what cannot be seen. ``memory`` in bytes, ``cpu`` in seconds."""

    memory: float = math.nan
    cpu: float = math.nan
    files: float = math.nan
    threads: float = math.nan
    children: float = math.nan
    tasks: float = math.nan
    engines: float = math.nan
    turns: float = math.nan
    """Tasks and threads that work on some turn."""
    longest_pass: float = math.nan

    def more_than(self, before: Sight) -> Mapping[str, float]:
        """How much more there is than ``before``, of what must come back; what is unknown is left out."""
        names = ("tasks", "threads", "children", "files", "engines")
        more = {name: getattr(self, name) - getattr(before, name) for name in names}
        return {name: count for name, count in more.items() if not math.isnan(count)}


@attrs.frozen
class Probe:
    """Looks at ``/debug/tasks`` if the server shows it, and at its process if we know which one it is."""

    _http: httpx2.AsyncClient
    pid: int | None
    shows_tasks: bool

    @property
    def sees_process(self) -> bool:
        return self.pid is not None or self.shows_tasks

    async def look(self) -> Sight:
        """Once, now."""
        if self.shows_tasks:
            return await self._ask()
        if self.pid is not None:
            return await trio.to_thread.run_sync(_read_process, self.pid)
        await trio.lowlevel.checkpoint()
        return Sight()

    async def cpu(self) -> float:
        """Seconds of CPU that the server has used; read without asking it, if that can be."""
        if self.pid is None:
            return (await self.look()).cpu
        return (await trio.to_thread.run_sync(_read_process, self.pid)).cpu

    async def _ask(self) -> Sight:
        answer = await self._http.get("/debug/tasks", params={"limit": 0})
        found = msgspec.json.decode(answer.content, type=_Snapshot)
        process = found.process
        return Sight(
            process.memory, process.cpu, process.files, len(process.threads), len(process.children),
            found.tree.tasks, len(found.engines),
            sum(count for kind, count in found.tree.kinds.items() if _TURN.search(kind))
            + sum(_works(thread) for thread in process.threads),
            found.loop.longest_pass,
        )  # fmt: skip

    async def left_over(self, before: Sight) -> Sequence[Check]:
        """Wait until no more is there than ``before``, a bounded time, and what is there then."""
        more = (await self.look()).more_than(before)
        with trio.move_on_after(SETTLING):
            while any(count > 0 for count in more.values()):
                await trio.sleep(LOOK_AGAIN)  # a server has no way to tell us that it has cleaned up
                more = (await self.look()).more_than(before)
        return [Check(f"{name}{LEFT_OVER}", max(0, count), "", 0) for name, count in more.items()]


def _works(thread: str) -> bool:
    """Whether it does a turn's work: while one works, Trio names it ``FUNCTION from TASK``."""
    function, works, _ = thread.partition(" from ")
    return bool(works) and function not in _NO_TURN


@asynccontextmanager
async def open_probe(target: Target, pid: int | None) -> AsyncIterator[Probe]:
    """Find out what can be seen, and be ready to see it."""
    async with httpx2.AsyncClient(base_url=target.url, headers=target.headers, timeout=30) as http:
        yield Probe(http, pid, await _shows_tasks(http))


async def _shows_tasks(http: httpx2.AsyncClient) -> bool:
    try:
        answer = await http.get("/debug/tasks", params={"limit": 0})
        msgspec.json.decode(answer.content, type=_Snapshot)
    except (httpx2.HTTPError, msgspec.DecodeError):
        return False
    return True


def _read_process(pid: int) -> Sight:
    process = psutil.Process(pid)
    times = process.cpu_times()
    return Sight(
        memory=process.memory_info().rss,
        cpu=times.user + times.system,
        files=open_files(process),
        threads=process.num_threads(),
        children=len(process.children(recursive=True)),
    )
