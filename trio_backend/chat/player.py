"""Playing speech: the programs of this machine that can, and the sentences, one after the other."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import attrs
import trio

from ..errors import PlayerFailed
from .sentence import SpokenSentence

_COMMANDS = (
    ("paplay",),
    ("pw-play",),
    ("aplay", "-q"),
    ("afplay",),
    ("ffplay", "-nodisp", "-autoexit", "-loglevel", "error"),
    ("play", "-q"),
)
NAMES = tuple(command[0] for command in _COMMANDS)


class Player(Protocol):
    """Something that plays sound."""

    @property
    def name(self) -> str:
        """Its name, as messages to the user have it."""
        ...

    async def play(self, wav: Path) -> None:
        """Play the file to its end. Cancelling silences it at once. Raises `PlayerFailed`."""
        ...


@attrs.frozen
class PlayerProgram:
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
            raise PlayerFailed(f"{self.name}: {_error_of(ended)}")


def _error_of(ended: subprocess.CompletedProcess[bytes]) -> str:
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
    found: list[Player] = [PlayerProgram(command) for command in _COMMANDS if which(command[0])]
    if sys.platform == "win32":
        found.insert(0, WinSound())
    return found


# Seconds that a player may take longer than its sound: some start slowly, or play their buffers to the end.
PLAYER_GRACE = 10.0


@attrs.define(eq=False)
class SpeechPlayer:
    """Plays sentences while it is ``on``. A player that fails is not used again; the next one takes over.

    ``tell`` gets what the user should know. One task plays.
    """

    _players: list[Player]
    _tell: Callable[[str], None]
    on: bool = True
    _sounding: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)

    @property
    def able(self) -> bool:
        """Whether speech is on, and there is a player that has not failed."""
        return self.on and bool(self._players)

    def switch(self, on: bool) -> None:
        """Play from the next sentence on, or stop now."""
        self.on = on
        if not on:
            self._sounding.cancel("speech was switched off")
        if on and not self._players:
            self._tell_missing()

    def _tell_missing(self) -> None:
        """Tell the user that no player works."""
        self._tell(f"replies are only shown: none of {', '.join(NAMES)} can play sound here")

    async def play(self, sentence: SpokenSentence) -> None:
        """Play ``sentence`` to its end, if it has sound and a player works; then it counts as heard.

        A cancel is silent at once.
        """
        if sentence.sound is not None and self.able:
            with tempfile.TemporaryDirectory(prefix="trio-backend-") as folder:
                wav = Path(folder, "sentence.wav")
                await trio.Path(wav).write_bytes(sentence.sound)
                with trio.CancelScope() as self._sounding:
                    await self._play(wav, sentence)
        sentence.finish()

    async def _play(self, wav: Path, sentence: SpokenSentence) -> None:
        while self.able:
            player = self._players[0]
            sentence.begin(trio.current_time())
            try:
                with trio.fail_after(sentence.seconds + PLAYER_GRACE):
                    await player.play(wav)
                return
            except PlayerFailed as failed:
                self._give_up(str(failed))
            except trio.TooSlowError:
                self._give_up(f"{player.name} did not finish")

    def _give_up(self, why: str) -> None:
        self._players.pop(0)
        self._tell(why)
        if not self._players:
            self._tell_missing()
