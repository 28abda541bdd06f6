"""`RoomSession`: the session behind a room, wherever that is, and what the room is told by it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeAlias

import attrs

from ..identity import RequestId
from ..protocol import Decoded, Incoming, decode_steps
from ..protocol.codec import MessageHead

ToSession: TypeAlias = Decoded | str | bytes
"""What a client said: decoded for a session in this process, the text frame as it came for one elsewhere."""


@attrs.frozen
class TurnBegan:
    """The session's turn number ``turn`` has begun. ``request`` is what it answers; None if a room did not
    ask for it: somebody used the microphone, or the character speaks unasked."""

    turn: int
    request: RequestId | None


@attrs.frozen
class TurnSpoken:
    """All sound of the turn was sent; it lasts ``seconds`` at most."""

    turn: int
    seconds: float


@attrs.frozen
class TurnOver:
    """The turn has ended. One with a ``request`` may have been cut before it was told to have begun."""

    turn: int
    request: RequestId | None


@attrs.frozen
class RequestDropped:
    """No turn answers ``request``.

    It was ``refused``, and an error that was sent before says why; or something else took its place.
    """

    request: RequestId
    refused: bool


RoomEvent: TypeAlias = TurnBegan | TurnSpoken | TurnOver | RequestDropped


@attrs.frozen
class FromSession:
    """What a session says to the clients of a room, and what that means for the room; either may be missing.

    ``encoded`` is the message as every client gets it: it is encoded once. ``head`` is that of the message.
    """

    head: MessageHead
    encoded: bytes = attrs.field(repr=lambda encoded: f"<{len(encoded)} bytes>")
    event: RoomEvent | None = None


class RoomSession(Protocol):
    """A session, as the room that it serves has it. One task receives, any task sends.

    What is sent arrives in the order in which the calls were made. Each call returns when the session has
    what was sent, or its connection will take it next; a cancelled one has sent nothing. Each raises
    `WireClosed` once there is no session any more.
    """

    async def ask(self, message: ToSession, request: RequestId) -> None:
        """Let a turn answer ``message``; what becomes of it is told by `RoomEvent`s with ``request``."""
        ...

    async def interrupt(self, signal: ToSession | None = None) -> None:
        """End whatever runs or waits to run: by the ``signal`` of a client, or by one of the room's own.

        Whoever calls it expects no more events of that.
        """
        ...

    async def retract(self, request: RequestId) -> None:
        """See that ``request``, which was told to be refused, is not answered after all."""
        ...

    async def send(self, message: ToSession) -> None:
        """Send anything else that a client said."""
        ...

    async def receive(self) -> FromSession:
        """What the session says next. Raises `WireClosed`. Cancelling it loses no message."""
        ...


@attrs.frozen
class SessionSource:
    """Where rooms get their sessions: ``open`` opens one, and raises `NoConnection` or `WireClosed`.

    ``decoded`` says in which form its sessions take messages: see `ToSession`.
    """

    open: Callable[[], AbstractAsyncContextManager[RoomSession]]
    decoded: bool

    def understand(self, frame: str | bytes) -> Iterator[tuple[Incoming, ToSession] | None]:
        """The messages in ``frame``, each with what is to be sent on; None where other tasks may have a turn.

        Large sound is several messages, see `decode_steps`. As a frame it goes on whole, once all of it could
        be decoded. Raises `ProtocolError`.
        """
        message: Incoming | None = None
        for step in decode_steps(frame):
            if step is None:
                yield None
            elif message is not None:
                yield (message, self._form(message, frame)) if self.decoded else None
            message = step or message
        assert message is not None
        yield message, self._form(message, frame)

    def _form(self, message: Incoming, frame: str | bytes) -> ToSession:
        return Decoded(message, len(frame)) if self.decoded else frame
