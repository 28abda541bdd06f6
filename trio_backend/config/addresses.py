"""What addresses in ``system_config`` may look like: origins, proxies, another server."""

from __future__ import annotations

import re
from ipaddress import ip_network
from typing import Any

import attrs

ORIGIN_WORDS = ("same-host", "localhost", "file", "null", "*")

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s@?#;,'\"]+", re.IGNORECASE)
_UPSTREAM = re.compile(r"(ws|http)s?://[^/\s]+(/\S*)?", re.IGNORECASE)


def check_origins(_instance: object, _attribute: attrs.Attribute[Any], value: tuple[str, ...]) -> None:
    """Each is one of `ORIGIN_WORDS`, or an origin. An attrs validator."""
    for origin in value:
        if origin not in ORIGIN_WORDS and not _ORIGIN.fullmatch(origin):
            raise ValueError(
                f"{origin!r} must be one of {', '.join(ORIGIN_WORDS)}, or an origin such as https://example.org:8443"
            )


def check_proxies(_instance: object, _attribute: attrs.Attribute[Any], value: tuple[str, ...]) -> None:
    """Each is an IP address or a network. An attrs validator."""
    for proxy in value:
        try:
            ip_network(proxy, strict=False)
        except ValueError:
            raise ValueError(f"{proxy!r} must be an IP address, or a network such as 10.0.0.0/8") from None


def check_upstream(_instance: object, _attribute: attrs.Attribute[Any], value: str) -> None:
    """Nothing, or the URL of a server. An attrs validator."""
    if value and not _UPSTREAM.fullmatch(value):
        raise ValueError("must be empty, or a URL such as ws://192.168.1.20:12393/client-ws")
