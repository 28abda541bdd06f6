"""`Instrumentation`: what has to be measured while a server runs, so that it can be looked at later."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

import attrs
import trio
from loguru import logger

from ..conversation.load import LoopWait
from .task_tree import TaskAges

if TYPE_CHECKING:
    from loguru import Message

# A maximum is shown for one to two periods, so that two readers of the metrics see the same.
PERIOD = 30.0  # seconds
# How many warnings are kept: more than a person reads, and 32 KiB each at most.
KEPT = 50


@attrs.define(eq=False)
class RecentMaximum:
    """The greatest value since it was last read, and of the last `PERIOD` at least."""

    _since: float = attrs.field(factory=time.monotonic, init=False)
    _now: tuple[float, str] = attrs.field(default=(0.0, ""), init=False)
    _before: tuple[float, str] = attrs.field(default=(0.0, ""), init=False)

    def add(self, value: float, name: str = "") -> None:
        """Take ``value`` into account; ``name`` says whose it is."""
        if value > self._now[0]:
            self._now = value, name

    @property
    def value(self) -> tuple[float, str]:
        """The greatest value and its name; ``(0.0, "")`` if there was none."""
        longest = max(self._now, self._before)
        if time.monotonic() - self._since > PERIOD:
            self._before, self._now, self._since = self._now, (0.0, ""), time.monotonic()
        return longest


@attrs.define(eq=False)
class PassTimer(trio.abc.Instrument):
    """Times the passes of the event loop: what runs between two looks at the network. Costs 1 µs a pass.

    While a pass runs nobody is served, so the longest one is the longest that a client had to wait.
    """

    longest: RecentMaximum = attrs.field(factory=RecentMaximum, init=False)
    """In seconds."""
    busy: float = attrs.field(default=0.0, init=False)
    """Seconds in all that the loop was not waiting."""
    # Not Trio's clock: it stands still during a pass of a test.
    _began: float = attrs.field(factory=time.perf_counter, init=False)
    _passes: int = attrs.field(default=0, init=False)

    def wait(self) -> LoopWait:
        """What the passes have made tasks wait."""
        return LoopWait(self._passes, self.busy)

    def after_io_wait(self, timeout: float) -> None:
        del timeout
        self._began = time.perf_counter()

    def before_io_wait(self, timeout: float) -> None:
        del timeout
        took = time.perf_counter() - self._began
        self.busy += took
        self.longest.add(took)
        self._passes += 1


@attrs.define(eq=False)
class StepTimer(trio.abc.Instrument):
    """Times each step of each task, and names the task of the longest. Costs 1 µs a step.

    A pass has many steps, so this costs several times as much as `PassTimer`: only for ``debug: true``.
    """

    longest: RecentMaximum = attrs.field(factory=RecentMaximum, init=False)
    """In seconds, with the name of the task."""
    _began: float = attrs.field(factory=time.perf_counter, init=False)

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        del task
        self._began = time.perf_counter()

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        self.longest.add(time.perf_counter() - self._began, task.name)


@attrs.frozen
class LoggedWarning:
    """One log line of level WARNING or above; ``time`` is ISO 8601, ``session`` "" outside of any."""

    time: str
    level: str
    session: str
    message: str


@attrs.define(eq=False)
class RecentWarnings:
    """The last `KEPT` lines of the log of level WARNING or above."""

    _kept: deque[LoggedWarning] = attrs.field(factory=lambda: deque(maxlen=KEPT), init=False)

    def add(self, message: Message) -> None:
        """Keep a line: a sink for loguru. Any thread may log, and a deque's `append` is atomic."""
        record = message.record
        session = str(record["extra"].get("session", ""))
        self._kept.append(
            LoggedWarning(record["time"].isoformat(), record["level"].name, session, record["message"])
        )

    def last(self) -> Sequence[LoggedWarning]:
        """All that are kept, the newest last."""
        return tuple(self._kept)


@contextmanager
def keep_warnings() -> Iterator[RecentWarnings]:
    """Keep the warnings that are logged while the block runs."""
    warnings = RecentWarnings()
    sink = logger.add(warnings.add, level="WARNING", format="{message}", catch=False)
    try:
        yield warnings
    finally:
        logger.remove(sink)


@attrs.frozen
class Instrumentation:
    """The age of each task, how busy the loop was, and the last warnings. ``steps`` only where asked for."""

    ages: TaskAges
    passes: PassTimer
    steps: StepTimer | None
    warnings: RecentWarnings


@asynccontextmanager
async def open_instrumentation(*, time_steps: bool) -> AsyncIterator[Instrumentation]:
    """Measure the Trio run we are in while the block runs; ``time_steps``: each step of a task, too."""
    with keep_warnings() as warnings:
        measured = Instrumentation(TaskAges(), PassTimer(), StepTimer() if time_steps else None, warnings)
        instruments = [each for each in (measured.ages, measured.passes, measured.steps) if each is not None]
        for instrument in instruments:
            trio.lowlevel.add_instrument(instrument)
        try:
            yield measured
        finally:
            for instrument in instruments:
                trio.lowlevel.remove_instrument(instrument)
