"""Addresses of servers: what a person types, completed with scheme, port and path."""

from __future__ import annotations

from urllib.parse import urlsplit

import attrs

from ..errors import NoConnection

DEFAULT_ADDRESS = "ws://127.0.0.1:12393/client-ws"
DEFAULT_PORT = 12393
DEFAULT_PATH = "/client-ws"

_WITH_TLS = {"ws": False, "http": False, "wss": True, "https": True}


@attrs.frozen
class ServerAddress:
    """A server's WebSocket. ``target`` is the path, with the query where there is one.

    ``token`` is sent in a header; a token may be in the query instead. Neither is ever shown.
    """

    host: str
    port: int
    target: str = attrs.field(repr=lambda target: target.partition("?")[0])
    tls: bool = False
    token: str = attrs.field(default="", repr=False)

    @property
    def url(self) -> str:
        """The server's own address, for HTTP."""
        return f"{'https' if self.tls else 'http'}://{self.authority}"

    @property
    def headers(self) -> dict[str, str]:
        """The HTTP headers of each request: the token, where there is one."""
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    @property
    def authority(self) -> str:
        """Host and port as a ``Host`` header has them."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def __str__(self) -> str:
        """The address without its query, which may hold an access token."""
        return f"{'wss' if self.tls else 'ws'}://{self.authority}{self.target.partition('?')[0]}"


def parse_address(text: str) -> ServerAddress:
    """The address that ``text`` means: a URL of ws, wss, http or https, or just ``host`` or ``host:port``.

    A missing path is `DEFAULT_PATH`. A missing port is `DEFAULT_PORT` after a bare host, and the usual one
    of its scheme in a URL. Raises `NoConnection`.
    """
    text = text.strip()
    bare = "://" not in text
    try:
        parts = urlsplit(f"ws://{text}" if bare else text)
        tls, host, port = _WITH_TLS[parts.scheme.lower()], parts.hostname, parts.port
    except (ValueError, KeyError) as error:
        raise _not_an_address(text) from error
    if not host or any(character.isspace() for character in text):
        raise _not_an_address(text)
    path = parts.path if parts.path not in ("", "/") else DEFAULT_PATH
    usual = DEFAULT_PORT if bare else 443 if tls else 80
    return ServerAddress(
        host, usual if port is None else port, path + ("?" + parts.query if parts.query else ""), tls
    )


def _not_an_address(text: str) -> NoConnection:
    shown = text.partition("?")[0]
    return NoConnection(
        f"{shown!r} is not the address of a server: write it like {DEFAULT_ADDRESS}", lasting=True
    )
