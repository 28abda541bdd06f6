"""`ServerOptions`: the server's limits, deadlines and locks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import attrs

from ..errors import ConfigError


@attrs.frozen
class ServerOptions:
    """How much the server takes, and how long it waits. Times are in seconds, sizes in bytes, all above 0.

    ``allowed_origins`` says which web pages may connect: see `origin_allowed`. ``access_token`` is asked
    for where it is not empty. ``trusted_proxies`` are believed whom they connect for: see `TrustedProxies`.
    The server speaks TLS where both ``tls_certificate`` and ``tls_key`` are given.
    A client is pinged every ``ping_interval``, and dropped when nothing came from it for ``pong_timeout``.
    Raises `ConfigError` where that leaves no time to answer a ping.
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
    tls_certificate: Path | None = None
    tls_key: Path | None = None

    def __attrs_post_init__(self) -> None:
        if self.pong_timeout <= self.ping_interval:
            raise ConfigError(
                f"pong_timeout ({self.pong_timeout:g} s) must be longer "
                f"than ping_interval ({self.ping_interval:g} s)"
            )
