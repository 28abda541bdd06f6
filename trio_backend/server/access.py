"""Who may come in: the page's origin and the access token, for WebSockets and for HTTP."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
# Names that no foreign name server can give an address: RFC 6762, 6761, 8375, and what routers use.
_OURS = (".local", ".localhost", ".lan", ".home.arpa", ".internal")


def origin_allowed(origin: str | None, host: str, allowed: Sequence[str]) -> bool:
    """Whether a page of ``origin`` may connect to the server that it calls ``host`` (a port may follow).

    ``allowed`` holds origins, and these words: ``same-host``, the page comes from ``host``, whatever the
    port, and ``host`` is an address or a name of the local network; ``localhost``, from any port of this
    machine; ``file``, it is a file, as the desktop pet's; ``null``, it conceals where it comes from; ``*``,
    all. No origin means that the client is no browser: it is always allowed.
    """
    if origin is None or "*" in allowed:
        return True
    origin = origin.lower()
    if origin in (entry.lower().rstrip("/") for entry in allowed if "://" in entry):
        return True
    if origin == "file://":
        return "file" in allowed
    if origin == "null":
        return "null" in allowed
    page = _name(origin)
    if page in _LOOPBACK and "localhost" in allowed:
        return True
    return "same-host" in allowed and page == _name(f"http://{host}") and is_ours(page)


def is_ours(name: str) -> bool:
    """Whether ``name`` is an IP address or a name that only the local network can give.

    A public name is its owner's to point anywhere, at this server too: then the owner's page would seem
    to come from the same host (DNS rebinding).
    """
    try:
        ip_address(name)
    except ValueError:
        plain = name.rstrip(".")
        return plain.endswith(_OURS) or (plain != "" and "." not in plain)
    return True


def entry_for(origin: str) -> str:
    """What lets pages of ``origin`` in, as an entry of ``allowed_origins``."""
    return "file" if origin.lower() == "file://" else origin


def _name(origin: str) -> str:
    try:
        return urlsplit(origin).hostname or ""
    except ValueError:
        return ""


def token_allowed(token: str, authorization: str, query: str) -> bool:
    """Whether the request brings ``token``: as ``Authorization: Bearer …`` or as ``?token=…``.

    The comparison takes the same time wherever they differ. An empty ``token`` means that none is asked for.
    """
    if not token:
        return True
    scheme, _, credentials = authorization.partition(" ")
    offered = parse_qs(query).get("token", [])
    if scheme.lower() == "bearer":
        offered.append(credentials.strip())
    return any(hmac.compare_digest(one.encode(), token.encode()) for one in offered)


class TokenGate:
    """An ASGI application in front of another, which it shows only to those who bring the token.

    ``public`` tells of which requests nobody is asked for it.
    """

    def __init__(self, app: ASGIApp, token: str, *, public: Callable[[Scope], bool]) -> None:
        self._app = app
        self._token = token
        self._public = public

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not self._open_to(scope):
            answer = PlainTextResponse(
                "an access token is needed: add ?token=… or an Authorization header\n",
                status_code=401,
                headers={"WWW-Authenticate": "Bearer"},
            )
            await answer(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _open_to(self, scope: Scope) -> bool:
        # Browsers send no credentials with a preflight; it tells them nothing but the CORS rules.
        if scope["method"] == "OPTIONS" or self._public(scope):
            return True
        authorization = Headers(scope=scope).get("authorization", "")
        return token_allowed(self._token, authorization, scope["query_string"].decode("latin-1"))
