"""The session of a room on another server, and the turns that its messages show.

The protocol's messages do not say which turn they belong to, nor what they answer. This module, and no other,
concludes it from their order.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import attrs
import msgspec
import trio

from ..client.address import parse_address
from ..errors import ProtocolError, WireClosed
from ..identity import RequestId
from ..protocol import ADDITIONS, Accepts, Addition, Binary, Decoded, decode_frame
from ..protocol.codec import MessageHead, read_head
from ..wire import Wire
from .session import FromSession, RequestDropped, RoomEvent, ToSession, TurnBegan, TurnOver, TurnSpoken

if TYPE_CHECKING:
    from ..client.connection import ClientWire

# Bytes of a message with a second of sound: 16-bit mono at 8 kHz, the least that TTS engines give, in base64.
# So what was sent cannot last longer than this says.
SOUND_PER_SECOND = 16_000 * 4 / 3
# How our own encoder begins an `AudioPiece` or `AudioStream`, and characters that may follow their sound.
_NUMBERED = '{"type":"audio","sentence":'
_TAIL = 200
UNKNOWN = '"unknown-type"'
HEARTBEAT = b'{"type":"heartbeat"}'
INTERRUPT = b'{"type":"interrupt-signal","text":""}'


@attrs.define(eq=False)
class TrackedTurn:
    """A turn of the other server's session. ``number`` counts those that began, and is 0 before it has."""

    request: RequestId | None = None
    number: int = 0
    sound: float = 0.0
    """Seconds that its sound lasts at most."""
    stopped: bool = False
    """Whether somebody has spoken while it ran: what begins next is another, or this one again."""


@attrs.define(eq=False)
class TurnTracker:
    """Follows one connection to a session: at most one turn at a time, asked for by us or begun otherwise.

    Before a turn is asked for, and after an interrupt, a `heartbeat` is sent as a barrier: a server answers
    it in order, so what comes before its ack is of earlier turns. No tasks, no clock.

    Not so where a server acks before it tells of a turn that an earlier message (a nudge) began: it is taken
    for the one asked for. If that one is then refused, its sender sees the common error, no ``turn-failed``.
    """

    turn: TrackedTurn | None = attrs.field(default=None, init=False)
    """What runs, or was asked for last."""
    _count: int = attrs.field(default=0, init=False)
    _barriers: int = attrs.field(default=0, init=False)

    def add_barrier(self) -> None:
        """A heartbeat is about to be sent."""
        self._barriers += 1

    def remove_barrier(self) -> None:
        """The ack has come, or the heartbeat was not sent after all."""
        self._barriers = max(0, self._barriers - 1)

    def ask(self, request: RequestId) -> None:
        """``request`` is about to be sent: the next turn answers it."""
        self.turn = TrackedTurn(request)

    def end(self, turn: TrackedTurn | None) -> None:
        """``turn`` is over, unless another took its place meanwhile."""
        if self.turn is turn:
            self.turn = None

    def follow(self, head: MessageHead, size: int) -> RoomEvent | None:
        """What it means that the session has sent a message of ``size`` bytes."""
        if head.type == "heartbeat-ack":
            self.remove_barrier()
        elif not self._barriers:
            return self._follow(head, size)
        return None

    def follow_sound(self, seconds: float) -> None:
        """The session has sent a binary frame of so many seconds."""
        if self.turn is not None and not self._barriers:
            self.turn.sound += seconds

    def _follow(self, head: MessageHead, size: int) -> RoomEvent | None:
        turn = self.turn
        begun = turn is not None and turn.number > 0
        match head:
            case MessageHead("control", "interrupt") if turn is not None and begun:
                turn.stopped = True
            # A second start within a turn is one of the same turn.
            case MessageHead("control", "conversation-chain-start") if not begun or (turn and turn.stopped):
                self._count += 1
                self.turn = turn = TrackedTurn() if turn is None or turn.stopped else turn
                turn.number = self._count
                return TurnBegan(turn.number, turn.request)
            case MessageHead("control", "conversation-chain-end") if turn is not None and begun:
                self.turn = None
                return TurnOver(turn.number, turn.request)
            # Before the turn has begun it is taken for a refusal; within a turn it is told beside the reply.
            case MessageHead("error") if turn is not None and turn.request is not None and not begun:
                self.turn = None
                return RequestDropped(turn.request, refused=True)
            case MessageHead("audio") if turn is not None:
                turn.sound += size / SOUND_PER_SECOND
            case MessageHead("backend-synth-complete") if turn is not None and begun:
                return TurnSpoken(turn.number, turn.sound)
        return None


