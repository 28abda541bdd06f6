"""The processes that prove starts: the server that it measures, in a temporary folder, and its engines."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
import tempfile
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from subprocess import DEVNULL, PIPE, CalledProcessError

import attrs
import trio

from ..client.address import ServerAddress
from ..errors import ConfigError, NoConnection
from .client import server_address
from .cores import pin
from .engines import EngineServerAddress
from .plan import Plan
from .stand_ins import write_conversations, write_stand_ins

# Seconds. The start takes one; a slow machine may need many. Stopping drains the turns that still run.
START_TIMEOUT, STOP_TIMEOUT = 30.0, 15.0
# Seconds; the import of 5 000 conversations takes three.
IMPORT_TIMEOUT = 120.0
KEPT_LINES = 40
"""How many lines of its log are kept, to be shown if it does not start."""

_ADDRESS = re.compile(r" is at (https?://\S+)")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")


@attrs.frozen
class ServerProgram:
    """The command that runs trio-backend, without its arguments, and what it adds to the environment."""

    command: Sequence[str] = (sys.executable, "-m", "trio_backend")
    environment: Mapping[str, str] = attrs.field(factory=dict)

    @classmethod
    def parse(cls, text: str) -> ServerProgram:
        """The program that a shell would run: ``PYTHONPATH=old python -m trio_backend``; "" is this one.

        Raises `ConfigError` where it names none.
        """
        if not text.strip():
            return cls()
        try:
            words = shlex.split(text)
        except ValueError as error:
            raise ConfigError(f"{text!r} is no command: {error}") from None
        count = next((at for at, word in enumerate(words) if not _ASSIGNMENT.match(word)), len(words))
        if count == len(words):
            raise ConfigError(f"{text!r} names no program: give one such as 'python -m trio_backend'")
        assigned = (word.partition("=") for word in words[:count])
        if shutil.which(words[count]) is None:
            raise ConfigError(f"there is no program {words[count]!r}")
        return cls(tuple(words[count:]), {name: value for name, _, value in assigned})


@attrs.frozen
class OwnServer:
    """A process that prove has started: its address and its process id."""

    address: ServerAddress
    pid: int


@asynccontextmanager
async def open_engine_server(
    cores: Sequence[int] = (), *, voice: bool = False
) -> AsyncIterator[EngineServerAddress]:
    """The engine server, ended with the block: see `engine_server`, or `voice_engine_server` for ``voice``.

    Raises `NoConnection`.
    """
    module = "voice_engine_server" if voice else "engine_server"
    engines = ServerProgram((sys.executable, "-m", f"trio_backend.prove.{module}"))
    async with _open_process(engines, Path.cwd(), cores) as server:
        yield EngineServerAddress(server.address.port, server.pid)


@asynccontextmanager
async def open_own_server(
    plan: Plan, *, program: ServerProgram | None = None, cores: Sequence[int] = ()
) -> AsyncIterator[OwnServer]:
    """A server with stand-in characters that is ready; it is ended with the block.

    Raises `NoConnection` if it does not start.
    """
    program = program or ServerProgram()
    with tempfile.TemporaryDirectory(prefix="trio-backend-prove-") as name:
        folder = Path(name)
        config = write_stand_ins(folder, plan)
        if plan.engines == "http" and plan.conversations:
            await _import_conversations(program, config, plan.conversations)
        serve = attrs.evolve(program, command=(*program.command, "serve", str(config)))
        async with _open_process(serve, folder, cores) as server:
            yield server


async def _import_conversations(program: ServerProgram, config: Path, count: int) -> None:
    """By the program itself, which knows how it keeps them."""
    folder = await trio.to_thread.run_sync(write_conversations, config.parent, count)
    try:
        with trio.fail_after(IMPORT_TIMEOUT):
            await trio.run_process(
                [*program.command, "import-history", str(folder), "--config", str(config)],
                cwd=config.parent, stdin=DEVNULL, capture_stdout=True, capture_stderr=True,
                env={**os.environ, **program.environment},
            )  # fmt: skip
    except CalledProcessError as error:
        said = error.stderr.decode(errors="replace")
        raise NoConnection(f"the conversations could not be imported:\n{said}") from error
    except trio.TooSlowError as error:
        raise NoConnection(f"the import of {count} conversations took over {IMPORT_TIMEOUT:g} s") from error


@asynccontextmanager
async def _open_process(
    program: ServerProgram, folder: Path, cores: Sequence[int]
) -> AsyncIterator[OwnServer]:
    """Run ``program`` on ``cores`` until the block ends; it has said where it listens."""
    async with trio.open_nursery() as nursery:
        process: trio.Process = await nursery.start(_run, program, folder)
        with suppress(ProcessLookupError):  # it has failed already, and its log says why
            pin(process.pid, cores)
        log = _ServerLog()
        nursery.start_soon(log.follow, process)
        with trio.move_on_after(START_TIMEOUT):
            await log.ready.wait()
        if not log.address:
            raise NoConnection("the server that prove measures did not start:\n" + "\n".join(log.lines))
        try:
            yield OwnServer(server_address(log.address), process.pid)
        finally:
            # Its log is read to the end: a server whose log nobody reads would have to wait.
            with trio.move_on_after(STOP_TIMEOUT, shield=True):
                process.terminate()
                await process.wait()
            nursery.cancel_scope.cancel("measured")


async def _run(program: ServerProgram, folder: Path, *, task_status: trio.TaskStatus[trio.Process]) -> None:
    await trio.run_process(
        list(program.command),
        cwd=folder, stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE, capture_stderr=False,
        check=False, env={**os.environ, **program.environment}, task_status=task_status,
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
