"""Ids and the wall clock: all that the package takes from outside to name and date things.

Both come from one `Source`, so that a simulation can run again as it ran before. Durations and deadlines
are Trio's clock's, not this one's.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import NewType, Protocol
from uuid import UUID, uuid4

RequestId = NewType("RequestId", int)
"""The number of a request, chosen by its sender, to find the answer among others."""


class Source(Protocol):
    """Where ids and the time come from."""

    def id(self) -> UUID:
        """A random id that cannot be guessed, and was never given before."""
        ...

    def now(self) -> datetime:
        """The time of the wall clock, in UTC."""
        ...


class _System:
    def id(self) -> UUID:
        return uuid4()

    def now(self) -> datetime:
        return datetime.now(UTC)


_SYSTEM = _System()
_source: ContextVar[Source] = ContextVar("the source of ids and of the time", default=_SYSTEM)


def new_id() -> UUID:
    """An id of 122 random bits: as hard to guess as a password."""
    return _source.get().id()


def now() -> datetime:
    """The time of the wall clock, in UTC. It may jump: measure with `trio.current_time`."""
    return _source.get().now()


@contextmanager
def source(of_all: Source) -> Iterator[None]:
    """Take ids and the time from ``of_all`` inside the block, and in all tasks and threads begun there."""
    token = _source.set(of_all)
    try:
        yield
    finally:
        _source.reset(token)
