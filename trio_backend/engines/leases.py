"""Engines are opened once per distinct configuration, shared, and closed with the last lease."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from contextvars import Context, copy_context
from functools import partial
from typing import Any, Literal

import attrs
import outcome
import trio
from loguru import logger

from ..errors import EngineError, UnfitSetting, without
from .fallback import MemberStatistics
from .fallback_engines import FallbackSettings, members_of, open_fallbacks
from .registry import EngineConfig, label, open_engine

CLOSING_GRACE = 10.0
"""Seconds that a new lease waits for an engine of its configuration that is closing."""

LESSEES_NAMED = 50
"""Lessees whose names statistics tell: a room can have thousands, and an operator reads one screen."""

State = Literal["loading", "open", "closing"]


@attrs.frozen
class EngineStatistics:
    """One engine: how many leases it has, what it is doing, and for how many seconds it has existed.

    ``lessees`` are the names of the tasks that hold the first `LESSEES_NAMED` leases. ``members`` are the
    engines of a list, which are among all engines, too.
    """

    kind: str
    name: str
    leases: int
    state: State
    age: float
    lessees: tuple[str, ...]
    members: tuple[MemberStatistics, ...] = ()


@attrs.frozen
class LeasesStatistics:
    """All engines that exist, the oldest first; those that are closing are among them."""

    engines: tuple[EngineStatistics, ...]


@attrs.define(eq=False)
class _Holder:
    """One engine and the task that keeps it open."""

    config: EngineConfig
    began: float = attrs.field(factory=trio.current_time)
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    settled: trio.Event = attrs.field(factory=trio.Event)
    closed: trio.Event = attrs.field(factory=trio.Event)
    engine: Any = None
    problem: str = ""
    unfit: str = ""
    """The setting that is to blame for the problem, where that is known."""
    lessees: list[trio.lowlevel.Task] = attrs.field(factory=list)

    @property
    def leases(self) -> int:
        return len(self.lessees)

    @property
    def state(self) -> State:
        if self.leases == 0 or self.problem:
            return "closing"
        return "open" if self.settled.is_set() else "loading"

    def error(self) -> EngineError:
        """The problem, for one lessee."""
        return UnfitSetting(self.unfit, self.problem) if self.unfit else EngineError(self.problem)

    def statistics(self) -> EngineStatistics:
        named = tuple(task.name for task in self.lessees[:LESSEES_NAMED])
        age = trio.current_time() - self.began
        kind, name, members = self.config.kind, self.config.name, members_of(self.engine)
        return EngineStatistics(kind, name, self.leases, self.state, age, named, members)


@attrs.define(eq=False)
class Leases:
    """All engines of the process. Their tasks run in the nursery given, so they end with it.

    `open` is what opens an engine; it is asked once for all leases that overlap.
    """

    _nursery: trio.Nursery
    _open: Callable[[EngineConfig], AbstractAsyncContextManager[Any]] = open_engine
    _shared: dict[EngineConfig, _Holder] = attrs.field(factory=dict, init=False)
    _holders: list[_Holder] = attrs.field(factory=list, init=False)
    _closed: bool = attrs.field(default=False, init=False)
    # An engine belongs to no session: what is logged of it must not bear the id of the first who leased it.
    _context: Context = attrs.field(factory=copy_context, init=False, repr=False)

    def close(self) -> None:
        """Open nothing from now on: the nursery is about to be left. `lease` raises `EngineError`."""
        self._closed = True

    @asynccontextmanager
    async def lease(self, config: EngineConfig) -> AsyncIterator[Any]:
        """The engine of ``config``, open at least until the block is left.

        Waits while it loads; giving up stops the loading, unless somebody else waits for it too.
        Raises `EngineError` (each lessee one of its own) if it cannot be opened; the next lease tries
        anew. Leaving the block does not wait for the engine to close. A lease that comes while an
        equal one is closing waits for that, at most `CLOSING_GRACE`, and gets a new one: so two of them
        never share a port or a file. An engine that breaks down while it is leased is logged and
        forgotten: its own calls raise `EngineError` from then on, and the next lease opens a new one.
        """
        if self._closed:
            raise EngineError("the server is closing: no engine is opened any more")
        holder = self._shared.get(config) or self._start(config)
        lessee = trio.lowlevel.current_task()
        holder.lessees.append(lessee)
        try:
            await holder.settled.wait()
            if holder.problem:
                raise holder.error()
            yield holder.engine
        finally:
            holder.lessees.remove(lessee)
            if holder.leases == 0:
                self._forget(holder)
                holder.scope.cancel("the last lease was returned")

    def is_open(self, config: EngineConfig) -> bool:
        """Whether somebody has an engine of ``config`` that works."""
        holder = self._shared.get(config)
        return holder is not None and holder.state == "open"

    async def wait_broken(self, config: EngineConfig) -> str:
        """Until the engine of ``config``, on which the caller has just got a lease, breaks down.

        Gives what is wrong with it.
        """
        holder = self._shared[config]
        await holder.closed.wait()
        return holder.problem

    def statistics(self) -> LeasesStatistics:
        """What exists right now."""
        return LeasesStatistics(tuple(holder.statistics() for holder in self._holders))

    def _start(self, config: EngineConfig) -> _Holder:
        predecessors = [holder for holder in self._holders if holder.config == config]
        holder = _Holder(config)
        name = f"engine {label(config)}"
        self._context.run(partial(self._nursery.start_soon, self._hold, holder, predecessors, name=name))
        self._shared[config] = holder
        self._holders.append(holder)
        return holder

    def _forget(self, holder: _Holder) -> None:
        if self._shared.get(holder.config) is holder:
            del self._shared[holder.config]

    async def _hold(self, holder: _Holder, predecessors: list[_Holder]) -> None:
        try:
            with holder.scope:
                await trio.lowlevel.checkpoint()  # a lease that is given up in the same moment starts nothing
                await self._wait_closed(predecessors)
                # Captured, not caught: a bug in one adapter must end in the sessions that lease it,
                # and not in the nursery that all of them share.
                ended = await outcome.acapture(self._stay_open, holder)
                if isinstance(ended, outcome.Error):
                    self._break_down(holder, ended.error)
        finally:
            self._forget(holder)
            self._holders.remove(holder)
            holder.problem = holder.problem or f"the engine {label(holder.config)} was closed"
            holder.settled.set()
            holder.closed.set()

    async def _stay_open(self, holder: _Holder) -> None:
        what, began = label(holder.config), trio.current_time()
        async with self._opened(holder.config) as engine:
            holder.engine = engine
            holder.settled.set()
            logger.info("engine {} is ready after {:.2f} s", what, trio.current_time() - began)
            await trio.sleep_forever()

    def _opened(self, config: EngineConfig) -> AbstractAsyncContextManager[Any]:
        if isinstance(config.settings, FallbackSettings):
            # Its engines are leased too, so they are shared with whoever has chosen one of them alone.
            return open_fallbacks(config.settings, self)
        return self._open(config)

    def _break_down(self, holder: _Holder, error: BaseException) -> None:
        """Keep what the lessees will be told; a plain cancellation is no problem."""
        what, problem = label(holder.config), without(error, trio.Cancelled)
        if problem is None:
            return
        if not isinstance(problem, Exception):
            raise problem
        if isinstance(problem, UnfitSetting):
            # Each lessee tells it, with the place of the setting, which is not known here.
            holder.problem, holder.unfit = str(problem), problem.key
            logger.debug("engine {}: {}", what, problem)
        elif isinstance(problem, EngineError):
            holder.problem = str(problem)
            logger.warning("engine {}: {}", what, problem)
        else:
            holder.problem = f"the engine {what} broke down ({type(problem).__name__}); the log says where"
            logger.opt(exception=problem).error("engine {} broke down", what)

    @staticmethod
    async def _wait_closed(predecessors: list[_Holder]) -> None:
        with trio.move_on_after(CLOSING_GRACE) as grace:
            for holder in predecessors:
                await holder.closed.wait()
        if grace.cancelled_caught:
            what = label(predecessors[0].config)
            logger.warning("engine {} takes more than {} s to close; opening another", what, CLOSING_GRACE)
