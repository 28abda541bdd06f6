"""`Authenticator`: identifies the user of each WebSocket, before the upgrade, and of each HTTP request."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Protocol
from urllib.parse import parse_qs

import attrs
import trio
from loguru import logger
from starlette.datastructures import MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..boundary import Boundary
from ..user import NOBODY, User
from .responses import Refusal
from .token_cookie import TokenCookie

# Seconds: long enough to ask another server of the same network twice, and less than a person waits for a
# page.
AUTHENTICATION_TIMEOUT = 5.0

# 503, not 401: the client may be allowed, and should try again instead of asking the person for a password.
UNKNOWN = Refusal(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "the server cannot identify you at the moment: try again soon; its log says why",
    {"Retry-After": "5"},
)
_NO_TOKEN = Refusal(
    HTTPStatus.UNAUTHORIZED,
    "an access token is needed: add ?token=… or an Authorization header",
    {"WWW-Authenticate": "Bearer"},
)


@attrs.frozen
class Credentials:
    """What a request says of its sender: its whole query and all headers, secrets included.

    ``path`` is decoded; ``query`` is as it came. ``headers`` have lower-case names, and those of one name
    are joined by commas. Only the path may be logged.
    """

    path: str
    query: str = attrs.field(repr=False)
    headers: Mapping[str, str] = attrs.field(repr=False)


class Authenticator(Protocol):
    """Identifies users. Given to `serve`, it replaces the access token."""

    async def identify(self, credentials: Credentials) -> User | Refusal:
        """The user who sends the request, or the answer that refuses it and says what to do about it.

        It may wait, but is cancelled after `AUTHENTICATION_TIMEOUT` seconds. Any exception is a bug and is
        logged. Both are answered with `UNKNOWN`, and concern this one request only.
        """
        ...


@attrs.frozen
class AccessToken:
    """An `Authenticator` with one secret for all: all who send it are `NOBODY`, one user.

    An empty ``token`` means that none is needed. Pages that were opened with it have a `TokenCookie` instead.
    """

    token: str = attrs.field(repr=False)

    async def identify(self, credentials: Credentials) -> User | Refusal:
        """See `Authenticator.identify`."""
        await trio.lowlevel.checkpoint()
        authorization = credentials.headers.get("authorization", "")
        if token_allowed(self.token, authorization, credentials.query):
            return NOBODY
        return NOBODY if TokenCookie(self.token).allows(credentials.headers) else _NO_TOKEN


def token_allowed(token: str, authorization: str, query: str) -> bool:
    """Whether the request has ``token``: as ``Authorization: Bearer …`` or as ``?token=…``.

    The query, since browsers cannot add headers to a WebSocket. The comparison takes the same time wherever
    the two differ. An empty ``token`` means that none is needed.
    """
    if not token:
        return True
    scheme, _, credentials = authorization.partition(" ")
    offered = parse_qs(query).get("token", [])
    if scheme.lower() == "bearer":
        offered.append(credentials.strip())
    # As bytes: of texts `compare_digest` takes only ASCII, and raises for others.
    return any(hmac.compare_digest(one.encode(), token.encode()) for one in offered)


@attrs.frozen
class BoundedAuthenticator:
    """``authenticator`` with a deadline and a boundary: if it fails or is slow, the answer is `UNKNOWN`."""

    authenticator: Authenticator
    boundary: Boundary

    async def identify(self, credentials: Credentials) -> User | Refusal:
        """See `Authenticator.identify`; raises nothing."""
        answer: User | Refusal = UNKNOWN

        async def ask() -> None:
            nonlocal answer
            answer = await self.authenticator.identify(credentials)

        with trio.move_on_after(AUTHENTICATION_TIMEOUT) as scope:
            await self.boundary.run("authentication", ask)
        if scope.cancelled_caught:
            timeout = AUTHENTICATION_TIMEOUT
            logger.warning("a connection was refused: the authenticator gave no answer in {:g} s", timeout)
        return answer


class UserGate:
    """An ASGI application in front of another, which gets only requests whose user was identified.

    Behind it ``scope["user"]`` is a `User`: `NOBODY` for requests that are ``public``, which no one is asked
    to authenticate.
    """

    def __init__(
        self, app: ASGIApp, authenticator: Authenticator, *, public: Callable[[Scope], bool]
    ) -> None:
        self._app = app
        self._authenticator = authenticator
        self._public = public

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            user = await self._identify(scope)
            if isinstance(user, Refusal):
                text, status = f"{user.text}\n", user.status.value
                await PlainTextResponse(text, status, dict(user.headers))(scope, receive, send)
                return
            scope["user"] = user
        await self._app(scope, receive, send)

    async def _identify(self, scope: Scope) -> User | Refusal:
        # Browsers send no credentials with a CORS preflight, and its answer holds nothing but the CORS rules.
        if scope["method"] == "OPTIONS" or self._public(scope):
            return NOBODY
        fields = ((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"])
        query = scope["query_string"].decode("latin-1")
        return await self._authenticator.identify(Credentials(scope["path"], query, joined(fields)))


class CookieForPages:
    """An ASGI application in front of another: who asks for a page with the token gets its `TokenCookie`."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_cookie(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                # A browser that was started anew has kept the page, but not the cookie; 304 tells no type.
                if headers.get("content-type", "").startswith("text/html") or message["status"] == 304:
                    secure = scope["scheme"] == "https"
                    headers.append("Set-Cookie", TokenCookie(self._token).header(secure=secure))
            await send(message)

        query = scope.get("query_string", b"").decode("latin-1")
        brought = "token=" in query and token_allowed(self._token, "", query)
        await self._app(scope, receive, send_with_cookie if brought else send)


def joined(fields: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Headers by lower-case name; the values of one name are joined by commas (RFC 9110, section 5.3)."""
    headers: dict[str, str] = {}
    for name, value in fields:
        before = headers.get(name.lower())
        headers[name.lower()] = value if before is None else f"{before}, {value}"
    return headers
