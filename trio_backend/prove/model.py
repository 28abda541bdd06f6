"""A language model behind HTTP, as far as a server can tell; it sees when its connection is closed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import attrs
import trio

from .stand_ins import SENTENCE

# So fast that the voice is never without work.
TOKEN = 0.01
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"


@attrs.define(eq=False)
class Model:
    """Speaks OpenAI's streaming format, and without end, to whoever asks."""

    open: int = 0
    """Connections to it that are open."""

    async def serve(self, stream: trio.SocketStream) -> None:
        """One request; ends when the other side closes its connection, which it sees at once."""
        self.open += 1
        try:
            async with stream, trio.open_nursery() as nursery:
                request = b""
                while b"\r\n\r\n" not in request:
                    request += (data := await stream.receive_some())
                    if not data:
                        return
                nursery.start_soon(_babble, stream)
                while await stream.receive_some():
                    pass
                nursery.cancel_scope.cancel("nobody listens")
        except* (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # a connection that was reset is closed too
        finally:
            self.open -= 1


async def _babble(stream: trio.SocketStream) -> None:
    """The same sentence again and again, a word at a time."""
    with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
        await stream.send_all(_HEAD)
        while True:
            for word in SENTENCE.split():
                await stream.send_all(
                    b'data: {"choices":[{"index":0,"delta":{"content":"%s "}}]}\n\n' % word.encode()
                )
                await trio.sleep(TOKEN)


@asynccontextmanager
async def open_model(port: int) -> AsyncIterator[Model]:
    """Such a model on ``port`` of this machine."""
    model = Model()
    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(port, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, model.serve, listeners)
        yield model
        nursery.cancel_scope.cancel("the model is not needed any more")
