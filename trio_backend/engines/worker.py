"""`Worker`: an engine in a child process, for libraries that hold the interpreter or cannot be stopped."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from contextvars import Context, copy_context
from functools import partial

import attrs
import trio
from loguru import logger

from ..errors import EngineError, NotBegun
from .child_process import ANSWER_HEAD, HEAD, SETTINGS, AnswerKind

LONGEST_ANSWER = 2**20
_KINDS = frozenset(AnswerKind)
REAPING = 2.0
"""Seconds that a killed process has to be gone; it takes a few milliseconds unless the machine is stuck."""


@attrs.frozen
class WorkerJob:
    """What a child process runs: a module, its name in error texts, and its ``settings``.

    ``timeout`` is how many seconds it may take to load, and for one request. ``longest_answer`` is in bytes.
    """

    module: str
    name: str
    settings: Mapping[str, object]
    timeout: float = 120.0
    longest_answer: int = LONGEST_ANSWER


@asynccontextmanager
async def open_worker(job: WorkerJob) -> AsyncIterator[Worker]:
    """A loaded child process. Raises `EngineError` with the child's own words if it cannot load.

    Leaving the block, or cancelling it at any moment, ends the process.
    """
    first = await _Child.start(job)
    try:
        # Outside the nursery, whose errors come in groups.
        await first.wait_loaded()
        async with trio.open_nursery() as nursery:
            worker = Worker(job, nursery, first)
            try:
                yield worker
            finally:
                nursery.cancel_scope.cancel("the worker is no longer wanted")
                await worker.close()
    finally:
        await first.end()


@attrs.define(eq=False)
class Worker:
    """One child process that answers one request at a time; the others queue, first come, first served.

    A request that is cancelled or takes too long ends the process, since nothing else stops its
    libraries; the next process begins to load at once, before anybody asks for it. A process that has
    ended by itself before it began with a request costs that request only the time to load another.
    """

    _job: WorkerJob
    _nursery: trio.Nursery
    _child: _Child | None
    _turn: trio.Lock = attrs.field(factory=trio.Lock, init=False)
    _closed: bool = attrs.field(default=False, init=False)
    # A replacement belongs to no request: its log lines must not have the id of the last session.
    _context: Context = attrs.field(factory=copy_context, init=False, repr=False)

    async def ask(self, request: bytes) -> str:
        """As `fetch`, of an answer that is a text."""
        return (await self.fetch(request)).decode("utf-8", "replace")

    async def fetch(self, request: bytes) -> bytes:
        """The answer to ``request``. Raises `EngineError`. A cancelled one no longer runs when it returns."""
        async with self._turn:
            try:
                answer = await self._ask(request)
            except NotBegun as ended:
                # It was killed while it was idle, perhaps by the system for want of memory.
                # Only once: a process that always ends must not be restarted for ever.
                logger.warning("{}; another one is started", ended)
                answer = await self._ask(request)
        return answer.result()

    async def close(self) -> None:
        """End the process, if there is one, and wait until it is gone; requests fail from now on."""
        self._closed = True
        await self._end()

    async def _ask(self, request: bytes) -> _ChildAnswer:
        child = await self._loaded()
        try:
            return await child.ask(request)
        except NotBegun:
            await self._end()
            raise
        except BaseException:
            await self._end()
            if not self._closed:
                name = f"{self._job.name}/replacement"
                self._context.run(partial(self._nursery.start_soon, self._replace, name=name))
            raise

    async def _loaded(self) -> _Child:
        if self._child is None:
            await self._start()
        assert self._child is not None
        try:
            await self._child.wait_loaded()
        except EngineError:
            await self._end()
            raise
        return self._child

    async def _start(self) -> None:
        self._check_open()
        self._child = await _Child.start(self._job)
        try:
            self._check_open()
        except EngineError:
            await self._end()
            raise

    def _check_open(self) -> None:
        if self._closed:
            raise EngineError(f"{self._job.name}: it was closed")

    async def _replace(self) -> None:
        """Load the next process now, so that no request waits for it."""
        async with self._turn:
            try:
                await self._loaded()
            except EngineError as error:
                # The next request tries again, and raises the error.
                logger.debug("no replacement: {}", error)

    async def _end(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            await child.end()


@attrs.frozen
class _ChildAnswer:
    kind: AnswerKind
    body: bytes = attrs.field(repr=False)

    def result(self) -> bytes:
        if self.kind is AnswerKind.FAILED:
            raise EngineError(self.body.decode("utf-8", "replace"))
        return self.body


@attrs.define(eq=False)
class _Child:
    """A running process and its two pipes."""

    _job: WorkerJob
    _process: trio.Process
    _loaded: bool = attrs.field(default=False, init=False)
    _begun: bool = attrs.field(default=False, init=False)
    _received: bytearray = attrs.field(factory=bytearray, init=False, repr=False)

    @classmethod
    async def start(cls, job: WorkerJob) -> _Child:
        """Returns when it runs; it loads then."""
        try:
            process = await trio.lowlevel.open_process(
                [sys.executable, "-m", job.module],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, SETTINGS: json.dumps(dict(job.settings))},
                # A Ctrl-C in the terminal is for the backend, which lets its turns end.
                start_new_session=True,
            )
        except OSError as error:
            raise EngineError(f"{job.name}: no process can be started: {error.strerror}") from error
        return cls(job, process)

    async def wait_loaded(self) -> None:
        """Wait until it is loaded. Raises `EngineError` if it cannot be; a cancel leaves it loading."""
        if not self._loaded:
            (await self._in_time(b"")).result()
            self._loaded = True

    @property
    def has_ended(self) -> bool:
        """Whether the process is known to have ended."""
        return self._process.poll() is not None

    async def ask(self, request: bytes) -> _ChildAnswer:
        """One request and its answer. Raises `EngineError` if the process ends, or takes too long.

        That is a `NotBegun` if it ends before it begins with the request.
        """
        self._begun = False
        try:
            return await self._in_time(HEAD.pack(len(request)), request)
        except EngineError as error:
            if self._begun or not self.has_ended:
                raise
            raise NotBegun(str(error)) from None

    async def end(self) -> None:
        """Kill it, close its pipes, and wait until it is gone. Doing it twice is harmless."""
        with trio.move_on_after(REAPING, shield=True):
            self._process.kill()
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    await pipe.aclose()
            await self._process.wait()

    async def _in_time(self, *parts: bytes) -> _ChildAnswer:
        with trio.move_on_after(self._job.timeout):
            try:
                return await self._exchange(*parts)
            except (trio.BrokenResourceError, trio.ClosedResourceError, EOFError):
                how = await self._exit_code()
                raise EngineError(f"{self._job.name}: its process ended unexpectedly ({how})") from None
        raise EngineError(f"{self._job.name}: no answer within {self._job.timeout:g} s")

    async def _exchange(self, *parts: bytes) -> _ChildAnswer:
        assert self._process.stdin is not None
        for part in parts:
            await self._process.stdin.send_all(part)
        return await self._receive()

    async def _receive(self) -> _ChildAnswer:
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
                    if kind != AnswerKind.BEGUN:
                        return _ChildAnswer(AnswerKind(kind), body)
                    self._begun = True
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
