"""Accepting connections, and turning them away."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress

import trio
from loguru import logger

from .request import Refusal

# While the process has no file handle left, asking again at once would only burn CPU.
ACCEPT_BACKOFF = 0.1
# How long someone who is turned away has to take the answer.
REFUSAL_TIME = 1.0

NETWORK_ERRORS = (OSError, trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError)


async def accept_all(
    listener: trio.SocketListener, admit: Callable[[trio.SocketStream], Awaitable[None]]
) -> None:
    """Accept until cancelled, then close ``listener``. ``admit`` gets each stream, and is not to wait."""
    failing = False
    async with listener:
        while True:
            try:
                stream = await listener.accept()
            except OSError as error:
                # Out of file handles or memory: that passes, and the others are still being served.
                if not failing:
                    logger.warning("Cannot accept connections at the moment: {}", error)
                failing = True
                await trio.sleep(ACCEPT_BACKOFF)
            else:
                failing = False
                await admit(stream)


async def turn_away(stream: trio.abc.Stream, refusal: Refusal) -> None:
    """Answer ``refusal`` and close, within a second or so."""
    try:
        with trio.move_on_after(REFUSAL_TIME), suppress(*NETWORK_ERRORS):
            await stream.send_all(refusal.encode())
            if isinstance(stream, trio.abc.HalfCloseableStream):
                await stream.send_eof()
            # Closing with bytes unread would reset the connection, and the answer would be lost.
            while await stream.receive_some(64 * 1024):
                pass
    finally:
        await trio.aclose_forcefully(stream)
