"""`WorkerProcess`: a child process that runs an engine, and the frames on its two pipes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial

import attrs
import trio

from ..errors import EngineError, NotBegun, RequestRefused
from .child_process import ANSWER_HEAD, HEAD, SETTINGS, AnswerKind
from .loading import WANTED, DownloadStep, download_listener
from .program import kill_group

LONGEST_ANSWER = 2**20
_KINDS = frozenset(AnswerKind)
_AGAIN = 0.01
"""Seconds until a process is interrupted again: an interrupt before it has begun counts for nothing."""
REAPING = 2.0
"""Seconds that a killed process has to be gone; it takes a few milliseconds unless the machine is stuck."""


@attrs.frozen
class WorkerJob:
    """What a child process runs: a module, its name in error texts, and its ``settings``.

    ``timeout`` is how many seconds it may take to load, and for one request. ``longest_answer`` is in bytes.
    A cancelled request is interrupted, and has ``interruption`` seconds to end before its process is ended.
    """

    module: str
    name: str
    settings: Mapping[str, object]
    timeout: float = 120.0
    longest_answer: int = LONGEST_ANSWER
    interruption: float = 0.0


@attrs.frozen
class ProcessAnswer:
    """One frame of a process: a part of what was asked for, or the end of it."""

    kind: AnswerKind
    body: bytes = attrs.field(repr=False)

    def result(self) -> bytes:
        """The body. Raises `RequestRefused` where the work has failed: the process can do other work."""
        if self.kind is AnswerKind.FAILED:
            raise RequestRefused(self.body.decode("utf-8", "replace"))
        return self.body


@attrs.define(eq=False)
class WorkerProcess:
    """A running process and its two pipes."""

    _job: WorkerJob
    _process: trio.Process
    _loaded: bool = attrs.field(default=False, init=False)
    _begun: bool = attrs.field(default=False, init=False)
    _sent: bool = attrs.field(default=True, init=False)  # no frame is torn
    _received: bytearray = attrs.field(factory=bytearray, init=False, repr=False)

    @classmethod
    async def start(cls, job: WorkerJob) -> WorkerProcess:
        """Returns when it runs; it loads then."""
        listens = download_listener.get() is not None
        try:
            process = await trio.lowlevel.open_process(
                [sys.executable, "-m", job.module],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, SETTINGS: json.dumps(dict(job.settings)), WANTED: "1" if listens else ""},
                # A Ctrl-C in the terminal is for the backend, which lets its turns end.
                start_new_session=True,
            )
        except OSError as error:
            raise EngineError(f"{job.name}: no process can be started: {error.strerror}") from error
        return cls(job, process)

    async def wait_loaded(self) -> None:
        """Wait until it is loaded. Raises `EngineError` if it cannot be; a cancel leaves it loading."""
        if not self._loaded:
            (await self._in_time(self._job.timeout, self._receive)).result()
            self._loaded = True

    @property
    def has_ended(self) -> bool:
        """Whether the process is known to have ended."""
        return self._process.poll() is not None

    async def ask(self, request: bytes, *, within: float | None = None) -> ProcessAnswer:
        """One request and its answer, or the first part of that, ``within`` seconds or the job's timeout.

        Raises `EngineError` if the process ends, or takes too long. That is a `NotBegun` if it ends before it
        begins with the request.
        """
        self._begun = False
        try:
            return await self._in_time(within or self._job.timeout, partial(self._exchange, request))
        except EngineError as error:
            if self._begun or not self.has_ended:
                raise
            raise NotBegun(str(error)) from None

    async def receive(self, *, within: float) -> ProcessAnswer:
        """The next part of the answer, or its end. Raises as `ask`."""
        return await self._in_time(within, self._receive)

    async def stop(self) -> bool:
        """Have it stop what it does for the request, of which the answer is thrown away.

        Returns whether it can be asked again; not if the request was cut in the middle. Raises as `ask`.
        """
        if not self._sent:
            return False
        answer = await self._in_time(self._job.timeout, partial(self._exchange, b""))
        while answer.kind is AnswerKind.PART:
            answer = await self.receive(within=self._job.timeout)
        return True

    async def interrupted(self) -> bool:
        """Whether an interrupt has ended the request, in the time that the job has for that.

        If so, the process is ready for the next one. A part of a request cannot be taken back.
        """
        if sys.platform == "win32" or not (self._sent and self._job.interruption):
            return False
        with trio.move_on_after(self._job.interruption, shield=True):
            while not self.has_ended:
                self._process.send_signal(signal.SIGINT)
                with trio.move_on_after(_AGAIN):
                    try:
                        await self._receive()
                    except (trio.BrokenResourceError, trio.ClosedResourceError, EOFError, EngineError):
                        return False
                    return True
        return False

    async def end(self) -> None:
        """Kill it, with what it has started, close its pipes, and wait until it is gone.

        Doing it twice is harmless.
        """
        with trio.move_on_after(REAPING, shield=True):
            # Libraries run programs, such as espeak-ng for phonemes, or another Python.
            kill_group(self._process)
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    await pipe.aclose()
            await self._process.wait()

    async def _in_time(self, within: float, do: Callable[[], Awaitable[ProcessAnswer]]) -> ProcessAnswer:
        with trio.move_on_after(within):
            try:
                return await do()
            except (trio.BrokenResourceError, trio.ClosedResourceError, EOFError):
                how = await self._exit_code()
                raise EngineError(f"{self._job.name}: its process ended unexpectedly ({how})") from None
        raise EngineError(f"{self._job.name}: no answer within {within:g} s")

    async def _exchange(self, request: bytes) -> ProcessAnswer:
        assert self._process.stdin is not None
        self._sent = False
        for part in (HEAD.pack(len(request)), request):
            await self._process.stdin.send_all(part)
        self._sent = True
        return await self._receive()

    async def _receive(self) -> ProcessAnswer:
        """The next answer. A cancel loses no byte: the next call gets the whole answer."""
        assert self._process.stdout is not None
        while True:
            if len(self._received) >= ANSWER_HEAD.size:
                kind, size = ANSWER_HEAD.unpack_from(self._received)
                if size > self._job.longest_answer or kind not in _KINDS:
                    raise EngineError(f"{self._job.name}: its process sent something that is not an answer")
                end = ANSWER_HEAD.size + size
                if len(self._received) >= end:
                    body = bytes(self._received[ANSWER_HEAD.size : end])
                    del self._received[:end]
                    if kind == AnswerKind.DOWNLOADING:
                        _tell(body)
                    elif kind == AnswerKind.BEGUN:
                        self._begun = True
                    else:
                        return ProcessAnswer(AnswerKind(kind), body)
                    continue
            more = await self._process.stdout.receive_some()
            if not more:
                raise EOFError
            self._received += more

    async def _exit_code(self) -> str:
        with trio.move_on_after(1):
            code = await self._process.wait()
            return f"signal {-code}" if code < 0 else f"exit code {code}"
        return "it still runs, but says nothing more"


def _tell(body: bytes) -> None:
    """Hand the step of a download to whoever listens in this task."""
    listener = download_listener.get()
    if listener is not None:
        with suppress(ValueError):
            listener(DownloadStep.decode(body))
