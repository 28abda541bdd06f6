"""TLS for the listener, where the configuration names a certificate."""

from __future__ import annotations

import ssl

from ..errors import ConfigError
from .options import ServerOptions


def open_tls(options: ServerOptions) -> ssl.SSLContext | None:
    """The context to serve with; None where neither certificate nor key is named. Raises `ConfigError`."""
    certificate, key = options.tls_certificate, options.tls_key
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise ConfigError("TLS needs both tls_certificate and tls_key")
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
