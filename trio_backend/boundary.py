"""`Boundary`: what serves one connection, or does one side job, ends alone."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, Iterator

import attrs
from loguru import logger

from .errors import TrioBackendError, first_leaf

# Exceptions of one group, with what caused them, whose traces are logged.
_MOST_SHOWN = 30


def count_nothing(_part: str) -> None:
    """For boundaries whose failures nobody counts."""


@attrs.frozen
class Boundary:
    """The only place that catches broadly: a bug in what runs inside ends that, and nothing else.

    Every way into the server runs its connections inside of one, and so do the jobs that run beside them.
    ``count`` is told the name of the part that failed, once for each failure.
    """

    count: Callable[[str], None] = count_nothing

    async def run(self, part: str, async_fn: Callable[[], Awaitable[object]]) -> bool:
        """Run ``async_fn``; False if it died of a bug, which is then logged and counted under ``part``.

        ``part`` is one of a few fixed names, as it labels a metric. Cancellation passes through, and so
        does what is no `Exception`, such as `KeyboardInterrupt`; of a group, only the bugs stay behind.
        """
        try:
            await async_fn()
        except Exception as bug:
            self._report(part, bug)
            return False
        except BaseExceptionGroup as group:
            # A bug met a cancellation on its way out. The scope that was cancelled waits for its part.
            bugs, rest = group.split(Exception)
            if bugs is not None:
                self._report(part, bugs)
            assert rest is not None  # or it would have been an `ExceptionGroup`
            raise rest from None
        return True

    def _report(self, part: str, bug: BaseException) -> None:
        self.count(part)
        logger.opt(exception=without_words(bug)).error("{}: ended by a bug; nothing else is affected", part)
        logger.debug("{}: the bug's own words: {:.500}", part, repr(first_leaf(bug)))


UNCOUNTED = Boundary()
"""For whoever has nobody to count its failures."""


def without_words(error: BaseException) -> BaseException:
    """An exception with the types and the traces of ``error``, and of what caused it, but no texts.

    What an unforeseen exception says may be anything: a key, or what somebody said. Our own errors say
    nothing of that kind, so they keep their texts.
    """
    return _wordless(error, itertools.count())


def _wordless(error: BaseException, shown: Iterator[int]) -> BaseException:
    """``shown`` counts the exceptions: somebody may have found a way to make groups and causes endless."""
    if next(shown) >= _MOST_SHOWN:
        return _named_like(error)
    if isinstance(error, BaseExceptionGroup):
        double: BaseException = BaseExceptionGroup("", [_wordless(one, shown) for one in error.exceptions])
    else:
        double = _named_like(error)
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None:
        double.__cause__ = _wordless(cause, shown)
    return double.with_traceback(error.__traceback__)


def _named_like(error: BaseException) -> BaseException:
    kind = type(error)
    texts = (str(error),) if isinstance(error, TrioBackendError) else ()
    double: type[Exception] = type(kind.__qualname__, (Exception,), {"__module__": kind.__module__})
    return double(*texts)
