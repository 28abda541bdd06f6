"""`PartialTeller`: tells what is understood while somebody speaks, as fast as people read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import attrs
import trio

from .events import Event, PartialTranscript, SpeechEnded

# Seconds between two partial transcripts: people read no faster, and an engine may tell each syllable.
PARTIAL_INTERVAL = 0.1
# Characters of a partial transcript, the newest: what is on the page of somebody who speaks.
LONGEST_PARTIAL = 1_000


@attrs.define(eq=False)
class PartialTeller:
    """Tells partial transcripts, at most one in `PARTIAL_INTERVAL` seconds: of those between, the newest.

    It has a task in ``nursery`` while there is something to tell, so that no engine waits for a client.
    """

    _emit: Callable[[Event], Awaitable[object]]
    _nursery: trio.Nursery
    _text: str | None = attrs.field(default=None, init=False)
    _told: str = attrs.field(default="", init=False)
    _over: bool = attrs.field(default=False, init=False)
    _running: bool = attrs.field(default=False, init=False)
    _news: trio.lowlevel.ParkingLot = attrs.field(factory=trio.lowlevel.ParkingLot, init=False)

    def tell(self, text: str) -> None:
        """Tell ``text``, unless something newer comes first, or it was told last."""
        text = text[-LONGEST_PARTIAL:]
        if text.strip() and text != self._told:
            self._text = text
            self._start()

    def tell_end(self) -> None:
        """Tell that the utterance is over, and nothing more of it."""
        self.drop()
        self._over = True
        self._start()

    def drop(self) -> None:
        """Tell nothing more of the utterance."""
        self._text, self._told = None, ""

    def _start(self) -> None:
        self._news.unpark_all()
        if not self._running:
            self._running = True
            self._nursery.start_soon(self._run, name="session/partial transcripts")

    async def _run(self) -> None:
        try:
            while self._over or self._text is not None:
                if self._over:
                    self._over = False
                    await self._emit(SpeechEnded())
                    continue
                text, self._text = self._text, None
                assert text is not None
                self._told = text
                await self._emit(PartialTranscript(text))
                with trio.move_on_after(PARTIAL_INTERVAL):
                    while not self._over:
                        await self._news.park()
        finally:
            self._running = False
