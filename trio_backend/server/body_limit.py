"""`BodyLimit`: how much a client may send with an HTTP request."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# A minute of speech as WAV is 2 MB.
MAX_BODY_SIZE = 8 * 2**20


class _TooLargeError(Exception):
    """The body grew over the limit while it was being read."""


class BodyLimit:
    """An ASGI application in front of another, which answers 413 to bodies over ``limit`` bytes."""

    def __init__(self, app: ASGIApp, limit: int = MAX_BODY_SIZE) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "0")
        if not announced.isdecimal() or int(announced) > self._limit:
            await self._refuse(scope, receive, send)
            return
        started = False

        async def watched_send(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, self._counted(receive), watched_send)
        except _TooLargeError:
            if not started:
                await self._refuse(scope, receive, send)

    def _counted(self, receive: Receive) -> Receive:
        size = 0

        async def counted() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > self._limit:
                raise _TooLargeError
            return message

        return counted

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = PlainTextResponse(
            f"the body is larger than {self._limit} bytes\n", 413, headers={"Connection": "close"}
        )
        await answer(scope, receive, send)
