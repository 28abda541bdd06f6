"""`RoomSession`: the session that a room shares, in this process or elsewhere, and its events."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeAlias

import attrs

from ..identity import RequestId
from ..protocol import Accepts, Addition, Decoded, EngineRequest, Incoming, decode_steps, unknown_type
from ..protocol.codec import MessageHead

ToSession: TypeAlias = Decoded | str | bytes
"""What a client said: decoded for a session in this process, the text frame as it came for one elsewhere."""


@attrs.frozen
class TurnBegan:
    """The session's turn number ``turn`` has begun. ``request`` is what it answers; None if a room did not
    ask for it: somebody used the microphone, the character speaks unasked, or a turn goes on that was stopped
    because somebody had spoken, who meant nothing."""

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
    """A message for the clients of a room, and its event for the room; either may be missing.

    ``encoded`` is the message for all clients: it is encoded once. ``head`` is its type and control text.
    """

    head: MessageHead
    encoded: bytes = attrs.field(repr=lambda encoded: f"<{len(encoded)} bytes>")
    event: RoomEvent | None = None
    to: frozenset[Accepts] | None = attrs.field(default=None, kw_only=True)
    """Sound for those clients only that accept one of these: see `SoundForSome`."""
    sentence: int = attrs.field(default=0, kw_only=True)
    begins: bool = attrs.field(default=False, kw_only=True)
    needs: Addition | None = attrs.field(default=None, kw_only=True)
    """What a client must accept to understand it."""

    @property
    def silences(self) -> bool:
        """Whether it tells clients that somebody speaks."""
        return self.head == MessageHead("control", "interrupt")


class RoomSession(Protocol):
    """The room's end of a session. One task receives; any task sends.

    Messages arrive in the order of the calls. A call returns when the session has the message, or the
    connection will take it next; a cancelled call has sent nothing. All raise `WireClosed` once the session
    is gone.
    """

    async def ask(self, message: ToSession, request: RequestId) -> None:
        """Ask for a turn that answers ``message``. The `RoomEvent`s about it have ``request``."""
        ...

    async def interrupt(self, signal: ToSession | None = None) -> None:
        """End the turn that runs and those that wait, with a client's ``signal`` or one of the room's own.

        The caller gets no more events of them.
        """
        ...

    async def retract(self, request: RequestId) -> None:
        """Make sure that ``request``, which was reported as refused, is not answered after all."""
        ...

    async def send(self, message: ToSession) -> None:
        """Send anything else that a client said."""
        ...

    def accept(self, each: frozenset[Accepts]) -> None:
        """The room's clients accept these additions to the protocol from now on: see `Accepted`."""
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
        if isinstance(message, EngineRequest):
            # A room's character belongs to all of its clients.
            raise unknown_type(message.type)
        yield message, self._form(message, frame)

    def _form(self, message: Incoming, frame: str | bytes) -> ToSession:
        return Decoded(message, len(frame)) if self.decoded else frame
