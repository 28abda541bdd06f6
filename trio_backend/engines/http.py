"""A client for streamed HTTP/1.1: connections are kept, and an answer is read by the task that wants it.

What is hot goes through here: the streams of language models and of speech. A general client (httpx2) costs
2.9 times as much CPU for a stream of sixty tokens, of which nine tenths are its layers around the parser
(benchmarks/http_clients.py); requests that are made now and then are its job.
"""

from __future__ import annotations

import ssl
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from urllib.parse import SplitResult, urlsplit

import attrs
import trio

from ..errors import HttpFailed
from .http_answer import LONGEST_HEAD, AnswerParser, Deadlines, HttpAnswer, HttpConnection, feed
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

MOST_CONNECTIONS = 200
"""Connections to one server at once; further requests wait for one of them."""

MOST_IDLE = 100
"""Idle connections kept for the next requests; more than these are closed when they become idle."""

KEPT = 60.0
"""Seconds for which an idle connection is kept. Providers close theirs after 60 to 400."""

WRITE_TIMEOUT = 30.0
"""Seconds for a request, megabytes of pictures included, to be taken by the server."""


@attrs.frozen
class HttpStatistics:
    """How many connections there are, and how many of them wait for a request."""

    connections: int
    idle: int


@attrs.define(eq=False)
class HttpClient:
    """Requests to one server. Callers set the deadlines for the answers."""

    _address: HttpAddress
    _headers: str = attrs.field(repr=False)
    _tls: ssl.SSLContext | None = attrs.field(repr=False)
    _connect_timeout: float
    deadlines: Deadlines = attrs.field(factory=Deadlines, init=False, repr=False)
    """Of those who read answers; whoever opened the client runs `Deadlines.enforce`."""
    _most: int = attrs.field(factory=lambda: MOST_CONNECTIONS, init=False)
    _slots: trio.Semaphore = attrs.field(init=False, repr=False)
    _idle: deque[HttpConnection] = attrs.field(factory=deque, init=False, repr=False)
    """The one that became idle last at the end."""
    _kept: trio.Event = attrs.field(factory=trio.Event, init=False)
    _closed: bool = attrs.field(default=False, init=False)

    @_slots.default
    def _all_free(self) -> trio.Semaphore:
        return trio.Semaphore(self._most)

    async def post(self, path: str, body: bytes, headers: Mapping[str, str]) -> HttpAnswer:
        """As `request`, with ``body`` posted to ``path``."""
        return await self.request("POST", path, headers, body)

    async def request(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes = b""
    ) -> HttpAnswer:
        """The head of the answer to a request of ``path``, below the server's address.

        A new connection is made within the ``connect_timeout`` of `open_http_client`, and the request is
        taken within `WRITE_TIMEOUT`, or `HttpFailed` says what was waited for. A kept connection that turns
        out to be closed before a byte of an answer is replaced. A cancel closes the connection.
        """
        fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        head = (
            f"{method} {self._address.target(path)} HTTP/1.1\r\nHost: {self._address.host}\r\n"
            f"{self._headers}{fields}Content-Length: {len(body)}\r\n\r\n"
        ).encode("latin-1")
        await self._slots.acquire()
        try:
            while True:
                connection = self._take_kept() or await self._connect()
                answer = await self._ask(connection, head, body)
                if answer is not None:
                    return answer
        except BaseException:
            self._slots.release()
            raise

    async def _ask(self, connection: HttpConnection, head: bytes, body: bytes) -> HttpAnswer | None:
        """The answer's head; None if the connection, a kept one, was closed meanwhile."""
        answered = AnswerParser()
        came = 0
        try:
            await self._send(connection, head, body)
            while not answered.head_done:
                came += await feed(connection, answered)
                if came > LONGEST_HEAD and not answered.head_done:
                    raise HttpFailed(
                        "malformed", f"the head of the answer has more than {LONGEST_HEAD} bytes"
                    )
        except HttpFailed as error:
            connection.close()
            if connection.used and not came and error.stage == "broken":
                return None
            raise
        except BaseException:
            connection.close()
            raise
        connection.used = True
        return HttpAnswer(answered, connection, self._release, self.deadlines)

    async def _send(self, connection: HttpConnection, head: bytes, body: bytes) -> None:
        try:
            with trio.fail_after(WRITE_TIMEOUT):
                # One packet where both fit into it; a large body is not copied for that.
                if len(body) <= LONGEST_HEAD:
                    await connection.stream.send_all(head + body)
                else:
                    await connection.stream.send_all(head)
                    await connection.stream.send_all(body)
        except trio.TooSlowError:
            raise HttpFailed(
                "timeout", f"the server did not take the request within {WRITE_TIMEOUT:g} s"
            ) from None
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise HttpFailed("broken", "the connection broke off") from error

    def statistics(self) -> HttpStatistics:
        """The connections at this moment."""
        return HttpStatistics(self._most - self._slots.value + len(self._idle), len(self._idle))

    # Connections.

    async def _connect(self) -> HttpConnection:
        try:
            with trio.fail_after(self._connect_timeout):
                return await self._open()
        except trio.TooSlowError:
            raise HttpFailed("timeout", f"no connection within {self._connect_timeout:g} s") from None
        except (OSError, trio.BrokenResourceError) as error:
            raise HttpFailed("connect", "no connection") from error

    async def _open(self) -> HttpConnection:
        address = self._address
        nearest = address.proxy or address.url
        tcp = await trio.open_tcp_stream(hostname(nearest), port(nearest))
        stream: trio.abc.Stream = tcp
        try:
            if address.proxy is not None:
                if address.proxy.scheme == "https":
                    stream = await self._secured(stream, address.proxy)
                if address.tls:
                    await self._tunnel(HttpConnection(stream, tcp), address.proxy)
            if address.tls:
                stream = await self._secured(stream, address.url)
        except BaseException:
            tcp.socket.close()
            raise
        return HttpConnection(stream, tcp)

    async def _secured(self, stream: trio.abc.Stream, url: SplitResult) -> trio.abc.Stream:
        assert self._tls is not None
        secured = trio.SSLStream(stream, self._tls, server_hostname=hostname(url), https_compatible=True)
        await secured.do_handshake()
        return secured

    async def _tunnel(self, connection: HttpConnection, proxy: SplitResult) -> None:
        """Ask the proxy for a tunnel (CONNECT): from then on it passes bytes on unchanged."""
        host = f"{bracketed(hostname(self._address.url))}:{port(self._address.url)}"
        request = f"CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n{authorization(proxy)}\r\n"
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

    def _take_kept(self) -> HttpConnection | None:
        """The connection that became idle last: the server is least likely to have closed it."""
        while self._idle:
            connection = self._idle.pop()
            if trio.current_time() - connection.since < KEPT and connection.is_quiet():
                return connection
            connection.close()
        return None

    def _release(self, connection: HttpConnection, reusable: bool) -> None:
        """Keep ``connection`` for the next request, for `KEPT` seconds, unless there are enough."""
        if reusable and not self._closed and len(self._idle) < MOST_IDLE:
            connection.since = trio.current_time()
            self._idle.append(connection)
            self._kept.set()
        else:
            connection.close()
        self._slots.release()

    async def close_expired(self) -> None:
        """Until cancelled, close connections that were idle for `KEPT` seconds. Sleeps while none is."""
        while True:
            await self._kept.wait()
            while self._idle:
                await trio.sleep_until(self._idle[0].since + KEPT)
                while self._idle and self._idle[0].since + KEPT <= trio.current_time():
                    self._idle.popleft().close()
            self._kept = trio.Event()

    def close(self) -> None:
        """Close all idle connections, and those in use as soon as they are idle."""
        self._closed = True
        while self._idle:
            self._idle.pop().close()


@asynccontextmanager
async def open_http_client(server: HttpTarget, *, connect_timeout: float) -> AsyncIterator[HttpClient]:
    """Requests to ``server``; nothing is connected yet. ``connect_timeout``: seconds for name, TCP and TLS.

    Leaving the block closes all idle connections. Raises `HttpFailed` if the environment names a proxy that
    cannot be used.
    """
    url = urlsplit(server.base_url)
    proxy = await trio.to_thread.run_sync(proxy_for, url) if server.use_proxy else None
    address = HttpAddress(url, proxy)
    tls = None
    if address.tls or (proxy is not None and proxy.scheme == "https"):
        # Reading the certificates takes 40 ms.
        tls = await trio.to_thread.run_sync(trusted)
    headers = "".join(f"{name}: {value}\r\n" for name, value in server.headers.items())
    if proxy is not None and not address.tls:
        headers += authorization(proxy)
    client = HttpClient(address, headers, tls, connect_timeout)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.close_expired, name="idle connections")
        nursery.start_soon(client.deadlines.enforce, name="answers' deadlines")
        try:
            yield client
        finally:
            client.close()
            nursery.cancel_scope.cancel("nothing is asked any more")
