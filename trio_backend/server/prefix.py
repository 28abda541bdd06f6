"""A stream with bytes put back in front of it, and a deadline for every send."""

from __future__ import annotations

from typing import TypeAlias

import attrs
import trio

SocketOrTls: TypeAlias = "trio.SocketStream | trio.SSLStream[trio.SocketStream]"


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
            # Hypercorn would go on reading from a client that it can say nothing to.
            await trio.aclose_forcefully(self._stream)
            raise trio.BrokenResourceError("the client takes no data") from None
        except trio.BusyResourceError:
            # Hypercorn serializes what it sends, but not with the end that it sends behind it.
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
