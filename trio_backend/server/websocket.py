"""`WebSocketWire`: a `Wire` over a byte stream, by RFC 6455."""

from __future__ import annotations

import os
import sys
from collections import deque
from contextlib import suppress

import attrs
import trio
from websockets.frames import Frame, Opcode
from websockets.protocol import OPEN, SEND_EOF
from websockets.server import ServerProtocol

from ..errors import WireClosed
from ..quota import MemoryQuota
from .inbound import Inbound

READ_SIZE = 64 * 1024
# How long `close` waits for the peer to answer it.
CLOSE_WAIT = 1.0
# Pongs that may wait for a sender to finish. RFC 6455, 5.5.3: only the newest ping needs an answer.
CONTROL_FRAMES = 64
# After so many frames, or sends, without having had to wait, let the other tasks run.
FAIR_SHARE = 256
_LOST = (1006, "connection lost")
_PING = Frame(Opcode.PING, b"").serialize(mask=False)


@attrs.define(eq=False)
class WebSocketWire:
    """One accepted WebSocket; the handshake is over. Keeps the promises of `Wire`.

    One task receives, and reads the socket itself. Any task may send. A send that is cancelled half
    way, or takes longer than ``send_timeout`` seconds, aborts the connection. Whoever opened the wire
    calls `close` in the end, whatever happened.
    """

    _stream: trio.abc.Stream
    _send_timeout: float = attrs.field(default=20.0, kw_only=True)
    max_message_size: int = attrs.field(default=8 * 2**20, kw_only=True)
    quota: MemoryQuota = attrs.field(factory=MemoryQuota, kw_only=True)
    # Bytes that came along behind the handshake.
    _received: bytes = attrs.field(default=b"", kw_only=True, repr=False)
    # When bytes last came, or somebody began to wait for them.
    heard_at: float = attrs.field(factory=trio.current_time, init=False)
    _protocol: ServerProtocol = attrs.field(init=False)
    _inbound: Inbound = attrs.field(init=False)
    _end: tuple[int, str] | None = attrs.field(default=None, init=False)
    _at_eof: bool = attrs.field(default=False, init=False)
    # Held by the task whose bytes are going out; and by the one that waits for bytes.
    _line: trio.Lock = attrs.field(factory=trio.Lock, init=False)
    _ear: trio.Lock = attrs.field(factory=trio.Lock, init=False)
    _listening: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    _control: deque[bytes] = attrs.field(factory=lambda: deque(maxlen=CONTROL_FRAMES), init=False)
    _unrested: int = attrs.field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self._protocol = ServerProtocol(state=OPEN, max_size=self.max_message_size)
        self._inbound = Inbound(self._protocol)
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
        while not self._inbound.messages:
            if self._end is not None:
                raise WireClosed(*self._end)
            if self._inbound.unparsed:
                await self._parse()
            else:
                await self._listen()
        return self._inbound.messages.popleft()

    async def _parse(self) -> None:
        frames = self._inbound.parse_piece()
        self._end = self._end or self._inbound.end
        self._control.extend(self._protocol.data_to_send())
        await self._flush()
        await self._rest(frames)

    async def _listen(self) -> None:
        self._ear.acquire_nowait()
        self.heard_at = trio.current_time()
        data: bytes | bytearray | None = None
        try:
            with trio.CancelScope() as self._listening:
                data = await self._stream.receive_some(READ_SIZE)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            data = b""
        finally:
            self._ear.release()
        if data:
            self.heard_at, self._unrested = trio.current_time(), 0
            self._inbound.feed(data)
        elif data is not None:
            self._at_eof, self._end = True, self._end or _LOST

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
            self._protocol.send_text(message)
            for frame in self._protocol.data_to_send():
                await self._put(frame)
            await self._put_control()
        finally:
            self._line.release()

    async def ping(self) -> None:
        """Ask for a sign of life, unless bytes are on their way anyway. Raises `WireClosed`."""
        if self._end is None and not self._line.locked():
            self._protocol.send_ping(b"")
            self._control.extend(self._protocol.data_to_send())
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
            frames = list(self._control)
            self._control.clear()
            data = b"".join(frames)
            if data:
                await self._put(data)
            if frames[-1] == SEND_EOF:
                await self._put_eof()

    async def _put_eof(self) -> None:
        if isinstance(self._stream, trio.abc.HalfCloseableStream):
            with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                await self._stream.send_eof()

    async def _put(self, data: bytes) -> None:
        sent = self._put_at_once(data)
        if sent < len(data):
            await self._put_in_time(memoryview(data)[sent:])
        else:
            await self._rest(1)

    def _put_at_once(self, data: bytes) -> int:
        """How much of ``data`` the kernel took without any wait."""
        # Mostly all of it: that saves a deadline and a turn of the scheduler, half of what a send costs.
        if not isinstance(self._stream, trio.SocketStream) or sys.platform == "win32":
            return 0
        try:
            return os.write(self._stream.socket.fileno(), data)
        except BlockingIOError:
            return 0
        except OSError:
            # The slow way finds the same, and knows what to do.
            return 0

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
            await self.abort()

    async def abort(self) -> None:
        """End the connection now, without a goodbye."""
        self._end = self._end or _LOST
        await trio.aclose_forcefully(self._stream)

    async def _say_goodbye(self, code: int, reason: str) -> None:
        first, self._end = self._end is None, self._end or (code, reason)
        if first:
            self._inbound.messages.clear()
            self._listening.cancel("the wire is being closed")
        async with self._line:
            if first and self._protocol.state is OPEN:
                # A control frame carries 125 bytes, two of them for the code.
                self._protocol.send_close(code, reason.encode()[:123].decode(errors="ignore"))
                self._control.extend(self._protocol.data_to_send())
            await self._put_control()

    async def _hear_goodbye(self) -> None:
        # Bytes left unread would make the kernel reset the connection, and the peer lose our reason.
        async with self._ear:
            while self._protocol.close_rcvd is None and not self._at_eof:
                if self._inbound.unparsed:
                    await self._rest(self._inbound.parse_piece())
                    self._inbound.messages.clear()
                    self._protocol.data_to_send()
                else:
                    await self._listen_on()

    async def _listen_on(self) -> None:
        try:
            data = await self._stream.receive_some(READ_SIZE)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            data = b""
        self._at_eof = not data
        self._inbound.feed(data)
