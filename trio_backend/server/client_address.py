"""The client's address, behind proxies too, and which addresses count as one client. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

import attrs

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

# Proxies in a row whose addresses are looked at. A client may write any number of addresses into the header.
MAX_PROXIES = 16


@attrs.frozen
class TrustedProxies:
    """The proxies whose ``X-Forwarded-For`` is believed: addresses, and networks such as ``10.0.0.0/8``."""

    networks: tuple[Network, ...] = ()

    @classmethod
    def of(cls, texts: Sequence[str]) -> TrustedProxies:
        """Raises `ValueError` for what is neither an address nor a network."""
        return cls(tuple(ip_network(text, strict=False) for text in texts))

    def include(self, host: str) -> bool:
        """Whether ``host`` is one of them."""
        address = parse_address(host)
        return address is not None and any(address in network for network in self.networks)

    def client_of(self, peer: str, forwarded_for: Sequence[str]) -> str | None:
        """The address of the client for which ``peer`` connects; None if a proxy does not say.

        ``forwarded_for`` are the values of all ``X-Forwarded-For`` headers, in their order. Each proxy adds
        on the right the address from which it got the request, so the last address that is no trusted proxy
        is the client; all to its left may be invented. A peer that is no trusted proxy is the client itself.
        """
        if not self.include(peer):
            return peer
        hops = [hop for field in forwarded_for for hop in field.split(",")]
        # The last ones, from the right: those that the nearest proxies wrote.
        for hop in hops[: -MAX_PROXIES - 1 : -1]:
            address = parse_address(hop)
            if address is None:
                return None
            if not self.include(str(address)):
                return str(address)
        return None


NO_PROXIES = TrustedProxies()
"""For servers without a proxy: each peer is the client."""


def parse_address(text: str) -> Address | None:
    """The IP address that ``text`` is, with or without a port; None if it is none.

    An IPv4 address that is written as an IPv6 one is the IPv4 address.
    """
    text = text.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        # An IPv4 address with a port; IPv6 has more colons, and brackets where there is a port.
        text = text.partition(":")[0]
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        return address.ipv4_mapped or IPv6Address(int(address))  # without the zone
    return address


def share_of(host: str) -> str:
    """The address or network that has one share of all limits: an IPv4 address, or an IPv6 /64.

    One subscriber has a whole /64, and may send from each address of it (RFC 6177, section 2).
    """
    address = parse_address(host)
    if address is None:
        return host
    if isinstance(address, IPv4Address) or address.is_loopback:
        return str(address)
    return str(IPv6Address(int(address) >> 64 << 64))
