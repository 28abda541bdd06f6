"""The opening handshake: whether a request becomes a WebSocket. Pure."""

from __future__ import annotations

from collections.abc import Collection
from http import HTTPStatus
from urllib.parse import parse_qsl, unquote, urlsplit

import attrs
from websockets.http11 import Request
from websockets.server import ServerProtocol

from .access import entry_for, origin_allowed, token_allowed
from .options import ServerOptions
from .request import HEAD_END, TOO_LARGE, Refusal, UpgradeRequest

_SECRETS = ("authorization", "cookie")


@attrs.frozen
class Upgrade:
    """A request that is accepted.

    ``response`` is to be sent before the first frame; ``behind`` are the frames that came with the request.
    """

    request: UpgradeRequest
    response: bytes
    behind: bytes = attrs.field(repr=False)


def asks_for_websocket(received: bytes) -> bool:
    """Whether the request that begins like this wants to become a WebSocket."""
    head, _, _ = received.partition(HEAD_END)
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"upgrade" and b"websocket" in value.lower():
            return True
    return False


def answer_upgrade(
    received: bytes, *, paths: Collection[str], options: ServerOptions, client: str
) -> Upgrade | Refusal:
    """What to say to a request for a WebSocket on one of ``paths``; ``received`` holds its whole head."""
    head, end, behind = received.partition(HEAD_END)
    handshake = ServerProtocol()
    handshake.receive_data(head + end)
    events = handshake.events_received()
    if not events:
        return _unreadable(handshake)
    request = events[0]
    assert isinstance(request, Request)
    refusal = _refuse(request, paths, options)
    if refusal is not None:
        return refusal
    # No extension is offered, so permessage-deflate is never agreed on.
    response = handshake.accept(request)
    if response.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
        fields = {name: response.headers[name] for name in ("Allow", "Upgrade") if name in response.headers}
        return Refusal(HTTPStatus(response.status_code), response.body.decode().strip(), fields)
    return Upgrade(_read(request, client), response.serialize(), behind)


def _unreadable(handshake: ServerProtocol) -> Refusal:
    # The library answers a head that is too long, and says nothing to one that is no HTTP.
    if any(handshake.data_to_send()):
        return TOO_LARGE
    return Refusal(HTTPStatus.BAD_REQUEST, "this is no valid HTTP/1.1 request")


def _refuse(request: Request, paths: Collection[str], options: ServerOptions) -> Refusal | None:
    url, headers = urlsplit(request.path), request.headers
    hosts, origins = headers.get_all("Host"), headers.get_all("Origin")
    if len(hosts) != 1 or len(origins) > 1:
        return Refusal(HTTPStatus.BAD_REQUEST, "one Host header is needed, and at most one Origin header")
    if unquote(url.path) not in paths:
        return Refusal(HTTPStatus.NOT_FOUND, "there is no WebSocket here; try " + ", ".join(sorted(paths)))
    origin = origins[0] if origins else None
    if not origin_allowed(origin, hosts[0], options.allowed_origins):
        return Refusal(
            HTTPStatus.FORBIDDEN,
            f"pages of {origin!s:.100} may not connect: to let them, add {entry_for(origin or '')!r:.100} to "
            "system_config.allowed_origins",
        )
    if not token_allowed(options.access_token, ", ".join(headers.get_all("Authorization")), url.query):
        return Refusal(
            HTTPStatus.UNAUTHORIZED,
            "an access token is needed: add ?token=… or an Authorization header",
            {"WWW-Authenticate": "Bearer"},
        )
    if headers.get_all("Sec-WebSocket-Version") not in (["13"], []):
        return Refusal(
            HTTPStatus.UPGRADE_REQUIRED,
            "only version 13 of the WebSocket protocol is spoken here",
            {"Sec-WebSocket-Version": "13", "Upgrade": "websocket"},
        )
    return None


def _read(request: Request, client: str) -> UpgradeRequest:
    url = urlsplit(request.path)
    query = dict(parse_qsl(url.query, keep_blank_values=True))
    query.pop("token", None)
    headers = {name.lower(): value for name, value in request.headers.raw_items()}
    for name in _SECRETS:
        headers.pop(name, None)
    return UpgradeRequest(path=unquote(url.path), query=query, headers=headers, client=client)
