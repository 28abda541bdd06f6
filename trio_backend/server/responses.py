"""Headers of every HTTP answer, and `Refusal`: an answer after which the connection is closed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import TypeAlias

import attrs

# As much as Hypercorn takes; browsers send 1 to 4 kB.
MAX_HEAD_SIZE = 16 * 1024

Fields: TypeAlias = list[tuple[bytes, bytes]]

# "nosniff": a browser must not take one of our files for a script. "no-referrer": the token in a page's
# address must not reach another site.
PLAIN = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}

_POLICY = b"content-security-policy"


def framing(allowed_origins: Sequence[str]) -> str:
    """Which pages may show ours in a frame, as a directive of Content-Security-Policy.

    Our own, and the origins that ``allowed_origins`` lists one by one: those may talk to the server anyway.
    Its words (``localhost``, ``*``, …) allow no frame: a person who clicks in a frame does not see whose page
    it is.
    """
    listed = [entry.rstrip("/") for entry in allowed_origins if "://" in entry]
    return " ".join(["frame-ancestors 'self'", *listed])


def safe_headers(given: Iterable[tuple[bytes, bytes]], frames: str) -> Fields:
    """The header fields ``given``, and ours that are not among them; names in lower case.

    ``frames`` comes from `framing`.
    """
    fields = [(name.lower(), value) for name, value in given]
    names = {name for name, _ in fields}
    ours = [(name.lower().encode(), value.encode()) for name, value in PLAIN.items()]
    fields += [(name, value) for name, value in ours if name not in names]
    if frames == framing(()):
        # For browsers that do not know `frame-ancestors`. It cannot name other origins, so only where there
        # are none.
        fields.append((b"x-frame-options", b"SAMEORIGIN"))
    if _POLICY not in names:
        return [*fields, (_POLICY, frames.encode())]
    return [(name, _with(value, frames) if name == _POLICY else value) for name, value in fields]


def _with(policy: bytes, frames: str) -> bytes:
    return policy if b"frame-ancestors" in policy else policy + f"; {frames}".encode()


@attrs.frozen
class Refusal:
    """An HTTP answer after which the connection is closed. ``text`` says to a person what to do about it."""

    status: HTTPStatus
    text: str
    headers: Mapping[str, str] = attrs.field(factory=dict)

    def encode(self) -> bytes:
        """The whole answer as bytes, headers included."""
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
