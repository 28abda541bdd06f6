"""Where people find a server: the addresses of its page, on this machine and on the network."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import quote

import attrs
import msgspec
import psutil
import trio

from .config.folder import Config
from .config.wyoming import is_this_machine
from .qr_code import qr_image

# Hosts that stand for all addresses of this machine.
_ALL = ("", "0.0.0.0", "::")
# Of TEST-NET-1, where nobody is: only the way there is asked for, and nothing is sent.
_ELSEWHERE = ("192.0.2.1", 9)

MICROPHONE = (
    "browsers give the microphone to pages from other machines over HTTPS alone: `trio-backend serve --https`"
)


@attrs.frozen
class ShownAddresses:
    """What an operator is shown: addresses, that for phones as the URL of a picture, and what to know of it.

    ``code`` is "" where only this machine can connect. ``token`` says of the access token: "held" by the
    code, "missing" in it, or "" if none is needed. ``microphone`` says what phones need, where they lack it.
    """

    here: str
    network: Sequence[str]
    code: str
    token: str
    microphone: str


async def addresses_as_json(config: Config, port: int, with_token: bool) -> bytes:
    """The `ShownAddresses` of this moment; ``with_token`` for those who know it already."""
    shown = await trio.to_thread.run_sync(_shown_addresses, config, port, with_token)
    return msgspec.json.encode(shown)


def _shown_addresses(config: Config, port: int, with_token: bool) -> ShownAddresses:
    token = config.system.access_token
    phone = phone_address(config, port, token=token if with_token else "")
    return ShownAddresses(
        address_of(config, port),
        network_addresses_of(config, port),
        qr_image(phone) if phone else "",
        ("held" if with_token else "missing") if token else "",
        MICROPHONE if phone and not config.tls else "",
    )


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

    The likeliest comes first. Of IPv6 those of this network cable alone (link-local) are left out: browsers
    do not take them.
    """
    host = config.system.host
    if host not in _ALL:
        return []
    found = machine_addresses()
    reachable = [one for one in found if not one.is_link_local and (host != "0.0.0.0" or one.version == 4)]
    return [_url(config, str(one), port) for one in reachable]


def certified_hosts(host: str) -> Sequence[str]:
    """What a server that listens on ``host`` may be called by other machines, its names aside; blocking."""
    if host not in _ALL:
        return [host]
    # Of IPv6 only if it is served: systems change those addresses every day, and a certificate with them.
    return [str(one) for one in machine_addresses() if host != "0.0.0.0" or one.version == 4]


def machine_addresses() -> Sequence[IPv4Address | IPv6Address]:
    """The addresses of this machine's interfaces that are up, but for loopback; blocking.

    The one by which it reaches other networks comes first, then those of IPv4, which are shorter to type.
    """
    states = psutil.net_if_stats()
    found = {
        ip_address(each.address.partition("%")[0])
        for name, addresses in psutil.net_if_addrs().items()
        if name in states and states[name].isup
        for each in addresses
        if each.family in (socket.AF_INET, socket.AF_INET6)
    }
    main = _main_address()
    return sorted(
        (one for one in found if not one.is_loopback),
        key=lambda one: (str(one) != main, one.version, str(one)),
    )


def phone_address(config: Config, port: int, *, token: str = "") -> str:
    """The URL to open on a phone, with ``token`` if there is one; "" where only this machine connects.

    Blocking. It is that of our page: the official one connects to the machine that it is shown on.
    """
    if is_this_machine(config.system.host):
        return ""
    addresses = network_addresses_of(config, port)
    if config.system.host in _ALL and not addresses:
        return ""
    page = "/page/" if config.frontend else "/"
    query = f"?token={quote(token, safe='')}" if token else ""
    return f"{addresses[0] if addresses else address_of(config, port)}{page}{query}"


def _main_address() -> str:
    """That of the interface that leads out of here, which a container's bridge does not; "" if none does."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(_ELSEWHERE)
            return str(probe.getsockname()[0])
    except OSError:
        return ""


def _url(config: Config, host: str, port: int) -> str:
    return f"{'https' if config.tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"
