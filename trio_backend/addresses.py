"""Where people find a server: the addresses of its page, on this machine and on the network."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from ipaddress import ip_address

import psutil

from .config.folder import Config

# Hosts that stand for all addresses of this machine.
_ALL = ("", "0.0.0.0", "::")


def address_of(config: Config, port: int) -> str:
    """The server's URL for a browser on this machine."""
    host = config.system.host
    shown = "localhost" if host in _ALL else host
    if shown == "localhost" and config.frontend:
        # The official page connects to this very address, and cookies of "localhost" are not sent there.
        shown = "127.0.0.1"
    return _url(config, shown, port)


def network_addresses_of(config: Config, port: int) -> Sequence[str]:
    """Its URLs for other machines of the network, where it listens to all of its addresses; blocking.

    Of IPv6 those of this network cable alone (link-local) are left out: browsers do not take them.
    """
    host = config.system.host
    if host not in _ALL:
        return []
    families = {socket.AF_INET} if host == "0.0.0.0" else {socket.AF_INET, socket.AF_INET6}
    states = psutil.net_if_stats()
    found = [
        ip_address(each.address.partition("%")[0])
        for name, addresses in psutil.net_if_addrs().items()
        if name in states and states[name].isup
        for each in addresses
        if each.family in families
    ]
    reachable = sorted((one for one in found if not one.is_loopback and not one.is_link_local), key=str)
    # Those of IPv4 first: they are shorter to type.
    return [_url(config, str(one), port) for one in sorted(reachable, key=lambda one: one.version)]


def _url(config: Config, host: str, port: int) -> str:
    return f"{'https' if config.tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"
