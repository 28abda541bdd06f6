"""A user for tests: types what the test says, and remembers what was shown."""

from __future__ import annotations

import io
from collections.abc import Callable

import attrs
import trio
from rich.console import Console

from trio_backend.chat.formatting import Formatter
from trio_backend.chat.player import Player, SpeechPlayer
from trio_backend.chat.screen import Screen


def plain_screen() -> tuple[Screen, io.StringIO]:
    """A screen without a row for the user, and all that it shows."""
    paper = io.StringIO()
    console = Console(file=paper, highlight=False, width=200)
    return Screen(console, console, Formatter()), paper


@attrs.define(eq=False)
class User:
    """Sits at a screen. ``type`` is what they type, ``until`` waits for what they see."""

    screen: Screen
    paper: io.StringIO
    player: SpeechPlayer
    _lines: trio.MemorySendChannel[str]
    _typed: trio.MemoryReceiveChannel[str]

    @classmethod
    def without_sound(cls) -> User:
        """A user without a player, who only reads."""
        return cls.with_players([], on=False)

    @classmethod
    def with_players(cls, players: list[Player], *, on: bool = True) -> User:
        """A user whose speech is played by ``players``."""
        screen, paper = plain_screen()
        return cls(screen, paper, SpeechPlayer(players, screen.note, on), *trio.open_memory_channel[str](20))

    @property
    def seen(self) -> str:
        """All that was shown so far."""
        return self.paper.getvalue()

    async def type(self, *lines: str) -> None:
        """Enter these lines."""
        for line in lines:
            await self._lines.send(line)

    def leave(self) -> None:
        """Have no more to say."""
        self._lines.close()

    async def next_line(self) -> str | None:
        """What the keyboard gives: see `LineSource`."""
        try:
            return await self._typed.receive()
        except trio.EndOfChannel:
            return None

    async def until(self, text: str) -> None:
        """Wait until ``text`` has been shown."""
        await wait_for(lambda: text in self.seen, lambda: f"{text!r} was not shown, but:\n{self.seen}")


async def wait_for(condition: Callable[[], bool], otherwise: Callable[[], str]) -> None:
    """Formatter every 5 ms, for up to 10 s, whether the ``condition`` holds."""
    with trio.move_on_after(10):
        while not condition():
            await trio.sleep(0.005)
        return
    raise AssertionError(otherwise())
