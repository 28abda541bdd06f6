"""`Members`: who is in a room, and what they hear of the session behind it."""

from __future__ import annotations

import attrs
import trio

from ..protocol import Control, Error, FullText, GroupUpdate, Outgoing, encode
from ..protocol.peek import Glimpse
from .member import Member

# What a session greets its client with; a room says it again to each of its own clients.
_GREETING = ("group-update", "full-text", "set-model-and-conf", "control")
_HELLO = encode(FullText("Connection established"))
_ALONE = encode(GroupUpdate((), is_owner=False))
_START_MIC = encode(Control("start-mic"))
_OUTAGE = encode(
    Error(
        "the session of this room cannot be reached: text waits until it is back, all else is lost",
        "upstream-down",
    )
)


@attrs.define(eq=False)
class Members:
    """The clients of one room. Everything is handed over here and now: nobody waits for a client."""

    present: set[Member] = attrs.field(factory=set, init=False)
    greeted: bool = attrs.field(default=False, init=False)
    """Whether the session is there, and has said who it is."""
    settled: trio.Event = attrs.field(factory=trio.Event, init=False)
    """Set when the session was there for the first time, or could not be reached."""
    _familiar: set[Member] = attrs.field(factory=set, init=False)
    _introduction: bytes = attrs.field(default=b"", init=False)
    """The session's last `set-model-and-conf`."""
    _outage: bool = attrs.field(default=False, init=False)

    def enter(self, member: Member) -> None:
        """A client comes in; it is greeted as soon as there is a session."""
        self.present.add(member)
        if self.greeted:
            self._greet(member)
        elif self._outage:
            member.post(_OUTAGE)

    def leave(self, member: Member) -> None:
        """A client is gone."""
        self.present.discard(member)
        self._familiar.discard(member)

    def post(self, message: bytes, *, but: Member | None = None) -> None:
        """Send ``message`` to all, ``but`` one."""
        for member in self.present:
            if member is not but:
                member.post(message)

    def tell(self, member: Member, message: Outgoing) -> None:
        """Send ``message`` to one client, if it is still here."""
        if member in self.present:
            member.post(encode(message))

    def session_said(self, seen: Glimpse, frame: str) -> None:
        """Pass ``frame`` on to all; the greeting is kept for each of them, those who come later too."""
        message = frame.encode()
        if seen.type == "set-model-and-conf":
            self._introduction = message
        if self.greeted or seen.type not in _GREETING:
            self.post(message)
        elif seen == Glimpse("control", "start-mic"):
            self._session_up()

    def _session_up(self) -> None:
        self.greeted, self._outage = True, False
        self.settled.set()
        for member in self.present:
            self._greet(member)

    def session_down(self) -> None:
        """The session is gone, or could not be reached; said once for each outage."""
        self.greeted = False
        self.settled.set()
        if not self._outage:
            self._outage = True
            self.post(_OUTAGE)

    def _greet(self, member: Member) -> None:
        """Say what a session says to its client; to one who knows us, only that it is a new session."""
        if member in self._familiar:
            greeting = [_HELLO, self._introduction]
        else:
            greeting = [_ALONE, _HELLO, self._introduction, _ALONE, _START_MIC]
        self._familiar.add(member)
        for message in greeting:
            member.post(message)
