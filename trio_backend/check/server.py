"""`server_findings`: what `serve` would fail for before anybody can connect, found without serving."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from ipaddress import ip_address

from ..config.diagnostics import Finding, Location
from ..config.folder import Config, ConfigFolder
from ..errors import ConfigError
from ..history.opening import place_of, why_unusable
from ..server.options import ServerOptions, open_tls


def server_findings(config: Config, folder: ConfigFolder) -> Iterator[Finding]:
    """Errors for an address, a certificate or a file of conversations that cannot be used; blocking.

    Nothing is made, written or listened on: a server that runs with the same configuration is not disturbed.
    """
    system = config.system
    wrong = {
        "host": _wrong_host(system.host),
        "tls_certificate": _wrong_certificate(config),
        "history_file": why_unusable(place_of(system.history_file)),
    }
    for key, message in wrong.items():
        if message:
            place = folder.place(config.path.name, f"system_config.{key}") or Location(config.path.name)
            yield Finding("error", place.file, place.line, place.key, message)


def _wrong_host(host: str) -> str:
    try:
        ip_address(host)
    except ValueError:
        # Names are left to `serve`: the one who answers for them may be slow, and is not on this machine.
        wrong = "/" in host or ":" in host
        return (
            f"{host!r} is no address to listen on, such as 127.0.0.1; the port has a key of its own"
            if wrong
            else ""
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            # Any port: that of the configuration is taken while the server runs.
            probe.bind((host, 0))
    except OSError as error:
        return f"not an address of this machine ({error.strerror}); 127.0.0.1 is always there"
    return ""


def _wrong_certificate(config: Config) -> str:
    # That a file is missing is told where the files are looked for.
    if config.tls is None or not all(path.is_file() for path in config.tls):
        return ""
    try:
        open_tls(ServerOptions(tls=config.tls))
    except ConfigError as error:
        return str(error)
    return ""
