"""`Wire`: one WebSocket, seen as whole messages. The server, the tests and the rooms each have one."""

from __future__ import annotations

from typing import Protocol


class Wire(Protocol):
    """One connection. One task receives, any task may send."""

    async def receive(self) -> str | bytes:
        """The next message: `str` for a text frame, `bytes` for a binary one.

        Raises `WireClosed` once the peer is gone. Cancelling it loses no message.
        """
        ...

    async def send(self, message: bytes) -> None:
        """Send one text message, already encoded as UTF-8.

        Raises `WireClosed` if the peer is gone or takes no data for too long. A cancelled send
        that had begun closes the wire, since half a frame may have left.
        """
        ...

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Say goodbye, and wait a bounded time for the peer's. Closing twice is harmless."""
        ...
