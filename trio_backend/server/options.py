"""`ServerOptions`: the limits, timeouts and access rules of a server, and its TLS certificate."""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from pathlib import Path

import attrs

from ..errors import ConfigError


@attrs.frozen
class ServerOptions:
    """How much the server takes, and how long it waits. Times are in seconds, sizes in bytes, all above 0.

    ``allowed_origins`` says which web pages may connect: see `origin_allowed`. ``access_token``, if it is not
    empty, must come with every request. ``trusted_proxies`` may name the client that they connect for: see
    `TrustedProxies`. ``tls`` is the certificate and its key, as PEM files; without it the server speaks plain
    text. A client is pinged every ``ping_interval``, and disconnected when nothing came from it for
    ``pong_timeout``, which must be the longer one: `check_references` sees to that where a configuration is
    read.
    """

    max_connections: int = 2_000
    max_connections_per_address: int = 200
    trusted_proxies: Sequence[str] = ()
    max_message_size: int = 8 * 2**20
    message_timeout: float = 60.0
    max_memory_per_client: int = 32 * 2**20
    send_timeout: float = 20.0
    ping_interval: float = 20.0
    pong_timeout: float = 45.0
    request_head_timeout: float = 10.0
    allowed_origins: Sequence[str] = ("same-host", "localhost", "file")
    access_token: str = attrs.field(default="", repr=False)
    tls: tuple[Path, Path] | None = None


def open_tls(options: ServerOptions) -> ssl.SSLContext | None:
    """The context to serve TLS with; None where no certificate is named. Raises `ConfigError`; blocking."""
    if options.tls is None:
        return None
    certificate, key = options.tls
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    # HTTP/2 is not offered: WebSockets would need another handshake on it.
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"cannot use the TLS certificate {certificate} with the key {key}: {error}"
        ) from error
    return context
