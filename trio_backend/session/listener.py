"""`Listener`: the client, as the conversation sees it."""

from __future__ import annotations

import attrs
import trio
from loguru import logger

from ..conversation.observer import Observer
from ..conversation.timeline import Timeline
from ..protocol import Error, Outgoing


@attrs.define(eq=False)
class Listener:
    """An `Audience`: messages go to the session's writer, and each turn is counted."""

    _outbox: trio.MemorySendChannel[Outgoing]
    _observer: Observer
    played: trio.Event = attrs.field(factory=trio.Event, init=False)
    """Set when the client says that it has played everything."""

    async def tell(self, message: Outgoing) -> None:
        """See `Audience.tell`. Returns at once when the client is gone: the reader ends the session."""
        await self.deliver(message)

    async def deliver(self, message: Outgoing) -> bool:
        """As `tell`; False when the client is gone."""
        if isinstance(message, Error):
            self._observer.error_told(message.code)
        try:
            await self._outbox.send(message)
        except trio.BrokenResourceError:
            await trio.lowlevel.checkpoint()
            return False
        return True

    def expect_playback(self) -> trio.Event:
        """An event that is set when the client says that it has played everything."""
        self.played = trio.Event()
        return self.played

    def turn_over(self, timeline: Timeline) -> None:
        """A turn has ended: one line in the log, and one more in the statistics."""
        logger.info("turn: {}", timeline)
        self._observer.turn_over(timeline)
