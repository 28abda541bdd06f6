"""`Reader`: waits for the bytes of a peer, at the least cost, and interruptible."""

from __future__ import annotations

import math
import os
import sys
from typing import TypeGuard

import attrs
import trio

# As much as the kernel keeps of a connection to begin with: large messages come in as few pieces as they can.
READ_SIZE = 128 * 1024


# Frames or sends without a wait after which the other tasks run: about half a millisecond.
FAIR_SHARE = 256


async def be_fair(steps: int) -> int:
    """Let the other tasks run if these are too many ``steps`` without a wait; how many they are then."""
    if steps > FAIR_SHARE:
        await trio.lowlevel.cancel_shielded_checkpoint()
        return 0
    return steps


@attrs.define(eq=False)
class Reader:
    """Reads from ``stream``, for one task at a time.

    ``departures`` is shared by all connections whose ends must not come at the same moment.
    """

    _stream: trio.abc.Stream
    _departures: trio.Semaphore
    lock: trio.Lock = attrs.field(factory=trio.Lock, init=False)
    """Held by the task that waits for bytes."""
    _scope: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    _interrupted: bool = attrs.field(default=False, init=False)
    _departed: bool = attrs.field(default=False, init=False)

    async def read(self, deadline: float = math.inf) -> bytes | bytearray | None:
        """The next bytes; none at the end of the connection, whatever its cause.

        None after `interrupt`, or if nothing has come by ``deadline``. Cancelling it loses nothing.
        """
        self._interrupted = False
        data: bytes | bytearray | None
        self.lock.acquire_nowait()
        try:
            if deadline == math.inf and _is_ready_for_os(self._stream):
                # Without a scope, which would cost a third of the whole.
                data = await _read_when_ready(self._stream)
                return None if self._interrupted else data
            data = None
            with trio.CancelScope(deadline=deadline) as self._scope:
                data = await self.read_on()
            return None if self._interrupted else data
        finally:
            self.lock.release()

    async def read_on(self) -> bytes | bytearray:
        """As `read`, by the task that holds ``lock``, and until bytes come."""
        if _is_ready_for_os(self._stream):
            return await _read_when_ready(self._stream)
        try:
            return await self._stream.receive_some(READ_SIZE)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return b""

    def interrupt(self, reason: str) -> None:
        """Wake the task that reads. No other task may be sending: it would be woken too, and fail."""
        if self.lock.locked():
            self._interrupted = True
            self._scope.cancel(reason)
            if _is_ready_for_os(self._stream):
                trio.lowlevel.notify_closing(self._stream.socket.fileno())

    async def depart(self) -> None:
        """Wait, once, until few others depart: what ends with a connection takes half a millisecond and more.

        Of thousands that leave at one moment, each would otherwise do so in the same passes of the scheduler.
        """
        if not self._departed:
            async with self._departures:
                self._departed = True
                await trio.lowlevel.checkpoint()


def _is_ready_for_os(stream: trio.abc.Stream) -> TypeGuard[trio.SocketStream]:
    """Whether ``stream`` is one that `os.read` can read."""
    return isinstance(stream, trio.SocketStream) and sys.platform != "win32"


async def _read_when_ready(stream: trio.SocketStream) -> bytes:
    # `receive_some` looks first, and waits when there is nothing, which is so nearly always: an exception and
    # a system call for each message, a third of what reading costs. `os.read`, since Trio's socket has no
    # call that never waits. A closed socket has no handle, -1, which Trio would register.
    while (handle := stream.socket.fileno()) >= 0:
        try:
            await trio.lowlevel.wait_readable(handle)
            return os.read(handle, READ_SIZE)
        except BlockingIOError:
            # The kernel has dropped what had come: its checksum was wrong.
            pass
        except (OSError, trio.ClosedResourceError):
            break
    return b""
