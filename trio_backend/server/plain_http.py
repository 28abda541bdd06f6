"""What a port that speaks TLS answers to plain HTTP: where to go instead.

A person types an address without its scheme, and browsers then try plain HTTP.
"""

from __future__ import annotations

import socket
from http import HTTPStatus

import trio

from .access import host_name
from .handshake import asks_for_websocket, read_head
from .responses import Refusal

_USE_TLS = Refusal(
    HTTPStatus.BAD_REQUEST, "this port speaks HTTPS only: connect with https://, or wss:// for a WebSocket"
)


async def plain_http_refusal(stream: trio.SocketStream, *, until: float) -> Refusal | None:
    """The answer to a request in plain HTTP; None if TLS begins instead, of which nothing is taken.

    Raises `trio.TooSlowError` if nothing has come by ``until``, and what ``stream`` raises.
    """
    with trio.fail_at(until):
        # 22, the number of a handshake record, if it is TLS.
        first = await stream.socket.recv(1, socket.MSG_PEEK)
    if not first.isalpha():
        return None
    received = await read_head(stream, within=max(0, until - trio.current_time()))
    # Nothing, if the client has left.
    return received if isinstance(received, Refusal) else https_instead(received or b"")


def https_instead(received: bytes) -> Refusal:
    """The answer to the request whose head is ``received``: the same address over HTTPS, for a page."""
    head, *fields = received.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    method, _, rest = head.partition(" ")
    target = rest.partition(" ")[0]
    hosts = [
        value.strip() for name, _, value in (each.partition(":") for each in fields) if name.lower() == "host"
    ]
    # What came is repeated only if it cannot be more than an address.
    plain = target.startswith("/") and target.isascii() and target.isprintable()
    if method not in ("GET", "HEAD") or not plain or asks_for_websocket(received):
        return _USE_TLS
    if len(hosts) != 1 or not host_name(hosts[0]):
        return _USE_TLS
    # Not a permanent redirect, which browsers keep: the next server on this port may be one without TLS.
    address = f"https://{hosts[0]}{target}"
    return Refusal(HTTPStatus.TEMPORARY_REDIRECT, "this port speaks HTTPS only", {"Location": address})
