"""`Room`: clients who share one session, which answers their messages one after the other."""

from __future__ import annotations

from contextlib import suppress

import attrs
import trio

from ..config.system import SystemConfig
from ..errors import ProtocolError, QuotaExceeded, WireClosed
from ..protocol import (
    Control,
    Error,
    ForceNewMessage,
    GroupInterrupted,
    Heartbeat,
    HeartbeatAck,
    Incoming,
    InterruptSignal,
    MicFormat,
    QueuePosition,
    TextInput,
    UserInputTranscription,
    encode,
)
from ..protocol.peek import glimpse
from ..quota import MemoryQuota, counted
from .floor import Floor, Outcome, RoomTurn
from .link import Link, OpenWire
from .member import Member, Sender
from .members import Members
from .queue import Refused, RoomQueue, Waiting
from .told import EXPIRED, TOLD

HEARTBEAT = b'{"type":"heartbeat"}'
INTERRUPT = b'{"type":"interrupt-signal","text":""}'
# The session has the same deadlines, and ends a turn more gracefully: ours are for one that does not.
LEEWAY = 2.0


@attrs.define(eq=False)
class Room:
    """`live` is its life, until `close`. One turn at a time: whoever carries one holds the floor."""

    name: str
    _system: SystemConfig
    _link: Link = attrs.field(init=False)
    _queue: RoomQueue[Sender] = attrs.field(init=False)
    members: Members = attrs.field(factory=Members, init=False)
    _floor: Floor[Waiting[Sender]] = attrs.field(factory=Floor, init=False)
    _changed: trio.lowlevel.ParkingLot = attrs.field(factory=trio.lowlevel.ParkingLot, init=False)
    _carried: trio.Event = attrs.field(factory=trio.Event, init=False)
    """Set when a forwarder has done with this room."""
    _playing: RoomTurn[Waiting[Sender]] | None = attrs.field(default=None, init=False)
    """A turn whose sound a forwarder saw through, and whose playback the room itself waits for."""
    _life: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)

    @classmethod
    def behind(cls, open_wire: OpenWire, name: str, system: SystemConfig, quota: MemoryQuota) -> Room:
        """A room whose session is at the other end of what ``open_wire`` opens; ``quota`` is all clients'."""
        room = cls(name, system)
        room._link = Link(open_wire, room)
        room._queue = RoomQueue(
            system.room_queue, system.room_queue_size, system.max_per_sender, system.max_age, quota
        )
        return room

    def __str__(self) -> str:
        return f"room {self.name}"

    def __repr__(self) -> str:
        busy = "" if self._floor.turn is None else " turn"
        return f"<Room {self.name} clients={len(self.members.present)} waiting={len(self._queue)}{busy}>"

    @property
    def waiting(self) -> int:
        """How many messages wait for their turn."""
        return len(self._queue)

    @property
    def busy(self) -> bool:
        """Whether a turn is running."""
        return self._floor.turn is not None

    # Its life.

    async def live(self, line: trio.MemorySendChannel[Room]) -> None:
        """Keep the session, and wait in ``line`` for a forwarder whenever there is a message."""
        with self._life:
            try:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._link.keep, name=f"{self}/link")
                    nursery.start_soon(self._preside, line, name=f"{self}/chair")
            finally:
                self._queue.close()
                self._floor.leave(Outcome.CLOSED)

    def close(self, reason: str) -> None:
        """End the turn that runs, and the session; what waits is dropped."""
        self._life.cancel(reason)

    async def _preside(self, line: trio.MemorySendChannel[Room]) -> None:
        while True:
            turn = self._floor.turn
            if turn is not None:
                # Somebody speaks who was not in the queue: by microphone, or the character of its own accord.
                await self._see_through(turn)
            elif self.members.greeted and self._queue:
                # Waiting to be taken is all that a room does here, so it is in the line at most once.
                self._carried = trio.Event()
                await line.send(self)
                await self._carried.wait()
                turn, self._playing = self._playing, None
                if turn is not None:
                    await self._await_playback(turn)
                    await self._conclude(turn)
            else:
                await self._changed.park()

    # Turns.

    async def carry_next(self) -> None:
        """Carry the next message until all its sound was sent. For forwarders; one at a time.

        While clients play it, which they may take as long about as they like, only the room is busy.
        """
        try:
            self._drop_expired()
            # Much may have changed while the room waited in line.
            if self._floor.turn is None and self.members.greeted:
                message = self._queue.take()
                if message is not None:
                    await self._carry(message)
        finally:
            self._carried.set()

    async def _carry(self, message: Waiting[Sender]) -> None:
        turn = self._floor.take(message)
        if not await self._send(HEARTBEAT, message.frame.encode()):
            turn.finish(Outcome.LOST)
        await self._await_sound(turn)
        if turn.over.is_set():
            await self._conclude(turn)
        else:
            self._playing = turn

    async def _conclude(self, turn: RoomTurn[Waiting[Sender]]) -> None:
        """Tell who asked for ``turn``, if anybody did, what became of it, where that is not to be seen."""
        if turn.message is None:
            return
        told = TOLD.get(turn.outcome or Outcome.ENDED)
        # Once it has begun, all have seen what was interrupted.
        if told is not None and not (turn.started and turn.outcome is Outcome.INTERRUPTED):
            self.members.tell(turn.message.sender.member, told)
        if turn.outcome is Outcome.REFUSED:
            # What the error was about we cannot know: nothing may be answered that was reported as failed.
            await self._send(INTERRUPT, HEARTBEAT)

    async def _see_through(self, turn: RoomTurn[Waiting[Sender]]) -> None:
        """Wait until ``turn`` is over, and end it where it takes too long."""
        await self._await_sound(turn)
        await self._await_playback(turn)

    async def _await_sound(self, turn: RoomTurn[Waiting[Sender]]) -> None:
        """Wait until the last sound of ``turn`` was sent, if it has any; end it where it takes too long."""
        with trio.move_on_after(self._system.turn_deadline + LEEWAY):
            await turn.spoken.wait()
        if not turn.spoken.is_set():
            await self._end_late(turn)

    async def _await_playback(self, turn: RoomTurn[Waiting[Sender]]) -> None:
        """Wait until clients have played ``turn``; end it where they take longer than its sound lasts."""
        with trio.move_on_after(turn.longest_playback + self._system.playback_grace + LEEWAY):
            await turn.over.wait()
        if not turn.over.is_set():
            await self._end_late(turn)

    async def _end_late(self, turn: RoomTurn[Waiting[Sender]]) -> None:
        self._floor.leave(Outcome.LATE)
        self._end_for_all(turn)
        await self._send(INTERRUPT, HEARTBEAT)

    def _end_for_all(self, turn: RoomTurn[Waiting[Sender]]) -> None:
        """Say that a turn is over when the session does not."""
        if turn.started:
            self.members.post(encode(ForceNewMessage()))
            self.members.post(encode(Control("conversation-chain-end")))

    async def _send(self, *frames: bytes) -> bool:
        """Send frames with a heartbeat among them; False if there is no session."""
        floor, sent = self._floor, False
        floor.raise_fence()
        try:
            await self._link.send(*frames)
            sent = True
        except WireClosed:
            pass  # `link_down` tells everybody
        finally:
            if not sent:
                floor.lower_fence()
        return sent

    def _drop_expired(self) -> None:
        for message in self._queue.drop_expired(trio.current_time()):
            self.members.tell(message.sender.member, EXPIRED)

    # What the session says.

    def link_up(self) -> None:
        """See `LinkEnd`."""
        self._floor = Floor()

    @property
    def greeted(self) -> bool:
        """See `LinkEnd`."""
        return self.members.greeted

    def link_said(self, frame: str) -> None:
        """See `LinkEnd`."""
        seen = glimpse(frame)
        begun = self._floor.hear(seen, len(frame))
        if seen.type != "heartbeat-ack":
            self.members.session_said(seen, frame)
        if begun is not None and begun.message is not None:
            message = begun.message
            shown = UserInputTranscription(message.text, message.sender.name or None)
            self.members.post(encode(shown), but=message.sender.member)
        if begun is not None or seen.type == "control":
            self._changed.unpark_all()

    def link_down(self, why: str) -> None:
        """See `LinkEnd`."""
        del why  # names the other server, and is for the log
        turn = self._floor.leave(Outcome.LOST)
        if turn is not None:
            self._end_for_all(turn)
        self.members.session_down()

    # What a client says.

    async def listen(self, member: Member) -> None:
        """Hear ``member`` until it leaves."""
        try:
            while True:
                frame = await member.receive()
                try:
                    # It may have to wait here until there is a session.
                    with member.wire.quota.claim(counted(len(frame))):
                        await self._hear(member, await member.understand(frame), frame)
                except ProtocolError as error:
                    await member.reply(Error(str(error), error.code))
                except QuotaExceeded as error:
                    await member.reply(Error(f"{error}: this message is dropped", "too-much-data"))
                del frame
        except WireClosed as closed:
            member.gone.cancel(f"client left: {closed}")

    async def _hear(self, member: Member, message: Incoming, frame: str | bytes) -> None:
        assert isinstance(frame, str)  # or it could not have been decoded
        match message:
            case TextInput():
                await self._enqueue(member, message, frame)
            case InterruptSignal(text):
                await self._interrupt(member, text, frame)
            case Heartbeat():
                await member.reply(HeartbeatAck())
            case MicFormat():
                pass  # no answer means no: to the session all goes as text
            case _:
                await self._pass_on(frame)

    async def _enqueue(self, member: Member, message: TextInput, frame: str) -> None:
        if not message.text.strip() and not message.images:
            raise ProtocolError("bad-message", "text-input: 'text' is empty, and there is no image")
        self._drop_expired()
        sender = Sender(member, " ".join((message.name or "").split()))
        place = self._queue.put(Waiting(sender, message.text, frame, trio.current_time()))
        if isinstance(place, Refused):
            raise ProtocolError(place.code, place.why)
        self._changed.unpark_all()
        if message.notify:
            await member.reply(QueuePosition(place.position, place.length))

    async def _interrupt(self, member: Member, heard: str, frame: str) -> None:
        """End the turn that runs, whoever asked for it; the next message need not wait for anything."""
        floor, turn = self._floor, self._floor.turn
        if await self._send(frame.encode(), HEARTBEAT) and turn is not None and floor.turn is turn:
            floor.leave(Outcome.INTERRUPTED)
            self.members.post(encode(GroupInterrupted(heard)), but=member)
        self._changed.unpark_all()

    async def _pass_on(self, frame: str) -> None:
        # Pages ask for this and that as soon as they are open; later, without a session, it is lost, as
        # all clients were told.
        await self.members.settled.wait()
        with suppress(WireClosed):
            await self._link.send(frame.encode())
