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
    def socket(self) -> trio.socket.SocketType:
        return self.transport_stream.socket

    @property
    def transport_stream(self) -> trio.SocketStream:
        if isinstance(self._stream, trio.SSLStream):
            return self._stream.transport_stream
        return self._stream

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


@attrs.define(eq=False)
class TlsPrefixStream(PrefixStream):
    """The same over TLS: by these two methods Hypercorn knows that it is."""

    async def do_handshake(self) -> None:
        """Nothing to do: the handshake came before the first bytes."""
        await trio.lowlevel.checkpoint()

    def selected_alpn_protocol(self) -> str | None:
        return "http/1.1"
