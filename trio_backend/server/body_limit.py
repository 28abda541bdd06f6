"""`BodyLimit`: the size and the time limit of an HTTP request's body."""

from __future__ import annotations

import trio
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..errors import BodyRefused, first_leaf

# Bytes. A minute of speech as WAV is 2 MB at 16 kHz, and 5 MB at 44.1 kHz.
MAX_BODY_SIZE = 8 * 2**20
# Seconds in which a client with 2 Mbit/s can send the largest body.
BODY_TIMEOUT = 30.0


class BodyLimit:
    """An ASGI application in front of another, which never waits long for a request's body.

    Bodies over ``limit`` bytes are answered with 413, and those that have not come ``within`` so many seconds
    with 408; the connection is closed. An application that has begun its answer by then is cut off.
    """

    def __init__(self, app: ASGIApp, *, limit: int = MAX_BODY_SIZE, within: float = BODY_TIMEOUT) -> None:
        self._app = app
        self._limit = limit
        self._within = within

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "0")
        if not announced.isdecimal() or int(announced) > self._limit:
            await _refuse(self._too_large(), scope, receive, send)
            return
        started = False
        refused: BodyRefused | None = None

        async def watched_send(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, self._bounded(receive), watched_send)
        except* BodyRefused as group:
            # Applications that watch for a disconnect read in a nursery, which raises it in a group.
            leaf = first_leaf(group)
            assert isinstance(leaf, BodyRefused)
            refused = leaf
        if refused is not None and not started:
            await _refuse(refused, scope, receive, send)

    def _bounded(self, receive: Receive) -> Receive:
        size = 0
        complete = False
        deadline = trio.current_time() + self._within

        async def bounded() -> Message:
            nonlocal size, complete
            if complete:
                # What comes now is the disconnect, which may be waited for without a limit.
                return await receive()
            with trio.move_on_at(deadline) as scope:
                message = await receive()
            if scope.cancelled_caught:
                raise BodyRefused(
                    408, f"the body did not come within {self._within:g} s (request_body_timeout)"
                )
            size += len(message.get("body", b""))
            if size > self._limit:
                raise self._too_large()
            complete = not message.get("more_body", False)
            return message

        return bounded

    def _too_large(self) -> BodyRefused:
        return BodyRefused(413, f"the body is larger than {self._limit} bytes")


async def _refuse(error: BodyRefused, scope: Scope, receive: Receive, send: Send) -> None:
    answer = PlainTextResponse(f"{error}\n", error.status, headers={"Connection": "close"})
    await answer(scope, receive, send)
