"""Programs that play sound, and how each of them plays one file. One task plays, one sentence at a time."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import attrs
import trio

_COMMANDS = (
    ("paplay",),
    ("pw-play",),
    ("aplay", "-q"),
    ("afplay",),
    ("ffplay", "-nodisp", "-autoexit", "-loglevel", "error"),
    ("play", "-q"),
)
NAMES = tuple(command[0] for command in _COMMANDS)


class PlayerFailed(Exception):
    """This player cannot play here; the text says why."""


class Player(Protocol):
    """Something that plays sound."""

    @property
    def name(self) -> str:
        """How its user calls it."""
        ...

    async def play(self, wav: Path) -> None:
        """Play the file to its end. Cancelling silences it at once. Raises `PlayerFailed`."""
        ...


@attrs.frozen
class Program:
    """A program that plays the file named by its last argument, then ends."""

    command: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.command[0]

    async def play(self, wav: Path) -> None:
        try:
            ended = await trio.run_process(
                [*self.command, str(wav)],
                stdin=subprocess.DEVNULL,  # some players take keys
                stdout=subprocess.DEVNULL,
                capture_stderr=True,
                check=False,
                deliver_cancel=_kill,
                # A group of its own: Ctrl-C is meant for us, and `_kill` reaches what the program started.
                process_group=None if sys.platform == "win32" else 0,
            )
        except OSError as error:
            raise PlayerFailed(f"{self.name}: {error.strerror}") from error
        if ended.returncode:
            raise PlayerFailed(f"{self.name}: {_last_words(ended)}")


def _last_words(ended: subprocess.CompletedProcess[bytes]) -> str:
    lines = ended.stderr.decode(errors="replace").strip().splitlines()
    return lines[-1][:200] if lines else f"exit code {ended.returncode}"


async def _kill(process: trio.Process) -> None:
    if sys.platform == "win32":
        process.kill()
    else:
        with suppress(ProcessLookupError):  # it has just ended by itself
            os.killpg(process.pid, signal.SIGKILL)
    await trio.lowlevel.checkpoint()


if sys.platform == "win32":
    import winsound

    @attrs.frozen
    class WinSound:
        """Windows' own."""

        name: str = "winsound"

        async def play(self, wav: Path) -> None:
            def play() -> None:
                winsound.PlaySound(str(wav), winsound.SND_FILENAME | winsound.SND_NODEFAULT)

            try:
                await trio.to_thread.run_sync(play, abandon_on_cancel=True)
            except RuntimeError as error:
                raise PlayerFailed(f"{self.name}: {error}") from error
            finally:
                # Silences a sound that still plays, which ends its thread.
                winsound.PlaySound(None, 0)


def find_players(which: Callable[[str], str | None] = shutil.which) -> list[Player]:
    """All players of this machine, the best first."""
    found: list[Player] = [Program(command) for command in _COMMANDS if which(command[0])]
    if sys.platform == "win32":
        found.insert(0, WinSound())
    return found