@attrs.define(eq=False)
class UpstreamSession:
    """A `RoomSession` at the other end of a wire. See `open_session_on`."""

    _wire: Wire
    _put: trio.MemorySendChannel[tuple[bytes, ...]]
    _tracker: TurnTracker = attrs.field(factory=TurnTracker, init=False)
    _wanted: tuple[Addition, ...] = attrs.field(default=(), init=False)
    """What the other server is to know that its client, this room, accepts."""
    _changed: trio.Event = attrs.field(factory=trio.Event, init=False)
    _said_hello: bool = attrs.field(default=False, init=False)
    _knows_hello: bool = attrs.field(default=True, init=False)

    async def ask(self, message: ToSession, request: RequestId) -> None:
        """See `RoomSession.ask`."""
        self._tracker.ask(request)
        await self._send_with_barrier(HEARTBEAT, _frame(message))

    async def interrupt(self, signal: ToSession | None = None) -> None:
        """See `RoomSession.interrupt`."""
        turn = self._tracker.turn
        await self._send_with_barrier(INTERRUPT if signal is None else _frame(signal), HEARTBEAT)
        self._tracker.end(turn)

    async def retract(self, request: RequestId) -> None:
        """See `RoomSession.retract`: an interrupt."""
        del request  # what the error was about cannot be known, and the turn may be about to begin
        await self._send_with_barrier(INTERRUPT, HEARTBEAT)

    async def send(self, message: ToSession) -> None:
        """See `RoomSession.send`."""
        await self._send(_frame(message))

    def accept(self, each: frozenset[Accepts]) -> None:
        """See `RoomSession.accept`. Sound comes in one form for all, which each accepts."""
        self._wanted = accepted_by_link(each)
        self._changed.set()

    async def receive(self) -> FromSession:
        """See `RoomSession.receive`."""
        while True:
            frame = await self._wire.receive()
            if isinstance(frame, bytes):
                if (sound := self._sound(frame)) is not None:
                    return sound
                continue
            head, encoded = read_head(frame), frame.encode()
            event = self._tracker.follow(head, len(encoded))
            # The room answers what its clients say of these; what comes here answers our own.
            if head.type not in ("heartbeat-ack", "hello") and not self._refuses_hello(head, frame):
                return FromSession(head, encoded, event, needs=needed(head, frame))

    def _sound(self, frame: bytes) -> FromSession | None:
        """A binary frame; None for one that is not of this protocol, and is dropped."""
        try:
            sound = decode_frame(frame)
        except ProtocolError:
            return None
        if sound.rate:
            self._tracker.follow_sound(len(sound.samples) / 2 / sound.rate)
        return FromSession(MessageHead(), Binary(frame), needs="bytes")

    def _refuses_hello(self, head: MessageHead, frame: str) -> bool:
        """Whether it is how an older server answers a hello, which concerns no client."""
        if head.type == "error" and self._said_hello and UNKNOWN in frame and "'hello'" in frame:
            self._knows_hello = False
            return True
        return False

    async def say_hello(self) -> None:
        """For ever: tell the other server what clients accept, whenever that has changed."""
        said: tuple[Addition, ...] = ()
        while True:
            self._changed = trio.Event()
            if self._wanted != said and self._knows_hello:
                said, self._said_hello = self._wanted, True
                await self._send(b'{"type":"hello","accepts":%s}' % msgspec.json.encode(said))
            else:
                await self._changed.wait()

    async def write(self, batches: trio.MemoryReceiveChannel[tuple[bytes, ...]]) -> None:
        """Send what is in ``batches``, until cancelled. Raises `WireClosed`."""
        with batches:
            async for batch in batches:
                for message in batch:
                    await self._wire.send(message)
                # A task that waits for the next batch must not keep the last one alive.
                del batch, message

    async def _send_with_barrier(self, *messages: bytes) -> None:
        """Send messages with a heartbeat among them, with nothing in between."""
        self._tracker.add_barrier()
        sent = False
        try:
            await self._send(*messages)
            sent = True
        finally:
            if not sent:
                self._tracker.remove_barrier()

    async def _send(self, *messages: bytes) -> None:
        try:
            # Another task writes: a cancel in the middle of a frame would break the connection.
            await self._put.send(messages)
        except trio.BrokenResourceError as error:
            raise WireClosed from error


