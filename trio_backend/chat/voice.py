"""The voice of the character on this machine: the players that were found, for as long as they work."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import attrs
import trio

from .heard import Sentence
from .player import NAMES, Player, PlayerFailed

# How much longer than its sound a player may take: some start slowly, or play their buffers to the end.
PLAYER_GRACE = 10.0


@attrs.define(eq=False)
class Voice:
    """Plays sentences while it is ``on``. A player that fails is not used again; the next one takes over.

    ``tell`` is for what the user should know.
    """

    _players: list[Player]
    _tell: Callable[[str], None]
    on: bool = True
    _sounding: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)

    @property
    def able(self) -> bool:
        """Whether anything can be heard."""
        return self.on and bool(self._players)

    def turn(self, on: bool) -> None:
        """Let the character be heard from the next sentence on, or not any more from now on."""
        self.on = on
        if not on:
            self._sounding.cancel("the voice was turned off")
        if on and not self._players:
            self.tell_missing()

    def tell_missing(self) -> None:
        """Say that there is nothing to play sound with."""
        self._tell(f"no sound, you can only read: none of {', '.join(NAMES)} works here")

    async def perform(self, sentence: Sentence) -> None:
        """Let ``sentence`` be heard to its end, if it has a sound and we a player.

        Cancelling is silence at once.
        """
        if sentence.sound is not None and self.able:
            with tempfile.TemporaryDirectory(prefix="trio-backend-") as folder:
                wav = Path(folder, "sentence.wav")
                await trio.Path(wav).write_bytes(sentence.sound)
                with trio.CancelScope() as self._sounding:
                    await self._play(wav, sentence)
        sentence.finish()

    async def _play(self, wav: Path, sentence: Sentence) -> None:
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
                self._give_up(f"{player.name} does not come to an end")

    def _give_up(self, why: str) -> None:
        self._players.pop(0)
        self._tell(why)
        if not self._players:
            self.tell_missing()
