"""`Speculation`: a responder at work before it is certain that its reply is wanted; nothing of it is told."""

from __future__ import annotations

from collections import deque
from contextlib import AbstractAsyncContextManager

import attrs
import trio
from trio.abc import ReceiveChannel

from .events import AudioChunk
from .responder import Response

# A cascade has two or three events before its first sentence, and a recogniser that streams has some ten a
# second for as long as somebody speaks. Synthesis that streams gives 20 chunks a second, so that four seconds
# are 80. What has more has gone wrong, and waits.
MOST_HELD = 160


@attrs.define(eq=False)
class Speculation:
    """Holds back what a responder says until `flow`. ``seconds`` is how much sound may be held.

    It takes the first sentence whole, if that is not longer; one chunk may go beyond ``seconds``, since its
    length is known only once it is there. Then it takes no more, and the responder waits, as it does for
    any slow receiver.
    """

    seconds: float
    _held: deque[Response] = attrs.field(factory=deque, init=False, repr=False)
    sound: float = attrs.field(default=0.0, init=False)
    """Seconds of sound that were held back, at any time."""
    _released: trio.Event = attrs.field(factory=trio.Event, init=False)
    _ended: trio.Event = attrs.field(factory=trio.Event, init=False)
    _scope: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    _send: trio.MemorySendChannel[Response] = attrs.field(init=False)
    _live: trio.MemoryReceiveChannel[Response] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._send, self._live = trio.open_memory_channel[Response](0)

    @property
    def released(self) -> bool:
        """Whether its events flow."""
        return self._released.is_set()

    async def wait_released(self) -> None:
        """Wait until its events flow: for what must not be done before."""
        await self._released.wait()

    async def run(self, reply: AbstractAsyncContextManager[ReceiveChannel[Response]]) -> None:
        """Take ``reply`` to its end, or until `stop`. A cancel ends the responder's work too."""
        try:
            with self._scope, self._send:
                async with reply as events:
                    async for event in events:
                        await self._take(event)
        finally:
            self._ended.set()

    def close(self) -> None:
        """End the responder's work; `run` returns when it has ended. Nothing flows any more."""
        # In this order: a task that waits to send is cancelled; otherwise it would find a broken channel.
        self._scope.cancel("the reply is no longer wanted")
        self._live.close()
        self._held.clear()

    async def stop(self) -> None:
        """`close`, and return when the responder's work has ended."""
        self.close()
        await self._ended.wait()

    def flow(self) -> ReceiveChannel[Response]:
        """What was held, then what is said from now on, without a buffer. Closing it stops the reply.

        Called once at most, and not after `stop`.
        """
        self._released.set()
        return _Flow(self, self._held, self._live)

    async def _take(self, event: Response) -> None:
        if self.released:
            await self._send.send(event)
            return
        self._held.append(event)
        last = False
        if isinstance(event, AudioChunk):
            self.sound += event.pcm.seconds
            last = event.last
        if last or self.sound >= self.seconds or len(self._held) >= MOST_HELD:
            await self._released.wait()


@attrs.frozen
class _Flow(ReceiveChannel[Response]):
    _speculation: Speculation
    _held: deque[Response]
    _live: trio.MemoryReceiveChannel[Response]

    async def receive(self) -> Response:
        if self._held:
            await trio.lowlevel.checkpoint()
            return self._held.popleft()
        return await self._live.receive()

    async def aclose(self) -> None:
        self._speculation.close()
        await trio.lowlevel.checkpoint()
