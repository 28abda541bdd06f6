"""Why a server cannot be reached, what a person can do about it, and when to try again. No I/O."""

from __future__ import annotations

import errno
import random
import socket
import ssl
from collections.abc import Callable, Iterator

import attrs

from ..errors import NoConnection, causes
from .address import DEFAULT_PATH, ServerAddress

# Every server of this kind has something there.
_OUR_PATHS = (DEFAULT_PATH, "/proxy-ws")
_UNREACHABLE = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN)


def unreachable(address: ServerAddress, error: BaseException) -> NoConnection:
    """The error for a person, when connecting to ``address`` raised ``error``. Shows no token."""
    cause = _root(error)
    match cause:
        case socket.gaierror():
            return NoConnection(f"there is no host named {address.host!r}: {cause.strerror}")
        case ConnectionRefusedError():
            return NoConnection(f"nothing answers at {address}: start it with `trio-backend serve`")
        case ssl.SSLCertVerificationError():
            return NoConnection(
                f"the certificate of {address} cannot be trusted: {cause.verify_message}; if `serve --https` "
                "has made it, set SSL_CERT_FILE to the file authority.crt that it names",
                lasting=True,
            )
        case ssl.SSLError():
            return NoConnection(f"{address} does not speak TLS as expected: try ws:// instead of wss://")
        case OSError() if cause.errno in _UNREACHABLE:
            return NoConnection(f"no network route leads to {address}: is the network up?")
    return NoConnection(f"connecting to {address} failed: {cause}")


def too_slow(address: ServerAddress, seconds: float) -> NoConnection:
    """The handshake with the other side took longer than ``seconds``."""
    other, this = ("ws", "wss") if address.tls else ("wss", "ws")
    return NoConnection(
        f"{address} gave no answer within {seconds:g} s: it may be busy, be no server of this kind, "
        f"or expect {other}:// instead of {this}://"
    )


def closed_at_once(address: ServerAddress) -> NoConnection:
    """The other side closed the connection before the handshake was over."""
    return NoConnection(
        f"{address} closed the connection at once: it may be starting or shutting down, "
        "or be no server of this kind"
    )


def rejected(address: ServerAddress, status: int) -> NoConnection:
    """The other side answered with an HTTP status instead of a WebSocket."""
    match status:
        case 401:
            why = f"{address} requires an access token: add ?token=… to the address"
        case 403:
            why = f"{address} refuses this client (403)"
        case 404:
            path = address.target.partition("?")[0]
            remedy = f"the path is usually {DEFAULT_PATH}"
            if path in _OUR_PATHS:
                remedy = "it is no server of this kind; is the port right?"
            why = f"there is a server at {address.authority}, but nothing at {path}: {remedy}"
        case 503:
            return NoConnection(f"{address} accepts no more clients at the moment (503): try again later")
        case _ if 300 <= status < 400:
            why = f"{address} redirects its clients to another address ({status}): use that one"
        case _:
            return NoConnection(f"{address} answered with HTTP status {status} instead of a WebSocket")
    return NoConnection(why, lasting=True)


def lost(code: int, reason: str | None) -> str:
    """Why an established connection is gone; ``code`` is a close code of RFC 6455."""
    known = {
        1000: "the server closed the connection",
        1001: "the server is shutting down",
        1006: "the server is gone",
        1008: "the server refused what this client sent",
        1009: "a message was too large",
        1011: "the server had an internal error",
        1012: "the server restarts",
        1013: "the server is too busy",
    }
    why = known.get(code, f"close code {code}")
    return f"{why} ({reason})" if reason and reason != why else why


def _root(error: BaseException) -> BaseException:
    """The exception at the bottom: trio tells of each address that it tried in a group underneath.

    Of several addresses the first counts: it is the one that the system prefers.
    """
    leaves = (each for each in causes(error) if not isinstance(each, BaseExceptionGroup))
    return next(leaf for leaf in leaves if leaf.__cause__ is None)


@attrs.frozen
class Backoff:
    """Waits that double from ``first`` to ``longest`` seconds, each shortened by up to half, at random.

    Many clients that lost the same server do not come back in one wave. ``give_up`` bounds their sum.
    """

    # By hand, although stamina retries well: these waits are not between calls but between connections, which
    # may last for hours. Stamina limits wait plus jitter, so that at the longest wait all clients of a server
    # that is down come back together; and its clock and its random numbers are not those of a simulation.
    first: float = 0.5
    longest: float = 15.0
    give_up: float = 600.0
    _random: Callable[[], float] = random.random

    def waits(self) -> Iterator[float]:
        """The waits, in seconds, until there is no more point."""
        whole, spent = self.first, 0.0
        while spent < self.give_up:
            wait = whole * (1 - self._random() / 2)
            yield wait
            spent += wait
            whole = min(2 * whole, self.longest)
