"""`Room`: clients who share one session, which answers their messages one after the other."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TypeAlias

import attrs
import trio

from ..errors import ProtocolError, WireClosed
from ..protocol import (
    Error,
    GroupInterrupted,
    Heartbeat,
    HeartbeatAck,
    Hello,
    HelloAnswer,
    Incoming,
    InterruptSignal,
    MicFormat,
    QueuePosition,
    TextInput,
    UserInputTranscription,
    encode,
)
from ..quota import MemoryQuota
from .link import Link
from .members import Member, Members, Sender
from .options import RoomLimits
from .queue import QueuedMessage, QueueRefusal, RoomQueue
from .session import FromSession, SessionSource, ToSession, TurnBegan, TurnOver
from .turns import RoomTurn, RoomTurns, Silence, SilenceAnswer, TurnResult

SendersMessage: TypeAlias = QueuedMessage[Sender]
SendersTurn: TypeAlias = RoomTurn[SendersMessage]

EXPIRED = Error("your message has waited longer than max_age, and was dropped", "message-expired")
# Seconds. The session has the same deadlines, and ends a turn more gracefully: the room's are for one that
# does not. A store that does not answer takes it two of them.
LEEWAY = 4.0


@attrs.define(eq=False)
class Room:
    """Clients, a queue of their messages, and one session with one turn at a time. `live` runs until `close`.

    Queued messages are claimed of ``quota``, that of all clients. Four kinds of tasks meet here: the link
    reads from the session, the dispatcher waits until there is a message to answer, the reader of each client
    is in `listen`, and at most one forwarder is in `run_next`.
    """

    name: str
    _source: SessionSource
    _limits: RoomLimits
    _quota: MemoryQuota
    _link: Link = attrs.field(init=False)
    _queue: RoomQueue[Sender] = attrs.field(init=False)
    members: Members = attrs.field(factory=Members, init=False)
    _turns: RoomTurns[SendersMessage] = attrs.field(factory=RoomTurns, init=False)
    _changed: trio.lowlevel.ParkingLot = attrs.field(factory=trio.lowlevel.ParkingLot, init=False)
    """Where the dispatcher waits until there is a message, or a session."""
    _forwarded: trio.Event = attrs.field(factory=trio.Event, init=False)
    """Set when a forwarder is done with this room."""
    _playing: SendersTurn | None = attrs.field(default=None, init=False)
    """A turn whose sound was all sent. The forwarder is free again; the dispatcher waits for the playback."""
    _ended_late: int | None = attrs.field(default=None, init=False)
    """The number of a turn that clients were told is over, while the session has not said so."""
    _silence: Silence[Member] = attrs.field(factory=Silence, init=False)
    _life: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)

    @_link.default
    def _new_link(self) -> Link:
        return Link(self._source)

    @_queue.default
    def _new_queue(self) -> RoomQueue[Sender]:
        most = self._limits
        return RoomQueue(most.queue, most.queue_size, most.per_sender, most.max_age, self._quota)

    def __str__(self) -> str:
        return f"room {self.name}"

    def __repr__(self) -> str:
        busy = " turn" if self.busy else ""
        return f"<Room {self.name} clients={len(self.members.present)} waiting={len(self._queue)}{busy}>"

    @property
    def waiting(self) -> int:
        """How many messages wait for their turn."""
        return len(self._queue)

    @property
    def busy(self) -> bool:
        """Whether a turn is running."""
        return self._turns.current is not None

    # Its life.

    def follow_members(self) -> None:
        """A client has come, is gone, or accepts something else: tell the session what all accept now."""
        self._link.accept(self.members.accepted)

    async def live(self, ready_rooms: trio.MemorySendChannel[Room]) -> None:
        """Keep the session, and ask for a forwarder in ``ready_rooms`` whenever there is a message."""
        with self._life:
            try:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._link.keep, self, name=f"{self}/link")
                    nursery.start_soon(self._dispatch, ready_rooms, name=f"{self}/dispatch")
            finally:
                self._queue.close()
                self._turns.end(TurnResult.CLOSED)

    def close(self, reason: str) -> None:
        """End the turn that runs, and the session; what waits is dropped."""
        self._life.cancel(reason)

    async def _dispatch(self, ready_rooms: trio.MemorySendChannel[Room]) -> None:
        while True:
            turn = self._turns.current
            if turn is not None:
                # It was not begun by the queue: somebody used a microphone, or asked the character to speak.
                await self._await_sound(turn)
                await self._await_playback(turn)
            elif self.members.greeted and self._queue:
                # The dispatcher waits for the forwarder, so the room is in ``ready_rooms`` at most once: with
                # a hundred messages it is behind all others again after each of them.
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

        It does not wait for the playback: five clients that never report its end would occupy all forwarders.
        """
        try:
            self._drop_expired()
            # Much may have changed while the room waited for a forwarder.
            if self._turns.current is None and self.members.greeted:
                message = self._queue.take()
                if message is not None:
                    await self._run_turn(message)
        finally:
            self._forwarded.set()

    async def _run_turn(self, message: SendersMessage) -> None:
        turn = self._turns.ask(message)
        assert turn.request is not None
        try:
            await self._link.session.ask(message.whole, turn.request)
        except WireClosed as closed:
            self.link_down(str(closed))
        await self._await_sound(turn)
        if turn.over.is_set():
            await self._report(turn)
        else:
            self._playing = turn

    async def _report(self, turn: SendersTurn) -> None:
        """Send its sender the error of a ``turn`` that was not completed, unless all have seen why."""
        if turn.message is not None and turn.report is not None:
            self.members.tell(turn.message.sender.member, turn.report)
        if turn.result is TurnResult.REFUSED and turn.request is not None:
            # It was reported as failed: its sender may send it again, and would get two answers.
            with suppress(WireClosed):
                await self._link.session.retract(turn.request)

    async def _await_sound(self, turn: SendersTurn) -> None:
        """Wait until the last sound of ``turn`` was sent, if it has any; end it where it takes too long."""
        with trio.move_on_after(self._limits.turn_deadline + LEEWAY):
            await turn.spoken.wait()
        if not turn.spoken.is_set():
            await self._end_late(turn)

    async def _await_playback(self, turn: SendersTurn) -> None:
        """Wait until clients have played ``turn``; end it where they take longer than its sound lasts."""
        with trio.move_on_after(turn.longest_playback + self._limits.playback_grace + LEEWAY):
            await turn.over.wait()
        if not turn.over.is_set():
            await self._end_late(turn)

    async def _end_late(self, turn: SendersTurn) -> None:
        self._turns.end(TurnResult.LATE)
        if turn.started:
            self._ended_late = turn.number
            self.members.end_turn()
        with suppress(WireClosed):
            await self._link.session.interrupt()

    def _drop_expired(self) -> None:
        for message in self._queue.drop_expired(trio.current_time()):
            self.members.tell(message.sender.member, EXPIRED)

    # What the session says.

    @property
    def greeted(self) -> bool:
        """See `LinkEnd`."""
        return self.members.greeted

    def link_said(self, message: FromSession) -> None:
        """See `LinkEnd`."""
        if message.encoded and not self._was_told(message):
            self.members.session_said(message)
        began = self._turns.follow(message.event) if message.event is not None else None
        if began is not None and began.message is not None:
            asked = began.message
            shown = UserInputTranscription(asked.text, asked.sender.name or None)
            self.members.post(encode(shown), but=asked.sender.member)
        if message.silences and self.busy:
            self._silence = Silence(self.members.present, trio.current_time())
        if message.event is not None or message.head.type == "control":
            self._changed.unpark_all()

    def _was_told(self, message: FromSession) -> bool:
        """Whether it is the end of a turn that the room has ended: the two may cross."""
        if self._ended_late is None:
            return False
        match message.event:
            case TurnOver(number):
                late, self._ended_late = self._ended_late, None
                return number == late
            case TurnBegan():
                self._ended_late = None
        return message.head.type == "force-new-message"

    def link_down(self, why: str) -> None:
        """See `LinkEnd`."""
        del why  # names the other server, which is for the log only
        turn = self._turns.end(TurnResult.LOST)
        if turn is not None and turn.started:
            self.members.end_turn()
        self.members.session_down()

    # What a client says.

    async def listen(self, member: Member) -> None:
        """Handle what ``member`` says, until it leaves."""
        await member.listen(self._source.understand, partial(self._handle, member))

    async def _handle(self, member: Member, message: Incoming, whole: ToSession) -> None:
        match message:
            case TextInput():
                await self._enqueue(member, message, whole)
            case InterruptSignal(text):
                await self._interrupt(member, text, whole)
            case Hello():
                member.accepts = frozenset(message.agreed)
                self.follow_members()
                await member.reply(HelloAnswer(message.agreed))
            case Heartbeat():
                await member.reply(HeartbeatAck())
            case MicFormat():
                pass  # no answer means no: a room passes on JSON only, so microphones go on sending that
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
        """End the turn that runs, whoever asked for it. The next message is dispatched at once."""
        answer = self._silence.answered(member, trio.current_time())
        if answer is SilenceAnswer.LATER:
            return
        # Whether an answer ends the turn, the session knows.
        turn = self._turns.current if answer is None else None
        with suppress(WireClosed):  # `link_down` tells everybody
            await self._link.session.interrupt(signal)
            if turn is not None and self._turns.current is turn:
                self._turns.end(TurnResult.INTERRUPTED)
                self.members.post(encode(GroupInterrupted(heard)), but=member)
        self._changed.unpark_all()

    async def _pass_on(self, message: ToSession) -> None:
        # Pages send requests as soon as they are open: these wait for the first session. Requests during a
        # later outage are dropped, as the error `upstream-down` says.
        await self.members.settled.wait()
        with suppress(WireClosed):
            await self._link.session.send(message)
