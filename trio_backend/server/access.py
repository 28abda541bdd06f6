"""Access rules: which pages may connect, by their origin, and which names are those of this machine."""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import ip_address

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
# Names that no foreign name server can give an address: RFC 6762, 6761, 8375, and what routers use.
_LOCAL = (".local", ".localhost", ".lan", ".home.arpa", ".internal")

_NAME = r"(?P<name>\[[0-9a-f:.]+\]|[a-z0-9._-]+)"
_PORT = r"(?::(?P<port>[0-9]{1,5}))?"
# As browsers write the origins of web pages (RFC 6454, section 6.2): no user, no path, names in ASCII.
_WEB_PAGE = re.compile(rf"(?P<scheme>https?)://{_NAME}{_PORT}")
_HOST = re.compile(_NAME + _PORT)


def origin_allowed(origin: str | None, host: str, allowed: Sequence[str]) -> bool:
    """Whether a page of ``origin`` may connect to the server that it calls ``host`` (a port may follow).

    ``allowed`` holds origins, and these words: ``same-host``, the web page comes from ``host``, whatever the
    port, and ``host`` is an address or a name of the local network; ``localhost``, it is a web page of this
    machine, from any port; ``file``, it is a file, as the desktop pet's; ``null``, it conceals where it comes
    from; ``*``, all. Without an origin the client is no browser: it is always allowed, since it could send
    any origin.

    A web page has the scheme http or https. Applications have schemes of their own, or pretend to be
    ``https://localhost`` (Capacitor on Android): those need an entry.
    """
    if origin is None or "*" in allowed:
        return True
    origin = origin.lower()
    # People copy addresses with a slash at the end; browsers send origins without.
    if origin in (entry.lower().rstrip("/") for entry in allowed if "://" in entry):
        return True
    if origin == "file://":
        return "file" in allowed
    if origin == "null":
        return "null" in allowed
    page = _WEB_PAGE.fullmatch(origin)
    if page is None or _is_application(page, host):
        return False
    name = page["name"]
    if name in _LOOPBACK and "localhost" in allowed:
        return True
    return "same-host" in allowed and name == host_name(host) and is_local_name(name)


def _is_application(page: re.Match[str], host: str) -> bool:
    """Whether ``page`` is ``https://localhost`` without a port, as Capacitor's applications say.

    Our own page has that origin only if the server is called ``localhost`` at port 443.
    """
    if page[0] != "https://localhost":
        return False
    called = _HOST.fullmatch(host.lower())
    return called is None or called["port"] not in (None, "443")


def host_name(host: str) -> str:
    """The name in a Host header, in lower case and without the port; "" if it is malformed."""
    found = _HOST.fullmatch(host.lower())
    return found["name"] if found else ""


def is_local_name(name: str) -> bool:
    """Whether ``name`` is an IP address or a name that only the local network can give.

    The owner of a public name can point it anywhere, at this server too: then the owner's page would seem to
    come from the same host (DNS rebinding).
    """
    try:
        ip_address(name.strip("[]"))
    except ValueError:
        plain = name.rstrip(".")
        return plain.endswith(_LOCAL) or (plain != "" and "." not in plain)
    return True


def is_loopback(name: str) -> bool:
    """Whether ``name`` (an address, or a name in a Host header) always is this machine."""
    try:
        return ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return name == "localhost"


def serves_only_here(allowed: Sequence[str]) -> bool:
    """Whether ``allowed_origins`` names no page that comes from elsewhere.

    Where it does, clients reach this server by another name, perhaps through a proxy on this machine that
    leaves no trace in its requests: then a connection from this machine proves nothing.
    """
    pages = (_WEB_PAGE.fullmatch(entry.lower().rstrip("/")) for entry in allowed if "://" in entry)
    return "*" not in allowed and all(page is None or is_loopback(page["name"]) for page in pages)


def entry_for(origin: str) -> str:
    """The entry of ``allowed_origins`` that allows pages of ``origin``."""
    return "file" if origin.lower() == "file://" else origin


class OriginGate:
    """An ASGI application in front of another, which answers 403 to pages that may not connect.

    ``origins`` are those of `origin_allowed`. A page can still show what is behind as a picture or a sound if
    it knows its URL: browsers send no origin then.
    """

    def __init__(self, app: ASGIApp, origins: Sequence[str]) -> None:
        self._app = app
        self._origins = origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        if not origin_allowed(headers.get("origin"), headers.get("host", ""), self._origins):
            answer = PlainTextResponse("pages of this origin may not connect: see allowed_origins\n", 403)
            await answer(scope, receive, send)
            return
        await self._app(scope, receive, send)
