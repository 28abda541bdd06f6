"""Running a command: one error instead of a group of them, and signals that leave nothing behind."""

from __future__ import annotations

import signal
import sys
from collections.abc import Awaitable, Callable
from typing import TypeVar

from .errors import Interrupted, TrioBackendError, first_leaf

T = TypeVar("T")

INTERRUPTED = 130
"""The exit code of a program that a Ctrl-C ended, as shells have it: 128 and the number of the signal."""


def ending_signals() -> list[signal.Signals]:
    """The signals that end a program on this system."""
    names = ["SIGINT", "SIGBREAK"] if sys.platform == "win32" else ["SIGINT", "SIGTERM"]
    # Under nohup SIGHUP is ignored: the user wants the program to go on after the terminal is closed.
    if sys.platform != "win32" and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        names.append("SIGHUP")
    return [signal.Signals[name] for name in names]


def run_command(async_fn: Callable[..., Awaitable[T]], *args: object) -> T:
    """`trio.run`, with the one error inside an exception group in its place."""
    import trio  # 0.1 s that a command without it need not take

    try:
        return trio.run(async_fn, *args)
    except BaseExceptionGroup as group:
        leaf = first_leaf(group)
        raise leaf if isinstance(leaf, (TrioBackendError, BrokenPipeError)) else group from None


def run_until_interrupted(async_fn: Callable[..., Awaitable[T]], *args: object) -> T:
    """As `run_command`; a Ctrl-C, SIGTERM (as of `timeout`) or the end of the terminal cancels it, and ends
    the program when all that it began has ended.
    """
    outcome: Callable[..., Awaitable[T]] = _until_interrupted
    try:
        return run_command(outcome, async_fn, *args)
    except Interrupted as interrupted:
        sys.exit(128 + interrupted.signal)


async def _until_interrupted(async_fn: Callable[..., Awaitable[T]], *args: object) -> T:
    """What ``async_fn`` returns. A signal cancels it, and is raised as `Interrupted` when all has ended.

    Python's own KeyboardInterrupt could come between the start of a process and the block that ends it.
    """
    import trio

    results: list[T] = []
    received: list[int] = []
    with trio.open_signal_receiver(*ending_signals()) as signals:
        async with trio.open_nursery() as nursery:

            async def wait() -> None:
                async for number in signals:
                    received.append(number)
                    nursery.cancel_scope.cancel("a signal")

            nursery.start_soon(wait, name="signals")
            results.append(await async_fn(*args))
            nursery.cancel_scope.cancel("the command has ended")
    if not results:
        raise Interrupted(received[0])
    return results[0]
