"""Group commit: many callers' requests in one transaction, each succeeding or failing by itself."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Generic, Literal, TypeAlias, TypeVar, cast

import attrs
import trio

from ..errors import NoSuchHistory
from .database import FAILURES, Failure

T_co = TypeVar("T_co", covariant=True)

# What may go wrong with a request without anything being wrong with this program.
RequestError: TypeAlias = NoSuchHistory | Failure
REQUEST_ERRORS = (NoSuchHistory, *FAILURES)


@attrs.define(eq=False)
class Request(Generic[T_co]):
    """One caller's work, and once it was done, its result.

    It belongs to the caller until it is sent, then to the thread, and again to the caller once it is
    `answered`. A caller that has left only marks it as not `wanted`. ``kind``: one that only reads, one that
    writes in a transaction with others, or one that makes its own transactions.
    """

    _work: Callable[[sqlite3.Connection], T_co]
    kind: Literal["read", "write", "alone"]
    wanted: bool = attrs.field(default=True, init=False)
    finished: bool = attrs.field(default=False, init=False)
    """Whether the thread is done with it. It is said so to the caller when it is `answered`."""
    answered: trio.Event = attrs.field(factory=trio.Event, init=False)
    error: RequestError | None = attrs.field(default=None, init=False)
    given_up: str = attrs.field(default="", init=False)
    """Why the thread's answer is not waited for any more."""
    _result: T_co | None = attrs.field(default=None, init=False)

    def run(self, database: sqlite3.Connection) -> None:
        """Do the work, in the thread. Raises what it raises."""
        self._result = self._work(database)

    def give_up(self, why: str) -> None:
        """Tell the caller that there will be no answer. A result that still comes is dropped."""
        if not self.answered.is_set():
            self.given_up = why
            self.answered.set()

    async def wait(self) -> T_co:
        """The result; if there is an `error` there is none. A cancel withdraws work that has not begun."""
        try:
            await self.answered.wait()
        finally:
            self.wanted = False
        return cast(T_co, self._result)


def run_group(database: sqlite3.Connection, group: Sequence[Request[object]]) -> int:
    """Run all requests, in the thread; return how many commits it took, mostly one.

    When this returns, each request has its result, on disk, or its error, without a trace in the file. If it
    raises, which is a bug, that is so of those which are ``finished``, and the others left no trace.
    """
    try:
        return _run_all(database, group)
    finally:
        # What a bug has left half done must not become part of the next commit.
        if database.in_transaction:
            database.execute("ROLLBACK")


def _run_all(database: sqlite3.Connection, group: Sequence[Request[object]]) -> int:
    # Reads go first: they see only what is on disk, and what a caller was told is stored is.
    for request in group:
        if request.kind == "read":
            _run_alone(database, request)
    writes = [request for request in group if request.kind == "write"]
    commits = _commit(database, writes) if writes else 0
    for request in group:
        if request.kind == "alone":
            _run_alone(database, request)
    return commits


def _run_alone(database: sqlite3.Connection, request: Request[object]) -> None:
    try:
        request.run(database)
    except REQUEST_ERRORS as error:
        request.error = error
    request.finished = True


def _commit(database: sqlite3.Connection, group: Sequence[Request[object]]) -> int:
    try:
        database.execute("BEGIN IMMEDIATE")
    except FAILURES as error:
        # Locked, or gone: the next one would only wait as long again.
        for request in group:
            request.error, request.finished = error, True
        return 0
    try:
        for request in group:
            _write(database, request)
        database.execute("COMMIT")
    except FAILURES as error:
        return _start_over(database, group, error)
    for request in group:
        request.finished = True
    return 1


def _write(database: sqlite3.Connection, request: Request[object]) -> None:
    database.execute("SAVEPOINT request")
    try:
        request.run(database)
    except REQUEST_ERRORS as error:
        if not database.in_transaction:
            raise
        database.execute("ROLLBACK TO request")
        request.error = error
    database.execute("RELEASE request")


def _start_over(database: sqlite3.Connection, group: Sequence[Request[object]], error: Failure) -> int:
    """The transaction as a whole failed, as on a full disk: run each request by itself; some may fit."""
    # Some errors have rolled it back already.
    if database.in_transaction:
        database.execute("ROLLBACK")
    if len(group) == 1:
        group[0].error, group[0].finished = error, True
        return 0
    for request in group:
        request.error = None
    return sum(_commit(database, [request]) for request in group)
