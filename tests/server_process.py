"""A server in a process of its own, as a user starts it: for tests of signals, logs and leftovers."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from subprocess import PIPE

import attrs
import trio

PROGRAM = (sys.executable, "-m", "trio_backend")
# Seconds; a start takes one where the machine has nothing else to do.
TIMEOUT = 30.0
# With the space after it: the log comes in pieces.
_ADDRESS = re.compile(r"is at (http\S+)\s")


@attrs.frozen
class ServerProcess:
    """A running server. ``log`` is its standard error in pieces, and grows while it runs."""

    process: trio.Process
    address: str
    log: list[str]

    async def wait_logged(self, text: str) -> None:
        """Wait until the log has ``text``. Raises `trio.TooSlowError` after `TIMEOUT`."""
        with trio.fail_after(TIMEOUT):
            while text not in "".join(self.log):
                await trio.sleep(0.01)


@asynccontextmanager
async def open_server_process(
    conf: Path, folder: Path, *, port: int = 0, program: Sequence[str] = PROGRAM, **environ: str
) -> AsyncIterator[ServerProcess]:
    """``trio-backend serve`` with ``conf``, started in ``folder``; killed if it has not ended by itself.

    ``environ`` changes the environment; another ``program`` than `PROGRAM` takes the same arguments.
    """
    command = [*program, "serve", str(conf), "--port", str(port)]
    async with open_process(command, folder, environ) as server:
        yield server


@asynccontextmanager
async def open_process(
    command: Sequence[str], folder: Path, environ: Mapping[str, str] | None = None
) -> AsyncIterator[ServerProcess]:
    """The server that ``command`` starts, once it has logged ``is at`` and its address.

    Raises `AssertionError` with its log if it ends before that. It is killed at the end of the block.
    """
    run = partial(
        trio.run_process, command, cwd=folder, stderr=PIPE, check=False, env={**os.environ, **(environ or {})}
    )
    async with trio.open_nursery() as nursery:
        process: trio.Process = await nursery.start(run)
        log: list[str] = []
        started = trio.Event()
        nursery.start_soon(_read_log, process, log, started)
        with trio.fail_after(TIMEOUT):
            await started.wait()
        found = _ADDRESS.search("".join(log))
        assert found, "".join(log)
        try:
            yield ServerProcess(process, found[1], log)
        finally:
            if process.returncode is None:
                process.kill()


async def _read_log(process: trio.Process, log: list[str], started: trio.Event) -> None:
    """Keep what the server logs; ``started`` is set once it says where it is, or has ended."""
    assert process.stderr is not None
    async for piece in process.stderr:
        log.append(piece.decode())
        if _ADDRESS.search("".join(log)):
            started.set()
    started.set()
