"""`Member`: one client of a room, with an outbox of its own, so that it holds up nobody else."""

from __future__ import annotations

import attrs
import trio

from ..errors import QuotaExceeded, WireClosed
from ..protocol import Incoming, Outgoing, Utf8, decode_steps, encode
from ..protocol.rate import RateLimit
from ..quota import Claim, counted
from ..wire import Wire, receive_within

# RFC 6455's registry: try again later. The client may come back; it has lost what was on its way.
TOO_SLOW = 1013


@attrs.define(eq=False)
class Member:
    """A client. `write` is its task; who leaves, or does not keep up, is told so by ``gone``."""

    wire: Wire
    _outbox: trio.MemorySendChannel[bytes]
    _mail: trio.MemoryReceiveChannel[bytes]
    _limit: RateLimit
    _claim: Claim = attrs.field(init=False)
    """What the outbox takes, of the wire's quota."""
    gone: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    """Around all that is done for this client."""
    _goodbye: tuple[int, str] | None = attrs.field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self._claim = self.wire.quota.claim()

    @classmethod
    def of(cls, wire: Wire, *, outbox: int, limit: RateLimit) -> Member:
        """A client who may have ``outbox`` messages on their way to it."""
        put, get = trio.open_memory_channel[bytes](outbox)
        return cls(wire, put, get, limit)

    def post(self, message: bytes) -> None:
        """Send ``message`` sometime soon. A client whose outbox is full is sent away; nobody waits for it."""
        if self.gone.cancel_called:
            return
        try:
            self._claim.resize(self._claim.size + counted(len(message)))
            self._outbox.send_nowait(message)
        except trio.WouldBlock:
            self.dismiss(TOO_SLOW, "you do not keep up with this room")
        except QuotaExceeded as error:
            self.dismiss(TOO_SLOW, str(error))

    def dismiss(self, code: int, reason: str) -> None:
        """Let the client go, with a close code and a reason."""
        self._goodbye = self._goodbye or (code, reason)
        self.gone.cancel(reason)

    async def reply(self, message: Outgoing) -> None:
        """Answer what the client said. Only its own reader calls this, and so waits for nobody else."""
        await self.wire.send(encode(message))

    async def receive(self) -> str | bytes:
        """The next message of the client that its rate limit lets through. Raises `WireClosed`."""
        frame = await receive_within(self._limit, self.wire, self.reply)
        return frame.decode() if isinstance(frame, Utf8) else frame

    async def understand(self, frame: str | bytes) -> Incoming:
        """The message in ``frame``; the last, where it is so large that it comes as several.

        Raises `ProtocolError`.
        """
        message: Incoming | None = None
        for number, step in enumerate(decode_steps(frame)):
            message = step or message
            if number:
                await trio.lowlevel.checkpoint()
        assert message is not None
        return message

    async def write(self) -> None:
        """Carry the outbox to the wire, until the client is gone."""
        try:
            async for message in self._mail:
                # While it is sent, the wire counts it.
                self._claim.resize(self._claim.size - counted(len(message)))
                await self.wire.send(message)
                del message
        except WireClosed as closed:
            self.gone.cancel(f"client left: {closed}")
        finally:
            # Nobody takes what still waits, and no more of it is to come.
            self.gone.cancel("nobody writes to this client any more")
            self._claim.release()

    async def say_goodbye(self) -> None:
        """Close the wire, if it was we who ended it."""
        if self._goodbye is not None:
            await self.wire.close(*self._goodbye)


@attrs.frozen
class Sender:
    """Who said something: a client, or one of the many for whom it speaks."""

    member: Member
    name: str
