"""`Wire`: a connection that carries whole messages, such as a WebSocket."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, runtime_checkable

import trio

from .protocol.outgoing import Error
from .protocol.rate import RateLimit, Verdict
from .quota import MemoryQuota


class Wire(Protocol):
    """One connection. One task receives, any task may send."""

    @property
    def quota(self) -> MemoryQuota:
        """The memory that the peer's data may take; code that keeps some of the data claims it here."""
        ...

    async def receive(self) -> str | bytes:
        """The next message: `str` for a text frame, or `Utf8` for a large one; `bytes` for a binary frame.

        Raises `WireClosed` once the peer is gone. Cancelling it loses no message.
        """
        ...

    async def send(self, message: bytes) -> None:
        """Send one text message, already encoded as UTF-8, or a `Binary` one.

        Raises `WireClosed` if the peer is gone or takes no data for too long. A cancelled send
        that had begun closes the wire, since half a frame may have left.
        """
        ...

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Tell the peer ``code``, and wait a limited time for its answer. Closing twice is harmless.

        Cancelling it closes the connection without waiting.
        """
        ...


@runtime_checkable
class SendsAtOnce(Protocol):
    """A `Wire` that may know at once that a message need not wait."""

    async def send_at_once(self, message: bytes) -> bool:
        """As `Wire.send`, if ``message`` need not wait; otherwise False, and nothing is sent.

        Cheaper than `send`, and behind all that was sent before. Waits only where the kernel took a part of
        the message, and then as `send` does. Not always a checkpoint.
        """
        ...


async def receive_within(
    limit: RateLimit, wire: Wire, refuse: Callable[[Error], Awaitable[None]]
) -> str | bytes:
    """The next message that ``limit`` allows; ``refuse`` gets the error to send for others.

    A client that goes on sending too many messages is closed with 1008; one that sends too many bytes is not
    read for a while. Raises `WireClosed`. Cancelling it loses no message.
    """
    while True:
        pause = limit.wait(trio.current_time())
        if pause > 0:
            await trio.sleep(pause)
        frame = await wire.receive()
        now = trio.current_time()
        limit.weigh(len(frame), now)
        match limit.judge(now):
            case Verdict.TAKE:
                return frame
            case Verdict.REFUSE_ALOUD:
                message = f"more than {limit.per_second:g} messages a second: slow down, or be disconnected"
                await refuse(Error(message, "rate-limited"))
            case Verdict.CLOSE:
                await wire.close(1008, "rate-limited")
            case Verdict.REFUSE:
                pass
        # While the task waits for the next message, the last one must not stay in memory.
        del frame
