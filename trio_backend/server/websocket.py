"""`WebSocketWire`: a `Wire` over a byte stream, by RFC 6455."""

from __future__ import annotations

from collections import deque
from contextlib import suppress

import attrs
import trio

from ..errors import QuotaExceeded, WireClosed
from ..quota import Claim, MemoryQuota
from . import frames
from .inbound import Inbound, size_of
from .reader import Reader, be_fair
from .streams import end_sending, write_at_once
from .timeouts import MessageTimer

# Bytes. Smaller messages are not claimed of the quota: a claim would be a tenth of what each costs.
SMALL = 16 * 1024
# To copy a message of less than this takes 7 µs at most; to send its head by itself takes 13, and a packet.
COPIED = 128 * 1024
# Seconds that `close` waits for the peer to answer it.
CLOSE_WAIT = 1.0
# Control frames that may wait for a send to finish; the oldest are dropped. RFC 6455, 5.5.3: only the newest
# ping needs an answer.
CONTROL_FRAMES = 64
# Steps that a message answered at once takes, besides those of its frame: decoding, and a system call.
ANSWER_STEPS = 8
_LOST = (1006, "connection lost")
_PING = frames.control(frames.PING)


@attrs.define(eq=False)
class WebSocketWire:
    """One accepted WebSocket; the handshake is over. Keeps the promises of `Wire`.

    One task receives, any task may send. A send that is cancelled half way, or takes longer than
    ``send_timeout`` seconds, aborts the connection. Who opened the wire closes it, whatever happened.

    Messages are claimed of ``quota``: an incoming one until the next `receive`, an outgoing one until it is
    sent. An incoming message that exceeds the quota closes with 1009, an outgoing one with 1008, and with
    1013 if all clients together hold too much. A message that is not complete ``message_timeout`` seconds
    after its first byte closes with 1008; time in which no task receives does not count.
    """

    _stream: trio.abc.Stream
    _send_timeout: float = attrs.field(default=20.0, kw_only=True)
    max_message_size: int = attrs.field(default=8 * 2**20, kw_only=True)
    message_timeout: float = attrs.field(default=60.0, kw_only=True)
    quota: MemoryQuota = attrs.field(factory=MemoryQuota, kw_only=True)
    # See `Reader`.
    _departures: trio.Semaphore = attrs.field(factory=lambda: trio.Semaphore(1), kw_only=True)
    # Bytes that came along behind the handshake.
    _received: bytes = attrs.field(default=b"", kw_only=True, repr=False)
    # When bytes last came, or a task began to wait for them.
    received_at: float = attrs.field(factory=trio.current_time, init=False)
    _inbound: Inbound = attrs.field(init=False)
    _claim: Claim = attrs.field(init=False)
    # Bytes of the message that `receive` returned last: the receiver holds it until it asks for the next one.
    _taken: int = attrs.field(default=0, init=False)
    _timer: MessageTimer = attrs.field(init=False)
    _reader: Reader = attrs.field(init=False)
    # Close code and reason for `WireClosed`, set once: when the connection is closed or lost.
    _end: tuple[int, str] | None = attrs.field(default=None, init=False)
    _at_eof: bool = attrs.field(default=False, init=False)
    # Held by the task whose bytes are being sent.
    _send_lock: trio.Lock = attrs.field(factory=trio.Lock, init=False)
    _control: deque[bytes] = attrs.field(factory=lambda: deque(maxlen=CONTROL_FRAMES), init=False)
    _steps: int = attrs.field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self._inbound = Inbound(self.max_message_size, self._control)
        self._claim, self._timer = self.quota.claim(), MessageTimer(self.message_timeout)
        self._reader = Reader(self._stream, self._departures)
        if self._received:
            self._inbound.feed(self._received)
            self._received = b""

    @property
    def receiving(self) -> bool:
        """Whether a task waits for bytes of the peer at this moment."""
        return self._reader.lock.locked()

    # Receiving

    async def receive(self) -> str | bytes:
        """See `Wire.receive`. Answers pings and the peer's close on the way."""
        await trio.lowlevel.checkpoint_if_cancelled()
        self._steps = await be_fair(self._steps + 1)
        if self._taken:
            self._taken = 0
            self._count()
        while self._inbound.message is None:
            if self._end is not None:
                await self._reader.depart()
                raise WireClosed(*self._end)
            if self._inbound.unparsed:
                await self._parse()
            else:
                await self._receive_bytes()
        message = self._inbound.take()
        self._timer.renew()
        if self._claim.size:
            self._taken = size_of(message)
        return message

    async def _parse(self) -> None:
        self._steps += self._inbound.parse()
        try:
            if self._claim.size or self._inbound.held >= SMALL:
                self._count()
        except QuotaExceeded as error:
            self._inbound.fail(1013 if error.of_all else 1009, str(error))
            self._inbound.discard()
            self._count()
        if self._inbound.end is not None:
            self._end = self._end or self._inbound.end
            await self._reader.depart()
        await self._flush()
        self._steps = await be_fair(self._steps)

    def _count(self) -> None:
        """Claim the bytes that messages take here. Raises `QuotaExceeded`."""
        # Only changes of `SMALL` and more, and the last one: the claim is exact enough, and costs nothing.
        held = self._inbound.held + self._taken
        if not -SMALL < held - self._claim.size < SMALL or (self._claim.size and not held):
            self._claim.resize(held)

    async def _receive_bytes(self) -> None:
        self.received_at = trio.current_time()
        unfinished = self._inbound.unfinished
        deadline = self._timer.deadline(begun=unfinished)
        data = await self._reader.read(deadline)
        overdue = unfinished and self._timer.record(deadline)
        if data:
            self.received_at, self._steps = trio.current_time(), 0
            self._inbound.feed(data)
        elif data is not None:
            self._at_eof, self._end = True, self._end or _LOST
        elif self._end is None and overdue:
            limit = f"{self.message_timeout:g} s (message_timeout)"
            self._inbound.fail(1008, f"a message must be complete within {limit}")
            self._end = self._inbound.end
            await self._flush()

    # Sending

    async def send(self, message: bytes) -> None:
        """See `Wire.send`."""
        await trio.lowlevel.checkpoint_if_cancelled()
        if self._send_lock.locked():
            await self._send_lock.acquire()
        else:
            self._send_lock.acquire_nowait()
        try:
            if self._end is not None:
                raise WireClosed(*self._end)
            if len(message) < SMALL:
                await self._put(frames.head_of(message) + message)
            else:
                await self._send_large(message)
            await self._put_control()
        finally:
            self._send_lock.release()

    async def send_at_once(self, message: bytes) -> bool:
        """See `SendsAtOnce`."""
        if self._end is not None or self._control or self._send_lock.locked() or len(message) > SMALL:
            return False
        data = frames.head_of(message) + message
        sent = self._put_at_once(data)
        if 0 < sent < len(data):
            # Nothing can follow a torn frame but its rest.
            self._send_lock.acquire_nowait()
            try:
                await self._put_in_time(memoryview(data)[sent:])
            finally:
                self._send_lock.release()
        self._steps += ANSWER_STEPS
        return sent > 0

    async def _send_large(self, message: bytes) -> None:
        try:
            claim = self.quota.claim(len(message))
        except QuotaExceeded as error:
            self._inbound.fail(1013 if error.of_all else 1008, str(error))
            self._end = self._end or self._inbound.end or _LOST
            self._reader.interrupt("too much is on its way to the client")
            await self._put_control()
            raise WireClosed(*self._end) from error
        with claim:
            head = frames.head_of(message)
            for part in (head + message,) if len(message) < COPIED else (head, message):
                await self._put(part)

    async def ping(self) -> None:
        """Send a ping, unless a send is going on: then that one finds out. Raises `WireClosed`."""
        if self._end is None and not self._send_lock.locked():
            self._control.append(_PING)
            await self._flush()

    def ping_nowait(self) -> bool:
        """As `ping`, but False if that would have to wait; then nothing was sent."""
        if self._end is not None or self._send_lock.locked():
            return True
        sent = 0 if self._control else self._put_at_once(_PING)
        if 0 < sent < len(_PING):
            # Nothing can follow a torn frame.
            self._end = _LOST
            self._reader.interrupt("the kernel took half a ping")
        return sent > 0

    async def _flush(self) -> None:
        # A task that holds the lock sends these behind its own frame.
        if self._control and not self._send_lock.locked():
            self._send_lock.acquire_nowait()
            try:
                await self._put_control()
            finally:
                self._send_lock.release()

    async def _put_control(self) -> None:
        while self._control:
            waiting = list(self._control)
            self._control.clear()
            data = b"".join(waiting)
            if data:
                await self._put(data)
            if not waiting[-1]:
                # Behind a close frame: the end of what we send.
                await end_sending(self._stream)

    async def _put(self, data: bytes) -> None:
        sent = self._put_at_once(data)
        if sent < len(data):
            await self._put_in_time(memoryview(data)[sent:])
        else:
            self._steps = await be_fair(self._steps + 1)

    def _put_at_once(self, data: bytes) -> int:
        """How many bytes of ``data`` the kernel took without a wait."""
        return write_at_once(self._stream, data)

    async def _put_in_time(self, data: memoryview) -> None:
        whole = False
        try:
            with trio.fail_after(self._send_timeout):
                await self._stream.send_all(data)
            whole = True
        except (trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError):
            raise WireClosed(*(self._end or _LOST)) from None
        finally:
            if not whole:
                await self.abort()

    # Closing

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """See `Wire.close`. Takes at most a second, even if another task is stuck in `send`.

        A task in `receive` sees `WireClosed` with this code, at once or behind a send that is going on.
        Cancelling it aborts the connection.
        """
        try:
            with trio.move_on_after(CLOSE_WAIT), suppress(WireClosed):
                await self._send_close(code, reason)
                await self._wait_close()
                await self._stream.aclose()
        finally:
            self._claim.release()
            await self.abort()

    async def abort(self) -> None:
        """End the connection now, without a close frame."""
        self._end = self._end or _LOST
        await trio.aclose_forcefully(self._stream)

    async def _send_close(self, code: int, reason: str) -> None:
        first, self._end = self._end is None, self._end or (code, reason)
        self._inbound.discard()
        async with self._send_lock:
            if first:
                self._reader.interrupt("the wire is being closed")
                if self._inbound.end is None:
                    self._control.append(frames.close(code, reason))
            await self._put_control()

    async def _wait_close(self) -> None:
        # Closing with bytes unread would make the kernel reset the connection, and the peer lose our close
        # frame.
        async with self._reader.lock:
            while not self._inbound.close_received and not self._at_eof:
                if self._inbound.unparsed:
                    self._steps = await be_fair(self._steps + self._inbound.parse())
                    self._control.clear()
                else:
                    data = await self._reader.read_on()
                    self._at_eof = not data
                    self._inbound.feed(data)
