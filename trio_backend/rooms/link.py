"""`Link`: the connection of a room to its session, made anew whenever it breaks."""

from __future__ import annotations

import math
from typing import Protocol

import attrs
import trio
from loguru import logger

from ..client.failure import Backoff
from ..errors import NoConnection, WireClosed, first_leaf
from ..protocol import Accepts
from .session import FromSession, RoomSession, SessionSource

# A connection that held for so many seconds was a good one: the next attempt need not wait long.
STABLE = 30.0
# Seconds that a session may take to greet; it does so before its character is loaded.
GREETING_TIMEOUT = 10.0
# A room lives while somebody is in it, and so its link never gives up.
BACKOFF = Backoff(first=0.25, longest=15.0, give_up=math.inf)


class LinkEnd(Protocol):
    """The room that a link serves. No call may block: until it returns, nothing is read from the session."""

    @property
    def greeted(self) -> bool:
        """Whether the session has said who it is."""
        ...

    def link_said(self, message: FromSession) -> None:
        """The session sent ``message``."""
        ...

    def link_down(self, why: str) -> None:
        """The session is gone, or could not be reached. What it said of turns is no longer valid.

        Another attempt follows. May be called more than once for the same loss.
        """
        ...


@attrs.define(eq=False)
class Link:
    """Keeps one session open, and opens another after each loss, for as long as `keep` runs."""

    _source: SessionSource
    _session: RoomSession | None = attrs.field(default=None, init=False)
    _accepted: frozenset[Accepts] = attrs.field(default=frozenset(), init=False)

    @property
    def session(self) -> RoomSession:
        """The session that there is. Raises `WireClosed` where there is none."""
        if self._session is None:
            raise WireClosed
        return self._session

    def accept(self, each: frozenset[Accepts]) -> None:
        """See `RoomSession.accept`; a session that is opened later is told, too."""
        if each == self._accepted:
            return
        self._accepted = each
        if self._session is not None:
            self._session.accept(each)

    async def keep(self, end: LinkEnd) -> None:
        """Hold a session until cancelled; after each loss wait longer, unless the last one held long.

        ``end`` gets its messages, and learns when it is lost. A cancel closes the session, and waits until
        it is closed.
        """
        waits = BACKOFF.waits()
        while True:
            began = trio.current_time()
            try:
                async with self._source.open() as session:
                    await self._converse(session, end)
            except* (NoConnection, WireClosed) as group:
                why = str(first_leaf(group))
            logger.warning("{} has lost its session: {}", end, why)
            # Also where no session was reached, which `_converse` cannot report.
            end.link_down(why)
            if trio.current_time() - began > STABLE:
                waits = BACKOFF.waits()
            await trio.sleep(next(waits))

    async def _converse(self, session: RoomSession, end: LinkEnd) -> None:
        """Pass on what the session says until it is lost, which is raised as `WireClosed`."""
        self._session = session
        session.accept(self._accepted)
        try:
            with trio.move_on_after(GREETING_TIMEOUT) as greeting:
                while not end.greeted:
                    await _receive_one(session, end)
            if greeting.cancelled_caught:
                raise WireClosed(1002, f"no greeting within {GREETING_TIMEOUT:.0f} s")
            while True:
                await _receive_one(session, end)
        except WireClosed as closed:
            # Before the session is closed, which may take seconds: the senders learn at once that it is lost.
            end.link_down(str(closed))
            raise
        finally:
            self._session = None


async def _receive_one(session: RoomSession, end: LinkEnd) -> None:
    # In a function of its own, so that a link that waits keeps nothing of the last message alive.
    message = await session.receive()
    end.link_said(message)
