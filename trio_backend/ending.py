"""`serve_until_signal`: a server that ends in time after a signal, whatever hangs."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial

import psutil
import trio
from loguru import logger

from .config.folder import Config
from .observe.log import flush_log
from .running import ending_signals
from .service_manager import ServiceManager
from .serving import serve
from .start_report import StartOptions

# Seconds that the shutdown may take after `drain_timeout`, and seconds that it may take after a second
# signal: for storing the last messages, closing connections and ending child processes. If a disk or a
# library holds the process longer, it is killed.
SHUTDOWN_TIMEOUT = 15.0
SECOND_SIGNAL_TIMEOUT = 2.0


async def serve_until_signal(config: Config, start: StartOptions = StartOptions()) -> None:  # noqa: B008
    """`serve` until Ctrl-C, SIGTERM, or SIGHUP (the terminal is closed).

    A second Ctrl-C or SIGTERM cuts the turns: what was said is stored, child processes are killed, and the
    process ends within `SECOND_SIGNAL_TIMEOUT` seconds, even if that is not done by then. A third signal does
    what it does to any program: it ends the process at once.

    systemd, where it has asked for that, is told when clients can connect, that the event loop runs, and when
    the shutdown begins.
    """
    shutdown, manager = trio.Event(), ServiceManager.of(os.environ)
    with trio.open_signal_receiver(*ending_signals()) as signals, ExitStack() as limits:
        async with trio.open_nursery() as nursery:

            async def listen() -> None:
                async for number in signals:
                    name = signal.Signals(number).name
                    if not shutdown.is_set():
                        logger.info("{}: shutting down; a second one ends at once", name)
                        longest = config.system.drain_timeout + SHUTDOWN_TIMEOUT
                        limits.enter_context(limited_end(longest))
                        # So that systemd kills nothing earlier, whatever its unit has for `TimeoutStopSec`.
                        manager.tell("STOPPING=1", f"EXTEND_TIMEOUT_USEC={longest * 1_000_000:.0f}")
                        shutdown.set()
                    elif name != "SIGHUP":  # of these the kernel and the shell send one each
                        logger.warning("{} again: ending at once", name)
                        limits.enter_context(limited_end(SECOND_SIGNAL_TIMEOUT))
                        _restore_default_handlers()
                        nursery.cancel_scope.cancel("a second signal")
                        return

            nursery.start_soon(listen, name="signals")
            if manager.watchdog:
                nursery.start_soon(manager.keep_alive, name="watchdog")
            async with trio.open_nursery() as serving:
                address = await serving.start(
                    partial(serve, config, shutdown=shutdown, start=start), name="serve"
                )
                # Not when the engines are loaded, which may take as long as a download, and which a page
                # shows: `/readyz` is for whoever waits for that.
                manager.tell("READY=1", f"STATUS=Serving at {address}")
            nursery.cancel_scope.cancel("served")


def _restore_default_handlers() -> None:
    for number in ending_signals():
        signal.signal(number, signal.SIG_IGN if number.name == "SIGHUP" else signal.SIG_DFL)


@contextmanager
def limited_end(seconds: float) -> Iterator[None]:
    """If the block is not left within ``seconds``, kill our child processes and end the process with code 1.

    A thread does it, since the event loop itself may hang, or wait for a thread that hangs.
    """
    left = threading.Event()
    watchdog = threading.Thread(target=_exit_unless, args=(left, seconds), name="watchdog", daemon=True)
    watchdog.start()
    try:
        yield
    finally:
        left.set()


def _exit_unless(left: threading.Event, seconds: float) -> None:
    if left.wait(seconds):
        return
    logger.error("the shutdown takes longer than {:g} s: the process is killed", seconds)
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            child.kill()
    flush_log()
    os._exit(1)
