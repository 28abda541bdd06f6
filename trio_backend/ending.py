"""`serve_until_signal`: how a server that is told to end does so in time, whatever hangs."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

import psutil
import trio
from loguru import logger

from .config.folder import Config
from .observe.log import flush_log
from .serving import serve

# Seconds beyond `drain_timeout` that an orderly end may take, and seconds that an end at once may: for last
# words, goodbyes and child processes. A disk or a library that holds the process longer is left behind.
ORDERLY_END = 15.0
END_AT_ONCE = 2.0


def _signals() -> list[signal.Signals]:
    """Those that end the server, on this system."""
    names = ["SIGINT", "SIGBREAK"] if sys.platform == "win32" else ["SIGINT", "SIGTERM"]
    # Under nohup the user has said that the end of the terminal is not to be the server's.
    if sys.platform != "win32" and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        names.append("SIGHUP")
    return [signal.Signals[name] for name in names]


async def serve_until_signal(config: Config) -> None:
    """`serve` until Ctrl-C, SIGTERM, or SIGHUP (the terminal is closed).

    A second Ctrl-C or SIGTERM cuts the turns and ends within `END_AT_ONCE` seconds: last words are stored and
    child processes killed, or left behind if that takes longer. From then on these signals do what they do
    to any program: a third ends the process where it stands.
    """
    shutdown = trio.Event()
    with trio.open_signal_receiver(*_signals()) as signals, ExitStack() as limits:
        async with trio.open_nursery() as nursery:

            async def listen() -> None:
                async for number in signals:
                    name = signal.Signals(number).name
                    if not shutdown.is_set():
                        logger.info("{}: shutting down; a second one ends at once", name)
                        limits.enter_context(limited_end(config.system.drain_timeout + ORDERLY_END))
                        shutdown.set()
                    elif name != "SIGHUP":  # the kernel and the shell send one each: that is not impatience
                        logger.warning("{} again: ending at once", name)
                        limits.enter_context(limited_end(END_AT_ONCE))
                        _leave_signals_to_the_system()
                        nursery.cancel_scope.cancel("a second signal")
                        return

            nursery.start_soon(listen, name="signals")
            await serve(config, shutdown=shutdown)
            nursery.cancel_scope.cancel("served")


def _leave_signals_to_the_system() -> None:
    for number in _signals():
        signal.signal(number, signal.SIG_IGN if number.name == "SIGHUP" else signal.SIG_DFL)


@contextmanager
def limited_end(seconds: float) -> Iterator[None]:
    """If the block is not left within ``seconds``, kill our child processes and end the process with code 1.

    A thread sees to it: what holds up an end may be the event loop itself, or a thread that it waits for.
    """
    left = threading.Event()
    ends = threading.Thread(target=_end_unless, args=(left, seconds), name="limited end", daemon=True)
    ends.start()
    try:
        yield
    finally:
        left.set()


def _end_unless(left: threading.Event, seconds: float) -> None:
    if left.wait(seconds):
        return
    logger.error("the end takes longer than {:g} s: ending without what is still going on", seconds)
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            child.kill()
    flush_log()
    os._exit(1)
