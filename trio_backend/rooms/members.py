"""`Members`: the clients of a room, and what they are sent of its session."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from enum import Enum, auto

import attrs
import trio

from ..errors import ProtocolError, QuotaExceeded, WireClosed
from ..protocol import (
    Accepts,
    Control,
    Error,
    ForceNewMessage,
    FullText,
    GroupUpdate,
    Incoming,
    Outgoing,
    encode,
)
from ..protocol.codec import MessageHead
from ..protocol.rate import RateLimit
from ..quota import Claim, counted
from ..user import NOBODY, User, UserId
from ..wire import Wire, receive_within
from .session import FromSession, ToSession

# RFC 6455's registry: try again later. The client may come back; it has lost what was on its way.
TOO_SLOW = 1013

# What a session greets its client with; a room says it again to each of its own clients.
_GREETING = ("group-update", "full-text", "set-model-and-conf", "control")
# What is sent only to clients that accept it.
_OPTIONAL = ("partial-transcription", "latency", "wake-words", "history-renamed", "speech-recognition")
_HELLO = encode(FullText("Connection established"))
_ALONE = encode(GroupUpdate((), is_owner=False))
_START_MIC = encode(Control("start-mic"))
_NEW_MESSAGE = encode(ForceNewMessage())
_TURN_OVER = encode(Control("conversation-chain-end"))
_OUTAGE = encode(
    Error(
        "the session of this room cannot be reached: text waits until it is back, all else is lost",
        "upstream-down",
    )
)


@attrs.define(eq=False)
class Member:
    """One client of a room, of ``user``, with an outbox of its own, so that it holds up nobody else.

    `write` is its task.
    """

    wire: Wire
    user: User
    _outbox: trio.MemorySendChannel[bytes]
    _unsent: trio.MemoryReceiveChannel[bytes]
    _limit: RateLimit
    _claim: Claim = attrs.field(init=False)
    """What the outbox takes, of the wire's quota."""
    accepts: Accepts = attrs.field(default=None, init=False)
    """The additions to the protocol that the client understands."""
    hears: tuple[int, frozenset[Accepts]] | None = attrs.field(default=None, init=False)
    """The last sentence whose beginning it got, and who gets that in the same form."""
    gone: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    """Around all that is done for this client."""
    _closing: tuple[int, str] | None = attrs.field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self._claim = self.wire.quota.claim()

    @classmethod
    def of(cls, wire: Wire, user: User, *, outbox: int, limit: RateLimit) -> Member:
        """A client who may have ``outbox`` messages on their way to it."""
        put, get = trio.open_memory_channel[bytes](outbox)
        return cls(wire, user, put, get, limit)

    def post(self, message: bytes) -> None:
        """Send ``message`` soon. A client whose outbox is full is disconnected; nobody waits for it."""
        if self.gone.cancel_called:
            return
        try:
            self._claim.resize(self._claim.size + counted(len(message)))
            self._outbox.send_nowait(message)
        except trio.WouldBlock:
            self.disconnect(TOO_SLOW, "you do not keep up with this room")
        except QuotaExceeded as error:
            self.disconnect(TOO_SLOW, str(error))

    def disconnect(self, code: int, reason: str) -> None:
        """End all that is done for the client; its wire is to be closed with ``code`` and ``reason``."""
        self._closing = self._closing or (code, reason)
        self.gone.cancel(reason)

    async def reply(self, message: Outgoing) -> None:
        """Answer what the client said. Only its own reader calls this, and so waits for nobody else."""
        await self.wire.send(encode(message))

    async def listen(
        self,
        understand: Callable[[str | bytes], Iterator[tuple[Incoming, ToSession] | None]],
        handle: Callable[[Incoming, ToSession], Awaitable[None]],
    ) -> None:
        """Let ``handle`` have each message that the rate limit lets through, until the client is gone.

        Where ``understand`` or ``handle`` raises `ProtocolError`, or the message takes too much memory, the
        client is told, and the message is dropped.
        """
        try:
            while True:
                frame = await receive_within(self._limit, self.wire, self.reply)
                try:
                    # It may have to wait in `handle` until there is a session.
                    with self.wire.quota.claim(counted(len(frame))):
                        for understood in understand(frame):
                            if understood is None:
                                await trio.lowlevel.checkpoint()
                            else:
                                await handle(*understood)
                            del understood
                except ProtocolError as error:
                    await self.reply(Error(str(error), error.code))
                except QuotaExceeded as error:
                    await self.reply(Error(f"{error}: this message is dropped", "too-much-data"))
                # A task that waits for the next message must not keep the last one alive.
                del frame
        except WireClosed as closed:
            self.gone.cancel(f"client left: {closed}")

    async def write(self) -> None:
        """Send what is in the outbox, until the client is gone."""
        try:
            async for message in self._unsent:
                # While it is sent, the wire counts it.
                self._claim.resize(self._claim.size - counted(len(message)))
                await self.wire.send(message)
                del message
        except WireClosed as closed:
            self.gone.cancel(f"client left: {closed}")
        finally:
            # Without its writer a client would fill its outbox, and be told that it is too slow.
            self.gone.cancel("nobody writes to this client any more")
            self._claim.release()

    async def close_wire(self) -> None:
        """Close the wire, if it was we who ended it."""
        if self._closing is not None:
            await self.wire.close(*self._closing)


