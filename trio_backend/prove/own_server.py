"""The server that prove starts: a child process with stand-in engines, in a temporary folder."""

from __future__ import annotations

import re
import socket
import sys
import tempfile
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import DEVNULL, PIPE

import attrs
import trio

from ..client.address import ServerAddress
from ..errors import NoConnection
from .client import server_address
from .plan import Plan
from .stand_ins import write_stand_ins

# Seconds. The start takes one; a slow machine may need many. Stopping drains the turns that still run.
START_TIMEOUT, STOP_TIMEOUT = 30.0, 15.0
KEPT_LINES = 40
"""How many lines of its log are kept, to be shown if it does not start."""

_ADDRESS = re.compile(r" is at (https?://\S+)")


@attrs.frozen
class OwnServer:
    """Its address, its process id, and the plan with the port on which its character finds a model."""

    address: ServerAddress
    pid: int
    plan: Plan


@asynccontextmanager
async def open_own_server(plan: Plan) -> AsyncIterator[OwnServer]:
    """A server that is ready; it is ended with the block. Raises `NoConnection` if it does not start."""
    plan = attrs.evolve(plan, model_port=_free_port())
    with tempfile.TemporaryDirectory(prefix="trio-backend-prove-") as folder:
        config = write_stand_ins(Path(folder), plan)
        async with trio.open_nursery() as nursery:
            process: trio.Process = await nursery.start(_serve, config)
            log = _ServerLog()
            nursery.start_soon(log.follow, process)
            with trio.move_on_after(START_TIMEOUT):
                await log.ready.wait()
            if not log.address:
                raise NoConnection("the server that prove measures did not start:\n" + "\n".join(log.lines))
            try:
                yield OwnServer(server_address(log.address), process.pid, plan)
            finally:
                # Its log is read to the end: a server whose log nobody reads would have to wait.
                with trio.move_on_after(STOP_TIMEOUT, shield=True):
                    process.terminate()
                    await process.wait()
                nursery.cancel_scope.cancel("measured")


def _free_port() -> int:
    """A port that was free a moment ago: the configuration has to name it before the model listens there."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _serve(config: Path, *, task_status: trio.TaskStatus[trio.Process]) -> None:
    await trio.run_process(
        [sys.executable, "-m", "trio_backend", "serve", str(config)],
        cwd=config.parent, stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE, capture_stderr=False,
        check=False, task_status=task_status,
    )  # fmt: skip


@attrs.define(eq=False)
class _ServerLog:
    """Reads its standard error: its address, and its last lines."""

    address: str = ""
    lines: deque[str] = attrs.field(factory=lambda: deque(maxlen=KEPT_LINES))
    ready: trio.Event = attrs.field(factory=trio.Event)
    """Set when its address is known, or when its log has ended."""

    async def follow(self, process: trio.Process) -> None:
        assert process.stderr is not None
        rest = ""
        async for data in process.stderr:
            *complete, rest = (rest + data.decode(errors="replace")).split("\n")
            for line in complete:
                self._take(line)
        self.ready.set()

    def _take(self, line: str) -> None:
        self.lines.append(line)
        found = _ADDRESS.search(line)
        if found and not self.address:
            self.address = found[1]
            self.ready.set()
