"""What speech may stop, without a conversation behind it."""

from __future__ import annotations

import attrs
import trio


@attrs.define(eq=False)
class Talking:
    """A character that speaks, if ``says`` is something; it notes in ``log`` what happens to it."""

    log: list[str]
    says: str = ""
    held: bool = False
    question: bool = False
    notes_stop: bool = True

    @property
    def interruptible(self) -> bool:
        """See `OpenTurns`."""
        return bool(self.says) and not self.held

    def playing(self) -> str:
        """See `OpenTurns`."""
        return self.says

    def asks(self) -> bool:
        """See `OpenTurns`."""
        return self.question

    def expect_speech(self) -> None:
        """Nothing is kept here."""

    async def hold(self) -> bool:
        """See `OpenTurns`."""
        await trio.lowlevel.checkpoint()
        self.held = True
        self.log.append("held")
        return True

    def go_on(self) -> bool:
        """See `OpenTurns`."""
        self.held = False
        self.log.append("goes on")
        return True

    def give_up(self) -> None:
        """See `OpenTurns`."""
        if self.held:
            self.says, self.held = "", False
            self.log.append("given up")

    async def stop_for_speech(self) -> None:
        """See `OpenTurns`."""
        await trio.lowlevel.checkpoint()
        self.says, self.held = "", False
        if self.notes_stop:
            self.log.append("stopped")
