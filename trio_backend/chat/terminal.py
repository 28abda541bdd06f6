"""A POSIX terminal that gives each key as it is pressed."""

from __future__ import annotations

import signal
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager

import trio

from .screen import Screen


@contextmanager
def key_by_key(fd: int) -> Iterator[None]:
    """Let the terminal give each key as it is pressed, and show none; afterwards all is as before."""
    before = termios.tcgetattr(fd)
    _enter_cbreak(fd)
    try:
        yield
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)


async def watch_resume(fd: int, screen: Screen) -> None:
    """Set the terminal's mode again whenever the shell has resumed the program (after Ctrl-Z)."""
    with trio.open_signal_receiver(signal.SIGCONT) as resumed:
        async for _ in resumed:
            _enter_cbreak(fd)
            screen.redraw()


def _enter_cbreak(fd: int) -> None:
    # TCSADRAIN keeps what was typed ahead. Ctrl-C and Ctrl-Z remain signals.
    tty.setcbreak(fd, termios.TCSADRAIN)
