"""`Audience`: who a turn is for."""

from __future__ import annotations

from typing import Protocol

import trio

from ..protocol import Outgoing
from .timeline import Timeline


class Audience(Protocol):
    """Who the turn is for."""

    async def tell(self, message: Outgoing) -> None:
        """Send ``message``; returns when it is on its way. A cancelled tell has sent nothing."""
        ...

    async def deliver(self, message: Outgoing) -> bool:
        """As `tell`; False if nobody is there any more to whom it could be sent."""
        ...

    def expect_playback(self) -> trio.Event:
        """An event that is set when the client says that it has played everything."""
        ...

    def turn_over(self, timeline: Timeline) -> None:
        """Told once for each turn, when it has ended."""
        ...
