"""`Fallbacks`: several engines of one kind, of which the first that works is used.

An engine that cannot be opened, or fails when it is asked, is left for the next one for some time. Whoever
shares the list shares that: the first to find a service dead waits for it, and nobody else does.
fallback_engines.py makes one language model, recogniser or synthesis of a list.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from contextvars import Context, copy_context
from functools import partial
from typing import Any, Generic, Literal, TypeAlias, TypeVar

import attrs
import trio
from loguru import logger

from ..errors import EngineError, EngineReplaced, RequestRefused
from .registry import EngineConfig, EngineSource, label

E = TypeVar("E")
T = TypeVar("T")

LOADING_PATIENCE = 2.0
"""Seconds that a request waits for an engine that is being loaded, where there is another one behind it. One
behind HTTP is open within 0.1 s; a local model may take a minute, in which the next one can speak."""

RETRY_PATIENCE = 10.0
"""Seconds within which an engine that failed before has to begin with its answer when it is tried again;
twice the time that this took when it last worked comes on top. A service that takes connections and is silent
would otherwise cost a sentence its whole timeout, which is a minute, once in each minute."""

MemberState: TypeAlias = Literal["in use", "ready", "left", "loading", "not loaded"]


@attrs.frozen
class MemberStatistics:
    """One engine of a list. ``left`` is for how many seconds more it is not asked."""

    name: str
    state: MemberState
    left: float = 0.0


@attrs.frozen(eq=False)
class Replacement:
    """Another engine is used since one failed. ``text`` is for people. Each failure has its own object."""

    text: str


@attrs.define(eq=False)
class _Member(Generic[E]):
    """One of the engines."""

    config: EngineConfig
    engine: E | None = attrs.field(default=None, init=False)
    """Itself, while it is open."""
    loading: trio.Event | None = attrs.field(default=None, init=False)
    """There from the moment it is needed, and set once it is open or could not be opened."""
    left_until: float | None = attrs.field(default=None, init=False)
    """Until when it is not asked; None: it has not failed, or has worked since."""
    tried_again: bool = attrs.field(default=False, init=False)
    """Whether a request finds out right now if it works again."""
    works: bool = attrs.field(default=False, init=False)  # It has answered once.
    problem: str = attrs.field(default="", init=False, repr=False)
    took: float = attrs.field(default=0.0, init=False)
    """Seconds from the request to its first sign of life, when it last worked."""
    attempts: set[Attempt] = attrs.field(factory=set, init=False, repr=False)
    """Those to which it has not answered yet."""

    def is_left(self) -> bool:
        return self.left_until is not None and trio.current_time() < self.left_until


@attrs.define(eq=False)
class Attempt:
    """One engine is asked for one thing. Until it has answered, the next engine can be asked instead."""

    _member: _Member[Any]
    again: float | None
    """Until when the engine was to be left, if it is tried again after a failure."""
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    began: float = attrs.field(default=math.inf, init=False)
    _alive: bool = attrs.field(default=False, init=False)
    has_answered: bool = attrs.field(default=False, init=False)

    def expect(self) -> None:
        """It has all that it needs: its time runs from now on, if it is one that has failed before."""
        self.began = trio.current_time()
        if self.again is not None:
            self.scope.deadline = self.began + RETRY_PATIENCE + 2 * self._member.took

    def is_alive(self) -> None:
        """It does something, such as to think: it may take its time."""
        if not self._alive and not self.scope.cancel_called:
            self._alive, self.scope.deadline = True, math.inf
            self._member.took = max(0.0, trio.current_time() - self.began)

    def answered(self) -> None:
        """Something of the answer is handed out, so that nobody else can give it any more."""
        if self.has_answered or self.scope.cancel_called:
            return
        self.is_alive()
        member = self._member
        self.has_answered = member.works = True
        member.attempts.discard(self)
        if self.again is not None and member.left_until == self.again:
            member.left_until, member.tried_again = None, False
            logger.info("{} works again", label(member.config))


@attrs.define(eq=False)
class Fallbacks(Generic[E]):
    """The engines of a list, in the order in which they are preferred.

    The first is opened at once (`open_first`), the others when they are needed; what was opened stays so.
    Their tasks run in the nursery given, which the caller cancels.
    """

    _configs: tuple[EngineConfig, ...]
    _seconds: float
    """For how long one that failed is left."""
    _source: EngineSource
    _nursery: trio.Nursery
    _members: tuple[_Member[E], ...] = attrs.field(init=False)
    _replacement: Replacement | None = attrs.field(default=None, init=False)
    # The list belongs to no session: what is logged of its loading must not bear the id of one.
    _context: Context = attrs.field(factory=copy_context, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        self._members = tuple(_Member[E](config) for config in self._configs)

    @property
    def current(self) -> E | None:
        """The engine that the next request is going to ask, if one is open."""
        member = self._current()
        return None if member is None else member.engine

    @property
    def replacement(self) -> Replacement | None:
        """Why another engine than the first is used, as long as that is so."""
        return self._replacement if any(member.is_left() for member in self._members) else None

    def statistics(self) -> tuple[MemberStatistics, ...]:
        """Each engine at this moment, in the order of the list."""
        return tuple(self._statistics_of(member) for member in self._members)

    async def open_first(self) -> None:
        """Wait until an engine is open: the first, or where that cannot be opened the next.

        Raises `EngineError` if none can.
        """
        for member in self._members:
            await self._load(member).wait()
            if member.engine is not None:
                return
        raise self._none_left()

    async def ask(self, request: Callable[[E, Attempt], Awaitable[T]]) -> T:
        """What ``request`` gives with the first engine that works.

        ``request`` calls `Attempt.expect` when the engine has all that it needs. If it hands something out
        before it returns, it calls `Attempt.answered` first. Until then, it is cancelled and begun anew with
        the next engine: when its engine fails, here or in another request, or, being tried again after a
        failure, does not answer within `RETRY_PATIENCE`. A `RequestRefused` moves this request alone.

        Raises the last `EngineError` if all fail; `EngineReplaced` if one fails after it has answered, and is
        left for another. A cancel is passed on to the engine.
        """
        tried: list[_Member[E]] = []
        failure: EngineError | None = None
        while (member := await self._choose(tried)) is not None:
            tried.append(member)
            assert member.engine is not None
            attempt = self._begin(member)
            try:
                with attempt.scope:
                    result = await request(member.engine, attempt)
                    attempt.answered()
                    return result
            except EngineError as error:
                failure = error
                if isinstance(error, RequestRefused) and member.works:
                    # Or whoever says what a provider does not allow would take the engine from all others.
                    if attempt.has_answered:
                        raise
                    logger.info("{} refused a request: {}", label(member.config), error)
                    continue
                self._leave(member, str(error))
                if attempt.has_answered:
                    if not member.is_left():
                        raise
                    raise EngineReplaced(str(error)) from error
            finally:
                self._end(member, attempt)
            if attempt.scope.cancelled_caught and not member.is_left():
                failure = EngineError(f"{member.config.name}: it does not answer")
                self._leave(member, str(failure))
        raise failure or self._none_left()

    # Which one.

    def _current(self) -> _Member[E] | None:
        ready = [member for member in self._members if member.engine is not None]
        usable = (member for member in ready if not member.is_left() and not member.tried_again)
        return next(usable, ready[0] if ready else None)

    async def _choose(self, tried: list[_Member[E]]) -> _Member[E] | None:
        """The first that may be asked, and is not among those ``tried``; None if there is none."""
        left = [member for member in self._members if member not in tried]
        for member in left:
            if member.is_left() or member.tried_again:
                continue
            if member.engine is None:
                loading = self._load(member)
                if member.left_until is not None:
                    # It could not be opened before; whether it can be now, no request has to wait for.
                    continue
                with trio.move_on_after(math.inf if member is left[-1] else LOADING_PATIENCE):
                    await loading.wait()
            if member.engine is not None and not member.is_left():
                return member
        # Nothing else is there: rather one that has failed a while ago, or takes long to load, than none.
        for member in left:
            if member.loading is not None:
                await member.loading.wait()
            if member.engine is not None:
                return member
        return None

    def _begin(self, member: _Member[E]) -> Attempt:
        attempt = Attempt(member, member.left_until)
        member.attempts.add(attempt)
        member.tried_again = member.tried_again or attempt.again is not None
        return attempt

    def _end(self, member: _Member[E], attempt: Attempt) -> None:
        member.attempts.discard(attempt)
        if all(other.again is None for other in member.attempts):
            member.tried_again = False

    def _leave(self, member: _Member[E], problem: str) -> None:
        """Ask ``member`` no more for a while, and nobody wait for it. Said once for each such while."""
        # The last one, where it is open, is not left: there would be nothing to speak with.
        if member.is_left() or (member is self._members[-1] and member.engine is not None):
            return
        member.left_until, member.problem = trio.current_time() + self._seconds, problem
        instead = next((other for other in self._members if other.left_until is None), None)
        name = member.config.name
        what = problem if problem.startswith(name) else f"{name}: {problem}"
        then = f"{instead.config.name} is used instead" if instead else "there is no other"
        self._replacement = Replacement(f"{what}; {then}, for {self._seconds:g} s")
        logger.warning("{}/{}", member.config.kind, self._replacement.text)
        for attempt in list(member.attempts):
            attempt.scope.cancel(f"{name} has failed for another one")

    def _none_left(self) -> EngineError:
        problems = [f"{member.config.name}: {member.problem}" for member in self._members if member.problem]
        return EngineError("; ".join(dict.fromkeys(problems)))

    # Loading.

    def _load(self, member: _Member[E]) -> trio.Event:
        """Begin to open ``member``, unless that has begun. What is set when it has ended."""
        if member.loading is None:
            member.loading = trio.Event()
            name = f"{label(member.config)}/engine of a list"
            self._context.run(
                partial(self._nursery.start_soon, self._keep, member, member.loading, name=name)
            )
        return member.loading

    async def _keep(self, member: _Member[E], loading: trio.Event) -> None:
        try:
            async with self._source.lease(member.config) as member.engine:
                if member.left_until is not None:
                    member.left_until = None
                    logger.info("{} could be opened", label(member.config))
                loading.set()
                problem = await self._source.wait_broken(member.config)
        except EngineError as error:
            problem = str(error)
        finally:
            member.engine = member.loading = None
            loading.set()
        self._leave(member, problem)

    def _statistics_of(self, member: _Member[E]) -> MemberStatistics:
        left = 0.0
        state: MemberState = "ready"
        if member.left_until is not None and member.is_left():
            state, left = "left", member.left_until - trio.current_time()
        elif member.engine is None:
            state = "loading" if member.loading is not None else "not loaded"
        elif member is self._current():
            state = "in use"
        return MemberStatistics(member.config.name, state, left)
