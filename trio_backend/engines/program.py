"""A program that does one piece of an engine's work and ends: bytes in, bytes out."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from subprocess import PIPE

import attrs
import trio

from ..errors import EngineError, SettingsError
from .settings import Environment

LONGEST_COMPLAINT = 4_096
"""Bytes of standard error that are kept; programs write a line."""


@attrs.frozen
class ProcessResult:
    """A process that has ended: its exit code, and what it wrote."""

    returncode: int
    output: bytes = attrs.field(repr=False)
    complaint: bytes = attrs.field(repr=False)


def command_of(settings: Mapping[str, object], environment: Environment) -> object:
    """The setting ``command``: a program and its arguments, from a list, or from a text as in a shell.

    A program's name is looked up as in a shell, unless it is a path, which starts at the configuration's
    folder. Raises `SettingsError`; a value that is neither list nor text is returned as it is, since who
    reads the settings refuses that.
    """
    words = settings.get("command")
    if isinstance(words, str):
        try:
            words = shlex.split(words)
        except ValueError as error:
            raise SettingsError("command", f"cannot be read as a shell would: {error}") from None
    if not words:
        raise SettingsError("command", "is missing: write a program and its arguments")
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        return words
    if any("\0" in word for word in words):
        raise SettingsError("command", "holds a zero byte")
    program, *arguments = words
    if "/" in program or "\\" in program:
        program = str(environment.folder / Path(program).expanduser())
    return [program, *arguments]


def missing_program(command: Sequence[str]) -> list[str]:
    """The program of `command_of`, if there is none of that name; blocking."""
    found = shutil.which(command[0])
    return [] if found else [f"there is no program {command[0]}; install it, or correct command"]


async def run_program(name: str, command: Sequence[str], data: bytes, most: int) -> ProcessResult | None:
    """Run ``command`` with ``data`` as its input; None if it wrote more than ``most`` bytes, and was killed.

    Raises `EngineError`, which calls the program ``name``, if it cannot be started. A cancel kills it, with
    what it has started itself, and waits until it is gone.
    """
    start = partial(
        trio.run_process,
        command,
        stdin=data,
        stdout=PIPE,
        stderr=PIPE,
        check=False,
        deliver_cancel=_kill,
        # A Ctrl-C in the terminal is for the backend, which lets its turns end.
        start_new_session=True,
    )
    problem: OSError | None = None
    output, complaint = bytearray(), bytearray()
    async with trio.open_nursery() as nursery:
        try:
            process: trio.Process = await nursery.start(start)
        except OSError as error:
            problem = error  # out of the nursery it comes bare
        else:
            nursery.start_soon(_keep_first, process.stderr, complaint)
            assert process.stdout is not None
            async for piece in process.stdout:
                output += piece
                if len(output) > most:
                    nursery.cancel_scope.cancel("it writes without end")
    if problem is not None:
        raise EngineError(f"{name} cannot be started: {problem.strerror}") from problem
    assert process.returncode is not None
    return ProcessResult(process.returncode, bytes(output), bytes(complaint)) if len(output) <= most else None


async def _keep_first(stream: trio.abc.ReceiveStream | None, into: bytearray) -> None:
    """Read to the end, so that the process can go on writing; keep the first `LONGEST_COMPLAINT` bytes."""
    assert stream is not None
    async for piece in stream:
        into += piece[: LONGEST_COMPLAINT - len(into)]


async def _kill(process: trio.Process) -> None:
    # It holds nothing that would want tidying, and the user has begun to speak.
    kill_group(process)


def kill_group(process: trio.Process) -> None:
    """Kill a process that leads a session of its own, with what it has started; a dead one is left alone.

    A script that is killed alone would leave what it waits for, with our pipes in its hands.
    """
    # The number of one that was waited for may be another's by now.
    if sys.platform != "win32" and process.poll() is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
