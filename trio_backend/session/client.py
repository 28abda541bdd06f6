"""`SessionClient`: the client that a session serves, and the kind that is at the other end of a wire."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Literal, Protocol, TypeAlias

import attrs
import trio
from loguru import logger

from ..config.system import SystemConfig
from ..conversation.events import TurnEvent, WakeWordUsed
from ..protocol import (
    Accepted,
    Decoded,
    Error,
    Outgoing,
    SoundForSome,
    SoundFrame,
    WakeWordCounts,
    WakeWordState,
    encode,
)
from ..protocol.rate import RateLimit
from ..quota import MemoryQuota
from ..text.paths import without_folders
from ..wire import SendsAtOnce, Wire, receive_within

Refuse: TypeAlias = Callable[[Error], Awaitable[None]]
SendAtOnce: TypeAlias = Callable[[Outgoing], Awaitable[bool]]
"""See `SessionClient.send_at_once`."""
ToClient: TypeAlias = Outgoing | SoundFrame | SoundForSome | tuple[TurnEvent, Outgoing | None]
"""A message; for a room sound for some of its clients, too, and an event with the message that tells it, if
one does."""

# What went wrong on the server's side. The texts of other errors may repeat what the client said.
_OF_THE_SERVER = frozenset({"bad-config", "engine-error", "engine-replaced", "history-error"})


class SessionClient(Protocol):
    """The client of a session: on a wire, or a room in this process. One task receives, one sends."""

    @property
    def outbox(self) -> trio.MemorySendChannel[ToClient] | None:
        """Of a client in this process: where everything is sent, with the `TurnEvent`s that messages tell.

        None of a client that has messages only, by `send`. Then the outbox is that of a task that writes.
        """
        ...

    @property
    def quota(self) -> MemoryQuota:
        """What the session may keep of what it receives."""
        ...

    @property
    def accepted(self) -> Accepted:
        """What the client accepts. The session changes it for a client on a wire, for a room the room."""
        ...

    async def receive(self, refuse: Refuse) -> str | bytes | Decoded:
        """The next message: a frame, as of `Wire.receive`, or one that was decoded already.

        ``refuse`` gets what the client is to be told of messages that are not taken. Raises `WireClosed` once
        the client is gone. Cancelling it loses no message.
        """
        ...

    async def send(self, message: Outgoing | SoundFrame) -> None:
        """Send ``message``. Raises `WireClosed` if the client is gone, or takes nothing for too long.

        A cancel may have sent it, or have closed the connection.
        """
        ...

    async def send_at_once(self, message: Outgoing) -> bool:
        """As `send`, if ``message`` need not wait; or False, and nothing is sent: see `SendsAtOnce`."""
        ...

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """End the connection, within a bounded time. Closing twice is harmless."""
        ...


@attrs.frozen
class WireClient:
    """A client on a wire, which is closed when the client exceeds its rate limit for too long."""

    _wire: Wire
    _limit: RateLimit
    # The same wire, if it can.
    _at_once: SendsAtOnce | None
    accepted: Accepted = attrs.field(factory=Accepted, init=False)
    outbox: None = attrs.field(default=None, init=False)

    @classmethod
    def of(cls, wire: Wire, system: SystemConfig) -> WireClient:
        """A client with the limits of ``system``."""
        limit = RateLimit(
            system.messages_per_second, system.message_burst, system.bytes_per_second, system.byte_burst
        )
        return cls(wire, limit, wire if isinstance(wire, SendsAtOnce) else None)

    @property
    def quota(self) -> MemoryQuota:
        """See `SessionClient.quota`."""
        return self._wire.quota

    async def receive(self, refuse: Refuse) -> str | bytes:
        """See `SessionClient.receive`."""
        return await receive_within(self._limit, self._wire, refuse)

    async def send(self, message: Outgoing | SoundFrame) -> None:
        """See `SessionClient.send`."""
        await self._wire.send(encode(message))

    async def send_at_once(self, message: Outgoing) -> bool:
        """See `SessionClient.send_at_once`."""
        wire = self._at_once
        return wire is not None and await wire.send_at_once(encode(message))

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """See `SessionClient.close`."""
        await self._wire.close(code, reason)


def for_visitors(error: Error) -> Error:
    """``error`` without the folders of this machine; the whole of it is logged then, for the operator."""
    if error.code not in _OF_THE_SERVER:
        return error
    text = without_folders(error.message)
    if text == error.message:
        return error
    logger.warning("a client is told {}; in full: {}", error.code, error.message)
    return attrs.evolve(error, message=text)


def wake_word_state(used: WakeWordUsed, client_uid: str) -> WakeWordState:
    """What tells the client of that id what became of a wake word that was ``used``."""
    current: Literal["active", "listening"] = "active" if used.awake else "listening"
    counts = WakeWordCounts(used.wake_count, used.end_count, used.ignored_count)
    return WakeWordState(used.action, current, used.phrase, used.language, client_uid, counts)
