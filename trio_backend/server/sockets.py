"""Listening sockets: opening them, and accepting connections."""

from __future__ import annotations

import errno
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import trio
from loguru import logger

from ..errors import ConfigError

# Connections that the kernel keeps until we accept them: enough for a thousand pages that reconnect at once.
BACKLOG = 1024
# Seconds. While the process has no file handle left, accepting again at once would only burn CPU.
ACCEPT_BACKOFF = 0.1
# Milliseconds that the kernel waits for the peer to acknowledge data before it gives the connection up.
# Accepted sockets inherit it. It ends what has no deadline of ours: data still unsent when we closed.
UNACKNOWLEDGED_MS = 20_000
# Seconds without data after which the kernel probes an idle connection. WebSockets are pinged by us anyway;
# this finds the dead ones among idle HTTP connections.
KEEPALIVE_IDLE = 30


@asynccontextmanager
async def open_listeners(host: str, port: int) -> AsyncIterator[list[trio.SocketListener]]:
    """Listen on every address that ``host`` resolves to, on one port; port 0 takes any that is free.

    Leaving the block closes the listeners. Raises `ConfigError`, which says what to do, if an address or the
    port cannot be used.
    """
    async with AsyncExitStack() as stack:
        listeners: list[trio.SocketListener] = []
        for family, address in await _addresses(host, port):
            # All addresses share the port that the first one got.
            chosen = port or (port_of(listeners[0]) if listeners else 0)
            listener = await _listen(family, (address, chosen))
            listeners.append(await stack.enter_async_context(listener))
        yield listeners


def port_of(listener: trio.SocketListener) -> int:
    """The port on which it listens."""
    return int(listener.socket.getsockname()[1])


async def accept_all(
    listener: trio.SocketListener, admit: Callable[[trio.SocketStream], Awaitable[None]]
) -> None:
    """Accept until cancelled, then close ``listener``. ``admit`` gets each stream.

    Nothing is accepted while ``admit`` runs, so it must not wait for a peer.
    """
    failing = False
    async with listener:
        while True:
            try:
                stream = await listener.accept()
            except OSError as error:
                # No file handle or no memory is left. That passes, and open connections are still served.
                if not failing:
                    logger.warning("cannot accept connections at the moment: {}", error)
                failing = True
                await trio.sleep(ACCEPT_BACKOFF)
            else:
                failing = False
                await admit(stream)


async def _addresses(host: str, port: int) -> list[tuple[socket.AddressFamily, str]]:
    if host == "localhost":
        # Browsers try both, whatever the hosts file says.
        both = [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]
        return both if _has_ipv6() else both[:1]
    try:
        found = await trio.socket.getaddrinfo(
            host or None, port, type=trio.socket.SOCK_STREAM, flags=trio.socket.AI_PASSIVE
        )
    except (socket.gaierror, UnicodeError) as error:
        raise ConfigError(f"cannot listen on {host!r}: {error}; give an address of this machine") from error
    unique = dict.fromkeys((family, str(address[0])) for family, _, _, _, address in found)
    return list(unique)


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


async def _listen(family: socket.AddressFamily, address: tuple[str, int]) -> trio.SocketListener:
    raw = trio.socket.socket(family, trio.socket.SOCK_STREAM)
    try:
        _configure(raw, family)
        await raw.bind(address)
        raw.listen(BACKLOG)
        return trio.SocketListener(raw)
    except OSError as error:
        raw.close()
        raise ConfigError(_explain(error, address)) from error


def _configure(raw: trio.socket.SocketType, family: socket.AddressFamily) -> None:
    if sys.platform == "win32":
        # There SO_REUSEADDR would let another program take over our port while we listen on it.
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
    else:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        # Or "::" would take the IPv4 addresses too, and our own IPv4 listener could not be opened.
        raw.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", KEEPALIVE_IDLE), ("TCP_USER_TIMEOUT", UNACKNOWLEDGED_MS)):
        if hasattr(socket, name):
            raw.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _explain(error: OSError, address: tuple[str, int]) -> str:
    where = f"cannot listen on {address[0]} port {address[1]}"
    if error.errno == errno.EADDRINUSE:
        return f"{where}: another program does already; stop it, or choose another port"
    if error.errno == errno.EACCES:
        return f"{where}: not allowed; choose a port from 1024 up"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{where}: this machine has no such address; 127.0.0.1 is always there"
    return f"{where}: {error.strerror or error}"
