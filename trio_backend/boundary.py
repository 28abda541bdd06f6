"""`Boundary`: a bug ends one connection or one background task, and nothing else."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, Iterator

import attrs
from loguru import logger

from .errors import TrioBackendError, first_leaf

# Exceptions of one group, their causes included, whose tracebacks are logged. A client may have found a way
# to make groups and causes endless.
_MAX_LOGGED = 30


def count_nothing(_part: str) -> None:
    """For boundaries whose failures need no counting."""


@attrs.frozen
class Boundary:
    """The only place that catches all exceptions: a bug in what runs inside ends that, and nothing else.

    All connections run inside of one, and so do all background tasks. ``count`` is called with the name of
    the part that failed, once for each failure.
    """

    count: Callable[[str], None] = count_nothing

    async def run(self, part: str, async_fn: Callable[[], Awaitable[object]]) -> bool:
        """Run ``async_fn``; False if a bug ended it, which is then logged and counted under ``part``.

        ``part`` is one of a few fixed names, since it labels a metric. Cancellation passes through, and so do
        exceptions that are no `Exception`, such as `KeyboardInterrupt`; of a group, only the bugs are caught.
        """
        try:
            await async_fn()
        except Exception as bug:
            self._report(part, bug)
            return False
        except BaseExceptionGroup as group:
            # A bug and a cancellation together. The scope that was cancelled must get its own exception back.
            bugs, rest = group.split(Exception)
            if bugs is not None:
                self._report(part, bugs)
            assert rest is not None  # or it would have been an `ExceptionGroup`
            raise rest from None
        return True

    def _report(self, part: str, bug: BaseException) -> None:
        self.count(part)
        logger.opt(exception=without_texts(bug)).error("{}: ended by a bug; nothing else is affected", part)
        # What the exception says may be private: at DEBUG only, and not all of it.
        logger.debug("{}: the text of the bug: {:.500}", part, repr(first_leaf(bug)))


UNCOUNTED = Boundary()
"""For programs that count no failures."""


def without_texts(error: BaseException) -> BaseException:
    """A copy of ``error``, of its causes and their tracebacks, but without the exceptions' texts.

    The text of an unexpected exception may hold anything: a key, or what a user said. Our own errors keep
    their texts, since these hold nothing of that kind (`TrioBackendError`).
    """
    return _copy_without_texts(error, itertools.count())


def _copy_without_texts(error: BaseException, logged: Iterator[int]) -> BaseException:
    if next(logged) >= _MAX_LOGGED:
        return _copy_of_one(error)
    if isinstance(error, BaseExceptionGroup):
        copies = [_copy_without_texts(one, logged) for one in error.exceptions]
        copy: BaseException = BaseExceptionGroup("", copies)
    else:
        copy = _copy_of_one(error)
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None:
        copy.__cause__ = _copy_without_texts(cause, logged)
    return copy.with_traceback(error.__traceback__)


def _copy_of_one(error: BaseException) -> BaseException:
    kind = type(error)
    texts = (str(error),) if isinstance(error, TrioBackendError) else ()
    copy: type[Exception] = type(kind.__qualname__, (Exception,), {"__module__": kind.__module__})
    return copy(*texts)
