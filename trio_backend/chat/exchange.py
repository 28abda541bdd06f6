"""What is being asked and answered at the moment, if anything."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import attrs
import trio

from ..client.messages import ReceivedAudio
from ..concurrency import Slot
from ..protocol.incoming import AiSpeakSignal, FrontendPlaybackComplete, Incoming, InterruptSignal
from .company import Company
from .reply import Bubble
from .screen import Screen
from .turn import Heard, Turn
from .voice import Voice


@attrs.define(eq=False)
class Exchange:
    """One turn at a time, heard in ``listener``. Only the conversation's loop calls it."""

    _screen: Screen
    _voice: Voice
    _listener: Slot
    _inbox: trio.MemorySendChannel[Heard]
    _send: Callable[[Incoming], None]
    bubble: Bubble = attrs.field(init=False)
    _stage: Literal["quiet", "asked", "answering"] = attrs.field(default="quiet", init=False)
    """``asked`` until the server says that a turn has begun, ``answering`` until its end."""
    _turn: Turn | None = attrs.field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self.bubble = Bubble(self._screen)

    @property
    def going_on(self) -> bool:
        """Whether the server has yet to end a turn."""
        return self._stage != "quiet"

    @property
    def over(self) -> bool:
        """Whether no turn is going on, and nothing of the last one still sounds."""
        return not self.going_on and (self._turn is None or self._turn.over)

    # What the user does.

    async def ask(self, text: str, company: Company) -> None:
        """Say ``text`` to the character, cutting in on what it says, unless others are listening."""
        if not company.room:
            await self.cut_in()
        self._send(company.message(text))
        if not self.going_on:
            self._stage = "asked"

    def nudge(self) -> None:
        """Let the character speak of its own accord."""
        self._send(AiSpeakSignal())
        self._stage = "asked"

    async def cut_in(self) -> None:
        """End the turn, if one is going on, and tell the server what was heard of it."""
        if self.going_on:
            self._send(InterruptSignal(self._turn.heard() if self._turn else ""))
        await self.drop()

    async def drop(self) -> None:
        """Be silent at once. What still comes of the turn is not shown."""
        self._stage = "quiet"
        self._turn = None
        self._screen.status("")
        await self._listener.evict("interrupted")

    # What the server says.

    async def begin(self) -> None:
        """A turn has begun."""
        await self.drop()
        self.bubble.end()
        self._stage = "answering"
        self._turn = Turn(self._voice, self._inbox)
        await self._listener.fill(self._turn.listen, name="turn")

    def take(self, audio: ReceivedAudio) -> None:
        """A sentence has come: show it, and let it be heard."""
        # What comes when nobody is answering is the rest of a turn that was cut; what is forwarded, others
        # in the room are hearing.
        if self._stage != "answering" and not audio.forwarded:
            return
        self._screen.status("")
        sentence = self.bubble.show(audio)
        if self._turn is not None and not audio.forwarded:
            self._turn.add(sentence)

    def await_heard(self) -> None:
        """All sentences are here, and the server wants to know when they have been heard."""
        if self._turn is not None:
            self._turn.awaited = True
            self._turn.complete()

    def have_heard(self, turn: Turn) -> None:
        """All of ``turn`` has been heard."""
        turn.over = True
        if turn is self._turn and turn.awaited and self._stage == "answering":
            self._send(FrontendPlaybackComplete())

    def end(self) -> None:
        """The turn is over; what is left of its sound may still be heard."""
        if self._stage == "answering":
            self._stage = "quiet"
            self._screen.status("")
        if self._turn is not None:
            self._turn.complete()

    def refuse(self) -> None:
        """There was an error: a turn that had not begun will not."""
        if self._stage == "asked":
            self._stage = "quiet"
            self._screen.status("")
