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

import attrs
import trio

from ..errors import HttpFailed
from .http_answer import LONGEST_HEAD, AnswerParser, Deadlines, HttpAnswer, HttpConnection, feed
from .http_connect import find_way, open_connection
from .http_target import HttpAddress, HttpTarget, authorization

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
                connection = self._take_kept() or await open_connection(
                    self._address, self._tls, within=self._connect_timeout
                )
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
    address, tls = await find_way(server)
    headers = "".join(f"{name}: {value}\r\n" for name, value in server.headers.items())
    if address.proxy is not None and not address.tls:
        headers += authorization(address.proxy)
    client = HttpClient(address, headers, tls, connect_timeout)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.close_expired, name="idle connections")
        nursery.start_soon(client.deadlines.enforce, name="answers' deadlines")
        try:
            yield client
        finally:
            client.close()
            nursery.cancel_scope.cancel("nothing is asked any more")