def accepted_by_link(each: frozenset[Accepts]) -> tuple[Addition, ...]:
    """What a room accepts whose clients accept ``each``; titles, which all of them get, only if all do."""
    every = [accepts or frozenset() for accepts in each]
    forms: tuple[Addition, ...] = ("bytes", "pieces")
    form = next((form for form in forms if every and all(form in accepts for accepts in every)), None)
    wanted = frozenset[Addition]().union(*every).difference(forms) | ({form} if form else set())
    wanted -= frozenset({"titles"} if not all("titles" in accepts for accepts in every) else ())
    return tuple(addition for addition in ADDITIONS if addition in wanted)


def needed(head: MessageHead, frame: str) -> Addition | None:
    """What a client must accept to understand ``frame``: while clients come and go, forms of sound cross."""
    if head.type != "audio" or not frame.startswith(_NUMBERED):
        return None
    if '"stream":true' in frame[-_TAIL:]:
        return "bytes"
    whole = '"last":true' in frame[: len(_NUMBERED) + 30] and '"display_text":null' not in frame[-_TAIL:]
    return None if whole else "pieces"


def _frame(message: ToSession) -> bytes:
    assert not isinstance(message, Decoded)
    return message if isinstance(message, bytes) else message.encode()


@asynccontextmanager
async def open_session_on(wire: Wire) -> AsyncIterator[UpstreamSession]:
    """The session at the other end of ``wire``, for as long as the block lasts.

    Raises `WireClosed`, inside an `ExceptionGroup`, when the connection is lost.
    """
    # No capacity: messages that cannot be sent yet stay in the room's queue, which is bounded.
    put, batches = trio.open_memory_channel[tuple[bytes, ...]](0)
    session = UpstreamSession(wire, put)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(session.write, batches, name="upstream/writer")
        nursery.start_soon(session.say_hello, name="upstream/hello")
        yield session
        nursery.cancel_scope.cancel("the connection is over")


@asynccontextmanager
async def open_upstream(
    url: str, *, ping_interval: float, pong_timeout: float
) -> AsyncIterator[UpstreamSession]:
    """A session of the server at ``url``; it ends when that answers no ping for ``pong_timeout`` seconds.

    Whose session it is, that server decides: this one brings no credentials. Raises `NoConnection`, and
    `WireClosed` inside an `ExceptionGroup`.
    """
    # Imported here: few servers have an upstream, and the client library takes 20 ms to import.
    from ..client.connection import open_wire

    async with (
        open_wire(parse_address(url)) as wire,
        trio.open_nursery() as nursery,
        open_session_on(wire) as session,
    ):
        nursery.start_soon(_ping, wire, ping_interval, pong_timeout, name="upstream/pings")
        yield session
        nursery.cancel_scope.cancel("the connection is over")


async def _ping(wire: ClientWire, interval: float, timeout: float) -> None:
    while True:
        await trio.sleep(interval)
        with trio.move_on_after(timeout) as waiting:
            await wire.ping()
        if waiting.cancelled_caught:
            raise WireClosed(1006, f"no answer to a ping within {timeout:g} s")
