"""The way to a server, for `HttpClient` and for WebSockets: a proxy where there is one, TCP, and TLS."""

from __future__ import annotations

import ssl
from urllib.parse import SplitResult, urlsplit

import trio

from ..errors import HttpFailed
from .http_answer import LONGEST_HEAD, HttpConnection
from .http_target import (
    HttpAddress,
    HttpTarget,
    authorization,
    bracketed,
    hostname,
    port,
    proxy_for,
    trusted,
)


async def find_way(server: HttpTarget) -> tuple[HttpAddress, ssl.SSLContext | None]:
    """The address of ``server`` with its proxy, and what is trusted where TLS is spoken. Connects to nothing.

    Raises `HttpFailed` if the environment names a proxy that cannot be used.
    """
    url = urlsplit(server.base_url)
    proxy = await trio.to_thread.run_sync(proxy_for, url) if server.use_proxy else None
    address = HttpAddress(url, proxy)
    if address.tls or (proxy is not None and proxy.scheme == "https"):
        # Reading the certificates takes 40 ms.
        return address, await trio.to_thread.run_sync(trusted)
    return address, None


async def open_connection(
    address: HttpAddress, tls: ssl.SSLContext | None, *, within: float, tunnel: bool = False
) -> HttpConnection:
    """A new connection to ``address``; ``address`` and ``tls`` are from `find_way`. The caller closes it.

    ``within`` is how many seconds name, proxy, TCP and TLS may take together. With ``tunnel`` a proxy passes
    bytes on also where they are not encrypted, as WebSockets need it: otherwise it reads the requests.
    Raises `HttpFailed`.
    """
    try:
        with trio.fail_after(within):
            return await _open(address, tls, tunnel=tunnel)
    except trio.TooSlowError:
        raise HttpFailed("timeout", f"no connection within {within:g} s") from None
    except (OSError, trio.BrokenResourceError) as error:
        raise HttpFailed("connect", "no connection") from error


async def _open(address: HttpAddress, tls: ssl.SSLContext | None, *, tunnel: bool) -> HttpConnection:
    nearest = address.proxy or address.url
    tcp = await trio.open_tcp_stream(hostname(nearest), port(nearest))
    stream: trio.abc.Stream = tcp
    try:
        if address.proxy is not None:
            if address.proxy.scheme == "https":
                stream = await _secured(stream, address.proxy, tls)
            if address.tls or tunnel:
                await _tunnel(HttpConnection(stream, tcp), address)
        if address.tls:
            stream = await _secured(stream, address.url, tls)
    except BaseException:
        tcp.socket.close()
        raise
    return HttpConnection(stream, tcp)


async def _secured(stream: trio.abc.Stream, url: SplitResult, tls: ssl.SSLContext | None) -> trio.abc.Stream:
    assert tls is not None
    secured = trio.SSLStream(stream, tls, server_hostname=hostname(url), https_compatible=True)
    await secured.do_handshake()
    return secured


async def _tunnel(connection: HttpConnection, address: HttpAddress) -> None:
    """Ask the proxy for a tunnel (CONNECT): from then on it passes bytes on unchanged."""
    assert address.proxy is not None
    host = f"{bracketed(hostname(address.url))}:{port(address.url)}"
    request = f"CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n{authorization(address.proxy)}\r\n"
    await connection.stream.send_all(request.encode("latin-1"))
    # Read byte by byte: the bytes behind the head belong to TLS, and the parser knows no CONNECT.
    head = bytearray()
    while not head.endswith(b"\r\n\r\n"):
        piece = await connection.stream.receive_some(1)
        if not piece or len(head) > LONGEST_HEAD:
            raise HttpFailed("proxy", "the proxy refuses the connection")
        head += piece
    if not head.startswith((b"HTTP/1.1 2", b"HTTP/1.0 2")):
        raise HttpFailed("proxy", "the proxy refuses")
