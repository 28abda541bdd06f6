"""Where people find a server: the addresses of its page."""

from __future__ import annotations

from .config.folder import Config


def address_of(config: Config, port: int) -> str:
    """The server's URL for a browser on this machine."""
    host = config.system.host
    shown = "localhost" if host in ("", "0.0.0.0", "::") else host
    if shown == "localhost" and config.frontend:
        # The official page connects to this very address, and cookies of "localhost" are not sent there.
        shown = "127.0.0.1"
    return f"{'https' if config.tls else 'http'}://{f'[{shown}]' if ':' in shown else shown}:{port}"
