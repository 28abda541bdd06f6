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
from ..quota import MemoryQuota, counted
from .link import FromSession, Link, SessionSource, ToSession
from .members import Member, Members, Sender
from .queue import QueuedMessage, QueueRefusal, RoomQueue
from .turns import REPORTS, RoomTurn, TurnResult, TurnTracker

EXPIRED = Error("your message has waited longer than max_age, and was dropped", "message-expired")
# The session has the same deadlines, and ends a turn more gracefully: ours are for one that does not.
LEEWAY = 2.0


@attrs.define(eq=False)
class Room:
    """`live` is its life, until `close`. One turn at a time."""

    name: str
    _system: SystemConfig
    _source: SessionSource
    _link: Link = attrs.field(init=False)
    _queue: RoomQueue[Sender] = attrs.field(init=False)
    members: Members = attrs.field(factory=Members, init=False)
    _tracker: TurnTracker[QueuedMessage[Sender]] = attrs.field(factory=TurnTracker, init=False)
    _changed: trio.lowlevel.ParkingLot = attrs.field(factory=trio.lowlevel.ParkingLot, init=False)
    _forwarded: trio.Event = attrs.field(factory=trio.Event, init=False)
    """Set when a forwarder is done with this room."""
    _playing: RoomTurn[QueuedMessage[Sender]] | None = attrs.field(default=None, init=False)
    """A turn whose sound was sent while a forwarder waited, and whose playback the room itself waits for."""
    _life: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)

    @classmethod
    def of(cls, source: SessionSource, name: str, system: SystemConfig, quota: MemoryQuota) -> Room:
        """A room whose session is one of ``source``; ``quota`` is all clients'."""
        room = cls(name, system, source)
        room._link = Link(source, room)
        room._queue = RoomQueue(
            system.room_queue, system.room_queue_size, system.max_per_sender, system.max_age, quota
        )
        return room

    def __str__(self) -> str:
        return f"room {self.name}"

    def __repr__(self) -> str:
        busy = "" if self._tracker.turn is None else " turn"
        return f"<Room {self.name} clients={len(self.members.present)} waiting={len(self._queue)}{busy}>"

    @property
    def waiting(self) -> int:
        """How many messages wait for their turn."""
        return len(self._queue)

    @property
    def busy(self) -> bool:
        """Whether a turn is running."""
        return self._tracker.turn is not None

    # Its life.

    async def live(self, ready_rooms: trio.MemorySendChannel[Room]) -> None:
        """Keep the session, and ask for a forwarder in ``ready_rooms`` whenever there is a message."""
        with self._life:
            try:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._link.keep, name=f"{self}/link")
                    nursery.start_soon(self._dispatch, ready_rooms, name=f"{self}/dispatch")
            finally:
                self._queue.close()
                self._tracker.end(TurnResult.CLOSED)

    def close(self, reason: str) -> None:
        """End the turn that runs, and the session; what waits is dropped."""
        self._life.cancel(reason)

    async def _dispatch(self, ready_rooms: trio.MemorySendChannel[Room]) -> None:
        while True:
            turn = self._tracker.turn
            if turn is not None:
                # It answers nothing that was in the queue: somebody used the microphone, or nudged.
                await self._await_turn(turn)
            elif self.members.greeted and self._queue:
                # All that a room does here is to wait, so it stands among the ready ones at most once.
                self._forwarded = trio.Event()
                await ready_rooms.send(self)
                await self._forwarded.wait()
                turn, self._playing = self._playing, None
                if turn is not None:
                    await self._await_playback(turn)
                    await self._report(turn)
            else:
                await self._changed.park()

    # Turns.

    async def run_next(self) -> None:
        """Run the turn of the next message until all its sound was sent. For forwarders; one at a time.

        While clients play it, which they may take as long about as they like, only the room is busy.
        """
        try:
            self._drop_expired()
            # Much may have changed while the room waited for a forwarder.
            if self._tracker.turn is None and self.members.greeted:
                message = self._queue.take()
                if message is not None:
                    await self._run_turn(message)
        finally:
            self._forwarded.set()

    async def _run_turn(self, message: QueuedMessage[Sender]) -> None:
        turn = self._tracker.begin(message)
        if not await self._send(self._source.heartbeat(), message.whole):
            turn.finish(TurnResult.LOST)
        await self._await_sound(turn)
        if turn.over.is_set():
            await self._report(turn)
        else:
            self._playing = turn

    async def _report(self, turn: RoomTurn[QueuedMessage[Sender]]) -> None:
        """Tell who asked for ``turn``, if anybody did, what became of it, where that is not to be seen."""
        if turn.message is None:
            return
        told = REPORTS.get(turn.result or TurnResult.ENDED)
        # Once it has begun, all have seen what was interrupted.
        if told is not None and not (turn.started and turn.result is TurnResult.INTERRUPTED):
            self.members.tell(turn.message.sender.member, told)
        if turn.result is TurnResult.REFUSED:
            # What the error was about we cannot know: nothing may be answered that was reported as failed.
            await self._send(self._source.interrupt(), self._source.heartbeat())

    async def _await_turn(self, turn: RoomTurn[QueuedMessage[Sender]]) -> None:
        """Wait until ``turn`` is over, and end it where it takes too long."""
        await self._await_sound(turn)
        await self._await_playback(turn)

    async def _await_sound(self, turn: RoomTurn[QueuedMessage[Sender]]) -> None:
        """Wait until the last sound of ``turn`` was sent, if it has any; end it where it takes too long."""
        with trio.move_on_after(self._system.turn_deadline + LEEWAY):
            await turn.spoken.wait()
        if not turn.spoken.is_set():
            await self._end_late(turn)

    async def _await_playback(self, turn: RoomTurn[QueuedMessage[Sender]]) -> None:
        """Wait until clients have played ``turn``; end it where they take longer than its sound lasts."""
        with trio.move_on_after(turn.longest_playback + self._system.playback_grace + LEEWAY):
            await turn.over.wait()
        if not turn.over.is_set():
            await self._end_late(turn)

    async def _end_late(self, turn: RoomTurn[QueuedMessage[Sender]]) -> None:
        self._tracker.end(TurnResult.LATE)
        self._end_for_all(turn)
        await self._send(self._source.interrupt(), self._source.heartbeat())

    def _end_for_all(self, turn: RoomTurn[QueuedMessage[Sender]]) -> None:
        """Say that a turn is over when the session does not."""
        if turn.started:
            self.members.post(encode(ForceNewMessage()))
            self.members.post(encode(Control("conversation-chain-end")))

    async def _send(self, *messages: ToSession) -> bool:
        """Send messages with a heartbeat among them; False if there is no session."""
        tracker, sent = self._tracker, False
        tracker.add_barrier()
        try:
            await self._link.send(*messages)
            sent = True
        except WireClosed:
            pass  # `link_down` tells everybody
        finally:
            if not sent:
                tracker.remove_barrier()
        return sent

    def _drop_expired(self) -> None:
        for message in self._queue.drop_expired(trio.current_time()):
            self.members.tell(message.sender.member, EXPIRED)

    # What the session says.

    def link_up(self) -> None:
        """See `LinkEnd`."""
        self._tracker = TurnTracker()

    @property
    def greeted(self) -> bool:
        """See `LinkEnd`."""
        return self.members.greeted

    def link_said(self, message: FromSession) -> None:
        """See `LinkEnd`."""
        head = message.head
        started = self._tracker.follow(head, len(message.encoded))
        if head.type != "heartbeat-ack":
            self.members.session_said(message)
        if started is not None and started.message is not None:
            asked = started.message
            shown = UserInputTranscription(asked.text, asked.sender.name or None)
            self.members.post(encode(shown), but=asked.sender.member)
        if started is not None or head.type == "control":
            self._changed.unpark_all()

    def link_down(self, why: str) -> None:
        """See `LinkEnd`."""
        del why  # names the other server, and is for the log
        turn = self._tracker.end(TurnResult.LOST)
        if turn is not None:
            self._end_for_all(turn)
        self.members.session_down()

    # What a client says.

    async def listen(self, member: Member) -> None:
        """Handle what ``member`` says, until it leaves."""
        try:
            while True:
                frame = await member.receive()
                try:
                    # It may have to wait here until there is a session.
                    with member.wire.quota.claim(counted(len(frame))):
                        for understood in self._source.understand(frame):
                            if understood is None:
                                await trio.lowlevel.checkpoint()
                            else:
                                await self._handle(member, *understood)
                            del understood
                except ProtocolError as error:
                    await member.reply(Error(str(error), error.code))
                except QuotaExceeded as error:
                    await member.reply(Error(f"{error}: this message is dropped", "too-much-data"))
                del frame
        except WireClosed as closed:
            member.gone.cancel(f"client left: {closed}")

    async def _handle(self, member: Member, message: Incoming, whole: ToSession) -> None:
        match message:
            case TextInput():
                await self._enqueue(member, message, whole)
            case InterruptSignal(text):
                await self._interrupt(member, text, whole)
            case Heartbeat():
                await member.reply(HeartbeatAck())
            case MicFormat():
                pass  # no answer means no: to the session all goes as text
            case _:
                await self._pass_on(whole)

    async def _enqueue(self, member: Member, message: TextInput, whole: ToSession) -> None:
        if not message.text.strip() and not message.images:
            raise ProtocolError("bad-message", "text-input: 'text' is empty, and there is no image")
        self._drop_expired()
        sender = Sender(member, " ".join((message.name or "").split()))
        place = self._queue.put(QueuedMessage(sender, message.text, whole, trio.current_time()))
        if isinstance(place, QueueRefusal):
            raise ProtocolError(place.code, place.why)
        self._changed.unpark_all()
        if message.notify:
            await member.reply(QueuePosition(place.position, place.length))

    async def _interrupt(self, member: Member, heard: str, signal: ToSession) -> None:
        """End the turn that runs, whoever asked for it; the next message need not wait for anything."""
        tracker, turn = self._tracker, self._tracker.turn
        sent = await self._send(signal, self._source.heartbeat())
        if sent and turn is not None and tracker.turn is turn:
            tracker.end(TurnResult.INTERRUPTED)
            self.members.post(encode(GroupInterrupted(heard)), but=member)
        self._changed.unpark_all()

    async def _pass_on(self, message: ToSession) -> None:
        # Pages ask for this and that as soon as they are open; later, without a session, it is lost, as
        # all clients were told.
        await self.members.settled.wait()
        with suppress(WireClosed):
            await self._link.send(message)
