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
from .patience import Patience
from .writing import end_sending, write_at_once

READ_SIZE = 64 * 1024
# Bytes that are not worth counting: a claim for every small message would be a tenth of what it costs.
SMALL = 16 * 1024
# How long `close` waits for the peer to answer it.
CLOSE_WAIT = 1.0
# Pongs that may wait for a sender to finish. RFC 6455, 5.5.3: only the newest ping needs an answer.
CONTROL_FRAMES = 64
# After so many frames, or sends, without having had to wait, let the other tasks run.
FAIR_SHARE = 256
_LOST = (1006, "connection lost")
_PING = frames.control(frames.PING)


@attrs.define(eq=False)
class WebSocketWire:
    """One accepted WebSocket; the handshake is over. Keeps the promises of `Wire`.

    One task receives, and reads the socket itself. Any task may send. A send that is cancelled half
    way, or takes longer than ``send_timeout`` seconds, aborts the connection. Whoever opened the wire
    calls `close` in the end, whatever happened.

    What is on its way is claimed of ``quota``: the message that comes in, until the next one is asked for,
    and the one that goes out. Too much closes 1009, or 1013 where it is all clients together. A message that
    is not complete ``message_timeout`` seconds after its first byte closes 1008; the time in which nobody
    receives does not count.
    """

    _stream: trio.abc.Stream
    _send_timeout: float = attrs.field(default=20.0, kw_only=True)
    max_message_size: int = attrs.field(default=8 * 2**20, kw_only=True)
    message_timeout: float = attrs.field(default=60.0, kw_only=True)
    quota: MemoryQuota = attrs.field(factory=MemoryQuota, kw_only=True)
    # Bytes that came along behind the handshake.
    _received: bytes = attrs.field(default=b"", kw_only=True, repr=False)
    # When bytes last came, or somebody began to wait for them.
    heard_at: float = attrs.field(factory=trio.current_time, init=False)
    _inbound: Inbound = attrs.field(init=False)
    _claim: Claim = attrs.field(init=False)
    # What the message that was taken last takes, and how long the one that comes may still take.
    _given: int = attrs.field(default=0, init=False)
    _patience: Patience = attrs.field(init=False)
    _end: tuple[int, str] | None = attrs.field(default=None, init=False)
    _at_eof: bool = attrs.field(default=False, init=False)
    # Held by the task whose bytes are going out; and by the one that waits for bytes.
    _line: trio.Lock = attrs.field(factory=trio.Lock, init=False)
    _ear: trio.Lock = attrs.field(factory=trio.Lock, init=False)
    _listening: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    _control: deque[bytes] = attrs.field(factory=lambda: deque(maxlen=CONTROL_FRAMES), init=False)
    _unrested: int = attrs.field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self._inbound = Inbound(self.max_message_size, self._control)
        self._claim, self._patience = self.quota.claim(), Patience(self.message_timeout)
        if self._received:
            self._inbound.feed(self._received)
            self._received = b""

    @property
    def waiting(self) -> bool:
        """Whether a task waits for bytes of the peer at this moment."""
        return self._ear.locked()

    # Receiving

    async def receive(self) -> str | bytes:
        """See `Wire.receive`. Answers pings and the peer's close on the way."""
        await trio.lowlevel.checkpoint_if_cancelled()
        await self._rest(1)
        if self._given:
            self._given = 0
            self._count()
        while self._inbound.message is None:
            if self._end is not None:
                raise WireClosed(*self._end)
            if self._inbound.unparsed:
                await self._parse()
            else:
                await self._listen()
        message = self._inbound.take()
        self._patience.renew()
        if self._claim.size:
            self._given = size_of(message)
        return message

    async def _parse(self) -> None:
        count = self._inbound.parse()
        try:
            self._count()
        except QuotaExceeded as error:
            self._inbound.fail(1013 if error.of_all else 1009, str(error))
            self._inbound.discard()
            self._count()
        self._end = self._end or self._inbound.end
        await self._flush()
        await self._rest(count)

    def _count(self) -> None:
        """Claim what messages take here. Raises `QuotaExceeded`."""
        held = self._inbound.held + self._given
        if not -SMALL < held - self._claim.size < SMALL or (self._claim.size and not held):
            self._claim.resize(held)

    async def _listen(self) -> None:
        self._ear.acquire_nowait()
        self.heard_at = trio.current_time()
        deadline = self._patience.deadline(begun=self._inbound.unfinished)
        data: bytes | bytearray | None = None
        try:
            with trio.CancelScope(deadline=deadline) as self._listening:
                data = await self._read()
        finally:
            self._ear.release()
        overdue = self._patience.ended(deadline)
        if data:
            self.heard_at, self._unrested = trio.current_time(), 0
            self._inbound.feed(data)
        elif data is not None:
            self._at_eof, self._end = True, self._end or _LOST
        elif self._end is None and overdue:
            limit = f"{self.message_timeout:g} s (message_timeout)"
            self._inbound.fail(1008, f"a message must be complete within {limit}")
            self._end = self._inbound.end
            await self._flush()

    async def _read(self) -> bytes | bytearray:
        """What comes next; nothing at the end, whatever kind of end it is."""
        try:
            return await self._stream.receive_some(READ_SIZE)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return b""

    async def _rest(self, steps: int) -> None:
        self._unrested += steps
        if self._unrested > FAIR_SHARE:
            self._unrested = 0
            await trio.lowlevel.cancel_shielded_checkpoint()

    # Sending

    async def send(self, message: bytes) -> None:
        """See `Wire.send`."""
        await trio.lowlevel.checkpoint_if_cancelled()
        await self._take_line()
        try:
            if self._end is not None:
                raise WireClosed(*self._end)
            if len(message) < SMALL:
                await self._put(frames.head(frames.TEXT, len(message)) + message)
            else:
                await self._send_large(message)
            await self._put_control()
        finally:
            self._line.release()

    async def _send_large(self, message: bytes) -> None:
        try:
            claim = self.quota.claim(len(message))
        except QuotaExceeded as error:
            self._inbound.fail(1013 if error.of_all else 1008, str(error))
            self._end = self._end or self._inbound.end or _LOST
            self._listening.cancel("too much is on its way to the client")
            await self._put_control()
            raise WireClosed(*self._end) from error
        with claim:
            # Two pieces, since to join them would copy the message.
            await self._put(frames.head(frames.TEXT, len(message)))
            await self._put(message)

    async def ping(self) -> None:
        """Ask for a sign of life, unless bytes are on their way anyway. Raises `WireClosed`."""
        if self._end is None and not self._line.locked():
            self._control.append(_PING)
            await self._flush()

    def ping_nowait(self) -> bool:
        """As `ping`, if that needs no wait; False if it does, and then nothing was sent."""
        if self._end is not None or self._line.locked():
            return True
        sent = 0 if self._control else self._put_at_once(_PING)
        if 0 < sent < len(_PING):
            # Nothing can follow a torn frame.
            self._end = _LOST
            self._listening.cancel("the kernel took half a ping")
        return sent > 0

    async def _take_line(self) -> None:
        try:
            self._line.acquire_nowait()
        except trio.WouldBlock:
            await self._line.acquire()

    async def _flush(self) -> None:
        # If the line is taken, the task that has it sends these behind its own frame.
        if not self._control or self._line.locked():
            return
        self._line.acquire_nowait()
        try:
            await self._put_control()
        finally:
            self._line.release()

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
            await self._rest(1)

    def _put_at_once(self, data: bytes) -> int:
        """How much of ``data`` the kernel took without any wait."""
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

        A task in `receive` sees `WireClosed` with this code at once. Cancelling it aborts the connection.
        """
        try:
            with trio.move_on_after(CLOSE_WAIT), suppress(WireClosed):
                await self._say_goodbye(code, reason)
                await self._hear_goodbye()
                await self._stream.aclose()
        finally:
            self._claim.release()
            await self.abort()

    async def abort(self) -> None:
        """End the connection now, without a goodbye."""
        self._end = self._end or _LOST
        await trio.aclose_forcefully(self._stream)

    async def _say_goodbye(self, code: int, reason: str) -> None:
        first, self._end = self._end is None, self._end or (code, reason)
        self._inbound.discard()
        if first:
            self._listening.cancel("the wire is being closed")
        async with self._line:
            if first and self._inbound.end is None:
                self._control.append(frames.close(code, reason))
            await self._put_control()

    async def _hear_goodbye(self) -> None:
        # Bytes left unread would make the kernel reset the connection, and the peer lose our reason.
        async with self._ear:
            while not self._inbound.close_received and not self._at_eof:
                if self._inbound.unparsed:
                    await self._rest(self._inbound.parse())
                    self._control.clear()
                else:
                    data = await self._read()
                    self._at_eof = not data
                    self._inbound.feed(data)
