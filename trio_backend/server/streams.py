"""Byte streams below HTTP and WebSockets: errors, writes without a wait, bytes put back in front."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TypeAlias

import attrs
import trio

SocketOrTls: TypeAlias = "trio.SocketStream | trio.SSLStream[trio.SocketStream]"

# What a stream raises when its connection is lost. Each concerns that connection only: code that catches one
# of them drops the connection, and goes on.
NETWORK_ERRORS = (OSError, trio.BrokenResourceError, trio.ClosedResourceError, trio.TooSlowError)


def write_at_once(stream: trio.abc.Stream, data: bytes) -> int:
    """Write what the kernel takes without a wait; how many bytes of ``data`` that is. 0 if it is no socket.

    Raises nothing: a connection that is lost takes 0 bytes, and the next `send_all` raises.
    """
    # The kernel mostly takes everything. That saves a deadline and a pass of the scheduler, half of the cost
    # of a send. `os.write`, since Trio's socket has no call that never waits; on Windows a socket is no file.
    if not isinstance(stream, trio.SocketStream) or sys.platform == "win32":
        return 0
    try:
        return os.write(stream.socket.fileno(), data)
    except OSError:
        # The buffer is full, or the connection lost: `send_all` finds the same, and waits or raises.
        return 0


async def end_sending(stream: trio.abc.Stream) -> None:
    """Tell the peer that nothing more comes, if the stream can (TLS cannot)."""
    if isinstance(stream, trio.abc.HalfCloseableStream):
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            await stream.send_eof()


@attrs.define(eq=False)
class PrefixStream(trio.abc.HalfCloseableStream):
    """``stream`` as if ``prefix`` had not been read from it yet. Closing it closes ``stream``.

    A send that takes longer than ``send_timeout`` seconds closes it and raises `trio.BrokenResourceError`.
    """

    _stream: SocketOrTls
    _prefix: bytes = attrs.field(repr=False)
    _send_timeout: float = attrs.field(kw_only=True)

    @property
    def is_tls(self) -> bool:
        """Whether what is sent is encrypted."""
        return isinstance(self._stream, trio.SSLStream)

    @property
    def socket(self) -> trio.socket.SocketType:
        """The socket below, for its addresses."""
        if isinstance(self._stream, trio.SSLStream):
            return self._stream.transport_stream.socket
        return self._stream.socket

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        if self._prefix:
            await trio.lowlevel.checkpoint()
            size = max_bytes or len(self._prefix)
            data, self._prefix = self._prefix[:size], self._prefix[size:]
            return data
        return await self._stream.receive_some(max_bytes)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        try:
            with trio.fail_after(self._send_timeout):
                await self._stream.send_all(data)
        except trio.TooSlowError:
            # Without the close, Hypercorn would go on reading requests of a client that reads no answers.
            await trio.aclose_forcefully(self._stream)
            raise trio.BrokenResourceError("the client takes no data") from None
        except trio.BusyResourceError:
            # Hypercorn serializes its sends, but may call `send_eof` while one of them is going on.
            raise trio.BrokenResourceError("the connection is being closed") from None

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def send_eof(self) -> None:
        # TLS has no half-close.
        if isinstance(self._stream, trio.SocketStream):
            await self._stream.send_eof()
        else:
            await trio.lowlevel.checkpoint()

    async def aclose(self) -> None:
        await self._stream.aclose()
