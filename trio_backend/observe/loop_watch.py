"""The event loop's longest passes and steps: what makes everybody else wait."""

from __future__ import annotations

import time

import attrs
import trio

# What was longest stays so for one to two periods, so that two readers see the same.
PERIOD = 30.0  # seconds


@attrs.define(eq=False)
class Longest:
    """The greatest of the values since it was last read, and of the last `PERIOD` at least."""

    _since: float = attrs.field(factory=time.monotonic, init=False)
    _now: tuple[float, str] = attrs.field(default=(0.0, ""), init=False)
    _before: tuple[float, str] = attrs.field(default=(0.0, ""), init=False)

    def add(self, value: float, name: str = "") -> None:
        """Take ``value`` into account; ``name`` says whose it is."""
        if value > self._now[0]:
            self._now = value, name

    @property
    def value(self) -> tuple[float, str]:
        """The greatest, and whose it was; ``(0.0, "")`` if there were none."""
        longest = max(self._now, self._before)
        if time.monotonic() - self._since > PERIOD:
            self._before, self._now, self._since = self._now, (0.0, ""), time.monotonic()
        return longest


@attrs.define(eq=False)
class PassWatch(trio.abc.Instrument):
    """Times the loop's passes: all that runs between two looks at the network. 1 µs a pass."""

    longest: Longest = attrs.field(factory=Longest, init=False)
    busy: float = attrs.field(default=0.0, init=False)
    """Seconds in all that the loop was not waiting."""
    _began: float = attrs.field(factory=time.perf_counter, init=False)

    def after_io_wait(self, timeout: float) -> None:
        del timeout
        self._began = time.perf_counter()

    def before_io_wait(self, timeout: float) -> None:
        del timeout
        took = time.perf_counter() - self._began
        self.busy += took
        self.longest.add(took)


@attrs.define(eq=False)
class StepWatch(trio.abc.Instrument):
    """Times each step of each task, and says whose the longest was. 1 µs a step: for looking closely."""

    longest: Longest = attrs.field(factory=Longest, init=False)
    _began: float = attrs.field(factory=time.perf_counter, init=False)

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        del task
        self._began = time.perf_counter()

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        self.longest.add(time.perf_counter() - self._began, task.name)
