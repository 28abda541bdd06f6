"""The first request of a connection: reading its head, and refusing it."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus

import attrs
import trio

from ..user import User
from .safe_headers import PLAIN, framing

# As much as Hypercorn takes; browsers send 1 to 4 kB.
MAX_HEAD_SIZE = 16 * 1024
HEAD_END = b"\r\n\r\n"


@attrs.frozen
class UpgradeRequest:
    """Who wants a WebSocket, and where. Secrets (token, Authorization) have been taken out.

    ``path`` is decoded and without the query; ``headers`` have lower-case names, and those of one name are
    joined by commas; ``client`` is ``host:port``; ``user`` is whom the server takes it for.
    """

    path: str
    query: Mapping[str, str] = attrs.field(repr=False)
    headers: Mapping[str, str] = attrs.field(repr=False)
    client: str
    user: User


@attrs.frozen
class Refusal:
    """An HTTP answer after which the connection is closed. ``text`` says what to do about it."""

    status: HTTPStatus
    text: str
    headers: Mapping[str, str] = attrs.field(factory=dict)

    def encode(self) -> bytes:
        """The whole answer, as it goes over the wire."""
        body = f"{self.text}\n".encode()
        fields = {
            "Content-Type": "text/plain; charset=utf-8",
            "Content-Length": str(len(body)),
            "Connection": "close",
            **PLAIN,
            "Content-Security-Policy": framing(()),
            "X-Frame-Options": "SAMEORIGIN",
            **self.headers,
        }
        lines = [
            f"HTTP/1.1 {self.status.value} {self.status.phrase}",
            *(f"{k}: {v}" for k, v in fields.items()),
        ]
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


TOO_LARGE = Refusal(
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"the request's head is larger than {MAX_HEAD_SIZE} bytes"
)
TOO_SLOW = Refusal(HTTPStatus.REQUEST_TIMEOUT, "the request's head did not come in time")
FULL = Refusal(
    HTTPStatus.SERVICE_UNAVAILABLE, "too many connections: try again in a moment", {"Retry-After": "5"}
)
TOO_MANY = Refusal(
    HTTPStatus.SERVICE_UNAVAILABLE,
    "too many connections from your address (max_connections_per_address): close some, and try again",
    {"Retry-After": "5"},
)


async def read_head(stream: trio.abc.ReceiveStream, *, within: float) -> bytes | Refusal | None:
    """All bytes up to and with the end of the request's head, and what came along behind it.

    None if the peer left, or never said a word in ``within`` seconds; a `Refusal` if the head is too
    large or too slow. Raises what ``stream`` raises.
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
