"""The opening handshake: reading a request's head, and deciding whether it becomes a WebSocket.

Only `read_head` does I/O. The user is identified between `read_upgrade` and
`UpgradeAttempt.accept`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from http import HTTPStatus
from urllib.parse import parse_qsl, unquote

import attrs
import trio
from websockets.http11 import Request
from websockets.server import ServerProtocol

from ..user import User
from .access import entry_for, origin_allowed
from .authentication import Credentials, joined
from .responses import MAX_HEAD_SIZE, TOO_LARGE, TOO_SLOW, Refusal

HEAD_END = b"\r\n\r\n"

# Handlers need none of them, and cannot log what they do not get.
_SECRETS = ("authorization", "cookie")
_SCHEMES = ("http", "https", "ws", "wss")


@attrs.frozen
class UpgradeRequest:
    """The request that became a WebSocket, without its secrets (token, Authorization, Cookie).

    ``path`` is decoded and without the query; ``headers`` have lower-case names, and those of one name are
    joined by commas; ``client`` is ``host:port``; ``user`` is who sent it, as the `Authenticator` says.
    """

    path: str
    query: Mapping[str, str] = attrs.field(repr=False)
    headers: Mapping[str, str] = attrs.field(repr=False)
    client: str
    user: User


@attrs.frozen
class Upgrade:
    """A request for a WebSocket that is accepted.

    ``response`` must be sent before the first frame; ``behind`` are bytes of frames that came with the
    request.
    """

    request: UpgradeRequest
    response: bytes
    behind: bytes = attrs.field(repr=False)


@attrs.frozen(eq=False)
class UpgradeAttempt:
    """A request for a WebSocket on a known path, from a page that may connect; its user is not known yet."""

    credentials: Credentials
    _handshake: ServerProtocol = attrs.field(repr=False)
    _request: Request = attrs.field(repr=False)
    _behind: bytes = attrs.field(repr=False)
    _client: str

    def accept(self, user: User) -> Upgrade | Refusal:
        """Accept it as that of ``user``; a `Refusal` if its WebSocket headers are wrong."""
        # The library would answer 400; RFC 6455, section 4.2.2, wants 426 and the version. It refuses a
        # missing one itself.
        if self._request.headers.get_all("Sec-WebSocket-Version") not in (["13"], []):
            return Refusal(
                HTTPStatus.UPGRADE_REQUIRED,
                "only version 13 of the WebSocket protocol is spoken here",
                {"Sec-WebSocket-Version": "13", "Upgrade": "websocket"},
            )
        # No extension is offered, so permessage-deflate is never agreed on.
        response = self._handshake.accept(self._request)
        if response.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
            shown = {
                name: response.headers[name] for name in ("Allow", "Upgrade") if name in response.headers
            }
            return Refusal(HTTPStatus(response.status_code), response.body.decode().strip(), shown)
        return Upgrade(
            _without_secrets(self.credentials, self._client, user), response.serialize(), self._behind
        )


async def read_head(stream: trio.abc.ReceiveStream, *, within: float) -> bytes | Refusal | None:
    """All bytes up to the end of the request's head, and those that came behind it in the same read.

    None if the peer left, or sent nothing within ``within`` seconds; a `Refusal` if the head is too large or
    not complete by then. Raises what ``stream`` raises. A cancel loses what was read.
    """
    received = bytearray()
    with trio.move_on_after(within):
        while HEAD_END not in received:
            if len(received) > MAX_HEAD_SIZE:
                return TOO_LARGE
            data = await stream.receive_some(MAX_HEAD_SIZE)
            if not data:
                return None
            received += data
        return bytes(received)
    return TOO_SLOW if received else None


def asks_for_websocket(received: bytes) -> bool:
    """Whether the request whose first bytes are ``received`` asks to become a WebSocket."""
    head, _, _ = received.partition(HEAD_END)
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"upgrade" and b"websocket" in value.lower():
            return True
    return False


def read_upgrade(
    received: bytes, *, paths: Collection[str], origins: Sequence[str], client: str
) -> UpgradeAttempt | Refusal:
    """The request for a WebSocket in ``received``, or the answer that refuses it for any user.

    ``received`` holds its whole head; ``paths`` are those of WebSockets; ``origins`` are those of
    `origin_allowed`; ``client`` becomes `UpgradeRequest.client`.
    """
    head, end, behind = received.partition(HEAD_END)
    handshake = ServerProtocol()
    handshake.receive_data(head + end)
    events = handshake.events_received()
    if not events:
        return _unreadable(handshake)
    request = events[0]
    assert isinstance(request, Request)
    refusal = _refuse(request, paths, origins)
    if refusal is not None:
        return refusal
    path, query = _split_target(request.path)
    headers = joined((name, _text(value)) for name, value in request.headers.raw_items())
    return UpgradeAttempt(Credentials(path, query, headers), handshake, request, behind, client)


def _unreadable(handshake: ServerProtocol) -> Refusal:
    # The library has an answer for a head with lines that are too long, and none for bytes that are no HTTP.
    if any(handshake.data_to_send()):
        return TOO_LARGE
    return Refusal(HTTPStatus.BAD_REQUEST, "this is no valid HTTP/1.1 request")


def _refuse(request: Request, paths: Collection[str], allowed: Sequence[str]) -> Refusal | None:
    path, _ = _split_target(request.path)
    hosts, origins = _texts(request, "Host"), _texts(request, "Origin")
    if len(hosts) != 1 or len(origins) > 1:
        return Refusal(HTTPStatus.BAD_REQUEST, "one Host header is needed, and at most one Origin header")
    if path not in paths:
        return Refusal(HTTPStatus.NOT_FOUND, "there is no WebSocket here; try " + ", ".join(sorted(paths)))
    origin = origins[0] if origins else None
    if not origin_allowed(origin, hosts[0], allowed):
        return Refusal(
            HTTPStatus.FORBIDDEN,
            f"pages of {origin!s:.100} may not connect: to let them, add {entry_for(origin or '')!r:.100} to "
            "system_config.allowed_origins",
        )
    return None


def _without_secrets(credentials: Credentials, client: str, user: User) -> UpgradeRequest:
    query = dict(parse_qsl(credentials.query, keep_blank_values=True))
    query.pop("token", None)
    headers = {name: value for name, value in credentials.headers.items() if name not in _SECRETS}
    return UpgradeRequest(path=credentials.path, query=query, headers=headers, client=client, user=user)


def _split_target(target: str) -> tuple[str, str]:
    """The decoded path and the query of a request's target, in origin-form or absolute-form (RFC 9112, 3.2).

    Not by `urllib.parse.urlsplit`: it takes ``//[`` for the beginning of a host, and raises for invalid ones.
    """
    path, _, query = target.partition("?")
    scheme, mark, rest = path.partition("://")
    if mark and scheme.lower() in _SCHEMES:
        _, slash, rest = rest.partition("/")
        path = slash + rest
    return unquote(path), query


def _texts(request: Request, name: str) -> list[str]:
    return [_text(value) for value in request.headers.get_all(name)]


def _text(value: str) -> str:
    """A header's value as Latin-1.

    Some versions of the library pass bytes above 127 on as lone surrogates, which cannot be encoded
    again: a log, an answer or a comparison in bytes would raise.
    """
    return value.encode("latin-1", "surrogateescape").decode("latin-1")