@attrs.frozen
class Sender:
    """Who said something: a client, or one of the many for whom it speaks.

    A name is one sender on all connections of one user. Without logins it is another sender on each
    connection, or one client could use up the share of all clients that send the same name.
    """

    member: Member = attrs.field(eq=False)
    name: str
    _who: Member | UserId = attrs.field(init=False)

    @_who.default
    def _user_or_client(self) -> Member | UserId:
        return self.member if self.member.user == NOBODY else self.member.user.id


class _Presence(Enum):
    """Whether the room has a session."""

    AWAITED = auto()
    """The first one is being opened."""
    THERE = auto()
    """It has sent its greeting."""
    GONE = auto()


@attrs.define(eq=False)
class Members:
    """The clients of one room, and whether the room has a session.

    Nothing here waits: a client that does not read is disconnected.
    """

    present: set[Member] = attrs.field(factory=set, init=False)
    _session: _Presence = attrs.field(default=_Presence.AWAITED, init=False)
    settled: trio.Event = attrs.field(factory=trio.Event, init=False)
    """Set when the first session has greeted, or could not be reached."""
    _greeted_before: set[Member] = attrs.field(factory=set, init=False)
    _model_and_conf: bytes = attrs.field(default=b"", init=False)
    """The session's last `set-model-and-conf`."""

    @property
    def greeted(self) -> bool:
        """Whether there is a session that has greeted."""
        return self._session is _Presence.THERE

    def add(self, member: Member) -> None:
        """A client comes in; it is greeted as soon as there is a session."""
        self.present.add(member)
        if self.greeted:
            self._greet(member)
        elif self._session is _Presence.GONE:
            member.post(_OUTAGE)

    def remove(self, member: Member) -> None:
        """A client is gone."""
        self.present.discard(member)
        self._greeted_before.discard(member)

    def post(self, message: bytes, *, but: Member | None = None) -> None:
        """Send ``message`` to all, ``but`` one."""
        for member in self.present:
            if member is not but:
                member.post(message)

    def tell(self, member: Member, message: Outgoing) -> None:
        """Send ``message`` to one client, if it is still here."""
        if member in self.present:
            member.post(encode(message))

    def end_turn(self) -> None:
        """Send the end of a turn that clients have seen begin, and whose end the session will not send."""
        self.post(_NEW_MESSAGE)
        self.post(_TURN_OVER)

    def session_said(self, message: FromSession) -> None:
        """Pass ``message`` on to all. A new session's greeting is not: each client gets its own."""
        head = message.head
        if head.type == "set-model-and-conf":
            self._model_and_conf = message.encoded
        if self.greeted or head.type not in _GREETING:
            self._post_to_those_who_know(message)
        elif head == MessageHead("control", "start-mic"):
            self._session_up()

    def _post_to_those_who_know(self, message: FromSession) -> None:
        addition = message.head.type if message.head.type in _OPTIONAL else message.needs
        for member in self.present:
            if message.to is not None:
                heard = message.sentence, message.to
                # Whoever has said hello since the beginning gets the rest in the form of that.
                begun = member.hears is not None and member.hears[0] == message.sentence
                if message.begins and member.accepts in message.to and not begun:
                    member.hears = heard
                known = member.hears == heard
            else:
                known = addition is None or addition in (member.accepts or ())
            if known:
                member.post(message.encoded)

    @property
    def accepted(self) -> frozenset[Accepts]:
        """See `Accepted`."""
        return frozenset(member.accepts for member in self.present)

    def _session_up(self) -> None:
        self._session = _Presence.THERE
        self.settled.set()
        for member in self.present:
            self._greet(member)

    def session_down(self) -> None:
        """The session is gone, or could not be reached. Clients are told once per outage."""
        known, self._session = self._session is _Presence.GONE, _Presence.GONE
        self.settled.set()
        if not known:
            self.post(_OUTAGE)

    def _greet(self, member: Member) -> None:
        """Greet as a session does. A client that was greeted before learns only that the session is new."""
        if member in self._greeted_before:
            greeting = [_HELLO, self._model_and_conf]
        else:
            greeting = [_ALONE, _HELLO, self._model_and_conf, _ALONE, _START_MIC]
        self._greeted_before.add(member)
        # The session is new to the client, and counts its sentences anew.
        member.hears = None
        for message in greeting:
            member.post(message)
