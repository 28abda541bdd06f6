"""`Subject`: the running server that is attacked, what must hold of it, and the other client beside it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import attrs
import psutil
import trio

ROOT = Path(__file__).parents[2]
START = 60.0
"""Seconds that a server and the other client's first turn may take on a busy machine."""
SETTLE = 25.0
"""Seconds after the last case by which memory, files and children are as before; a keep-alive is 15."""
GROWTH = 32 * 2**20
"""Bytes by which memory may have grown: the allocator's reserve, Python's caches, a SQLite cache; besides
a tenth of what it was."""
TRACEBACK = "Traceback (most recent call last)"
SHOWN = 6000
"""Letters of the log that a fault shows."""


class Fault(Exception):
    """Something that must hold did not."""


@attrs.frozen
class Inventory:
    """What a process holds: bytes of memory, open files and sockets (0 on Windows), child processes."""

    rss: int
    files: int
    children: int

    @classmethod
    def of(cls, pid: int) -> Inventory:
        process = psutil.Process(pid)
        files = process.num_fds() if sys.platform != "win32" else 0
        return cls(process.memory_info().rss, files, len(process.children(recursive=True)))

    def fault(self, before: Inventory) -> str:
        """How this is more than ``before``; empty if it is not."""
        if self.files > before.files:
            return f"{self.files} open files; {before.files} before"
        if self.children > before.children:
            return f"{self.children} child processes; {before.children} before"
        if self.rss > before.rss * 1.1 + GROWTH:
            return f"{self.rss / 2**20:.0f} MiB of memory; {before.rss / 2**20:.0f} before"
        return ""


@attrs.define(eq=False)
class Subject:
    """A server process. ``failed`` is set as soon as it has died, or has logged a traceback."""

    process: trio.Process
    folder: Path
    port: int = 0
    log: deque[str] = attrs.field(factory=partial(deque, maxlen=400))
    failed: trio.Event = attrs.field(factory=trio.Event)
    told: trio.Event = attrs.field(factory=trio.Event)
    _wrong: str = attrs.field(default="", init=False)

    def inventory(self) -> Inventory:
        """What the process holds now."""
        return Inventory.of(self.process.pid)

    async def check(self) -> None:
        """Raises `Fault` if the server has died or has logged a traceback."""
        if self._wrong:
            # The rest of a traceback comes behind its first line.
            await trio.sleep(0.3)
            log = "".join(self.log)
            begin = log.find(TRACEBACK) if TRACEBACK in log else len(log) - SHOWN
            raise Fault(f"{self._wrong}\n{log[max(0, begin) :][:SHOWN]}")
        await trio.lowlevel.checkpoint()

    async def settle(self, before: Inventory) -> Inventory:
        """Wait until what the process holds is as ``before``. Raises `Fault` if it does not become so."""
        with trio.move_on_after(SETTLE):
            while self.inventory().fault(before):
                await trio.sleep(0.25)
        now = self.inventory()
        if fault := now.fault(before):
            raise Fault(f"{fault}, {SETTLE:g} s after the last case")
        return now

    async def read_log(self) -> None:
        """Read what the server logs until it has ended."""
        assert self.process.stderr is not None
        rest = ""
        async for data in self.process.stderr:
            *lines, rest = (rest + data.decode("utf-8", "replace")).split("\n")
            for line in lines:
                self.log.append(line + "\n")
                if found := re.search(r" is at https?://[^:]+:(\d+)", line):
                    self.port = int(found[1])
                    self.told.set()
                if TRACEBACK in line:
                    self._raise_alarm("a traceback in its log:")
        self._raise_alarm(f"the server has ended, exit code {await self.process.wait()}:")
        self.told.set()

    def _raise_alarm(self, what: str) -> None:
        self._wrong = self._wrong or what
        self.failed.set()


@attrs.frozen
class Start:
    """How a server is started: its configuration, the module that is run, additions to the environment."""

    conf: str
    module: str = "trio_backend"
    environ: Mapping[str, str] = attrs.field(factory=dict)


@asynccontextmanager
async def open_subject(start: Start, folder: Path) -> AsyncIterator[Subject]:
    """A server that runs in ``folder``, killed at the end; when the block is entered it is ready."""
    (folder / "conf.yaml").write_text(start.conf, "utf-8")
    (folder / "characters").mkdir(exist_ok=True)
    command = [sys.executable, "-m", start.module, "serve", str(folder / "conf.yaml"), "--port", "0"]
    environ = {**os.environ, "PYTHONPATH": str(ROOT), **start.environ}
    async with trio.open_nursery() as nursery:
        run = partial(trio.run_process, command, cwd=folder, stderr=subprocess.PIPE, check=False, env=environ)
        subject = Subject(await nursery.start(run), folder)
        nursery.start_soon(subject.read_log)
        try:
            with trio.fail_after(START):
                await subject.told.wait()
            await subject.check()
            yield subject
        finally:
            if subject.process.returncode is None:
                subject.process.kill()


@attrs.define(eq=False)
class Bystander:
    """The client beside. ``took`` are the round trips of its heartbeats in seconds, once it has `ended`."""

    process: trio.Process
    took: list[float] = attrs.field(factory=list)

    def quantile(self, share: float) -> float:
        """The round trip that so many of them do not exceed, in milliseconds."""
        ordered = sorted(self.took)
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0

    async def end(self) -> None:
        """Let it have its last turn. Raises `Fault` if it was not served as if it were alone."""
        assert self.process.stdin is not None
        await self.process.stdin.aclose()
        report = json.loads(await self._line())
        self.took = report["took"]
        if report["problem"]:
            raise Fault(f"the other client: {report['problem']}")

    async def _line(self) -> bytes:
        assert self.process.stdout is not None
        data = b""
        with trio.fail_after(START + 60):
            while not data.endswith(b"\n") and (more := await self.process.stdout.receive_some()):
                data += more
        return data

    async def begin(self) -> None:
        """Wait until it has had a turn. Raises `Fault` if it cannot."""
        line = await self._line()
        if line != b"ready\n":
            raise Fault(f"the other client cannot begin: {line[:200]!r}")


@asynccontextmanager
async def open_bystander(subject: Subject) -> AsyncIterator[Bystander]:
    """A client that has had one turn, and asks for heartbeats from now on."""
    command = [sys.executable, "-m", "tests.fuzz.bystander", "127.0.0.1", str(subject.port)]
    async with trio.open_nursery() as nursery:
        run = partial(
            trio.run_process, command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, check=False
        )
        bystander = Bystander(await nursery.start(run))
        try:
            await bystander.begin()
            yield bystander
        finally:
            if bystander.process.returncode is None:
                bystander.process.kill()
