"""One connection of `HttpClient`, and an answer that is read from it, in the task that wants it.

The bytes are taken apart by llhttp, through httptools: 0.01 ms for a stream of sixty tokens, where h11, in
Python, takes 0.42.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import suppress

import attrs
import httptools
import trio

from ..errors import AnswerTooLong, HttpFailed

LONGEST_HEAD = 65_536
"""Bytes that an answer may have, before its body and after it, without a byte of the body in between."""


class AnswerParser:
    """What the parser has found since the last call. The parser calls its methods."""

    __slots__ = ("body", "done", "head_done", "headers", "keep", "parser", "status", "surplus")

    def __init__(self) -> None:
        self.parser = httptools.HttpResponseParser(self)
        self.headers: dict[str, str] = {}
        self.body: list[bytes] = []
        self.status = 0
        self.head_done = self.done = self.surplus = self.keep = False

    def on_message_begin(self) -> None:
        # A second answer, to no request of ours.
        self.surplus = self.done

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.head_done:
            return  # a trailer, which means nothing to us
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        self.headers[key] = f"{self.headers[key]}, {text}" if key in self.headers else text

    def on_headers_complete(self) -> None:
        if self.done:
            return
        self.status = int(self.parser.get_status_code())
        if self.status >= 200:
            self.head_done = True
        else:
            self.headers.clear()

    def on_body(self, piece: bytes) -> None:
        if not self.done:
            self.body.append(piece)

    def on_message_complete(self) -> None:
        # A status below 200 (100 Continue, 103 Early Hints) is followed by the answer itself.
        if self.head_done:
            self.done = True
            self.keep = self.parser.should_keep_alive()

    @property
    def ends_with_the_connection(self) -> bool:
        """Whether nothing in the head says where the body ends."""
        coding = self.headers.get("transfer-encoding", "")
        return "content-length" not in self.headers and not coding.lower().endswith("chunked")


@attrs.define(eq=False)
class HttpConnection:
    """One connection, of which ``socket`` is the lowest layer."""

    stream: trio.abc.Stream
    socket: trio.SocketStream
    used: bool = attrs.field(default=False, init=False)
    """Whether a request was answered on it before. Then the server may have closed it, and a retry helps."""
    since: float = attrs.field(default=0.0, init=False)
    """When it became idle, in seconds of Trio's clock."""

    def close(self) -> None:
        """At once, without closing TLS first: a barge-in must not wait for the server's answer to that."""
        self.socket.socket.close()

    def is_quiet(self) -> bool:
        """Whether it can be used again: while it was idle, neither its end nor any bytes came."""
        return not self.socket.socket.is_readable()


@attrs.define(eq=False)
class Deadlines:
    """By when somebody who reads an answer must have something; the connection of one that is late is closed.

    For whoever reads token by token: a cancel scope for each would cost 9 µs, as much as to read the token.
    Here a wait costs two assignments. `enforce` is the task.
    """

    _open: set[HttpAnswer] = attrs.field(factory=set, init=False, repr=False)
    _next: float = attrs.field(default=math.inf, init=False)
    """None of them ends earlier."""
    _alarm: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False, repr=False)

    def add(self, answer: HttpAnswer) -> None:
        self._open.add(answer)

    def discard(self, answer: HttpAnswer) -> None:
        self._open.discard(answer)

    def begin(self, answer: HttpAnswer, by: float) -> None:
        """Somebody waits for more of ``answer``, ``by`` a time of Trio's clock."""
        answer.by = by
        if by < self._next:
            self._next = self._alarm.deadline = by

    async def enforce(self) -> None:
        """Close what is late, until cancelled."""
        while True:
            with trio.CancelScope(deadline=self._next) as self._alarm:
                await trio.sleep_forever()
            for answer in [answer for answer in self._open if answer.by <= trio.current_time()]:
                answer.expire()
            self._next = min((answer.by for answer in self._open), default=math.inf)


@attrs.define(eq=False)
class HttpAnswer:
    """The head of an answer, and its body as it comes. `close` must be called, and may be at any time."""

    _answered: AnswerParser = attrs.field(repr=False)
    _connection: HttpConnection | None = attrs.field(repr=False)
    _release: Callable[[HttpConnection, bool], None] = attrs.field(repr=False)
    _deadlines: Deadlines = attrs.field(repr=False)
    by: float = attrs.field(default=math.inf, init=False)
    """By when the one who reads it must have something."""
    _late: bool = attrs.field(default=False, init=False)
    _overhead: int = attrs.field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self._deadlines.add(self)

    @property
    def status(self) -> int:
        return self._answered.status

    @property
    def headers(self) -> Mapping[str, str]:
        """By names in small letters; several of one name are joined by commas."""
        return self._answered.headers

    async def receive(self, *, by: float = math.inf) -> bytes:
        """The next bytes of the body, as many as are there; none when it is over.

        Waits as long as it takes, or until ``by``, a time of Trio's clock. A cancel, or `HttpFailed` where
        the connection breaks off or is silent too long, ends the answer: its connection is closed.
        """
        answered = self._answered
        if not answered.body:
            if answered.done or self._connection is None:
                await trio.lowlevel.checkpoint()
                return b""
            self._deadlines.begin(self, by)
            try:
                await self._read(self._connection)
            except HttpFailed:
                self.close()
                if self._late:
                    raise HttpFailed("silent", "nothing came in time") from None
                raise
            except BaseException:
                self.close()
                raise
            finally:
                self.by = math.inf
            if not answered.body:
                return b""
        # All pieces at once: fewer steps for the caller, and no reference to the pieces is kept here.
        piece = answered.body[0] if len(answered.body) == 1 else b"".join(answered.body)
        answered.body.clear()
        return piece

    async def read(self, *, most: int) -> bytes:
        """The whole body; closes it. Raises `AnswerTooLong` after ``most`` bytes, and `HttpFailed`."""
        body = bytearray()
        try:
            while piece := await self.receive():
                body += piece
                if len(body) > most:
                    raise AnswerTooLong("the body is too long")
        finally:
            self.close()
        return bytes(body)

    async def finish(self, *, within: float) -> bytes:
        """Wait up to ``within`` seconds for its end, so that the connection can be kept; then close it.

        Returns the rest of the body, or the first read of it where there is more.
        """
        rest = b"".join(self._answered.body)
        self._answered.body.clear()
        try:
            if not self._answered.done:
                with trio.move_on_after(within), suppress(HttpFailed):
                    while more := await self.receive():
                        rest = rest or more
            else:
                await trio.lowlevel.checkpoint()
        finally:
            self.close()
        return rest

    def expire(self) -> None:
        """Nothing has come in time: who waits for it gets `HttpFailed`, soon."""
        self._late, self.by = True, math.inf
        if self._connection is not None:
            self._connection.close()

    def close(self) -> None:
        """Keep the connection if the answer is whole, else close it at once. Closing twice is harmless."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        self._deadlines.discard(self)
        answered = self._answered
        self._release(connection, answered.done and answered.keep and not answered.surplus)

    async def _read(self, connection: HttpConnection) -> None:
        """Read until there is a byte of the body, or the body is over."""
        answered = self._answered
        while not answered.body and not answered.done:
            self._overhead += await feed(connection, answered)
            if self._overhead > LONGEST_HEAD:
                raise HttpFailed("malformed", "the server sends data without end that is not an answer")
        self._overhead = 0


async def feed(connection: HttpConnection, answered: AnswerParser) -> int:
    """Read once, and let the parser see it; how many bytes came. Raises `HttpFailed`."""
    try:
        received = await connection.stream.receive_some()
    except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
        raise HttpFailed("broken", "the connection broke off") from error
    if not received:
        if answered.head_done and answered.ends_with_the_connection:
            answered.done = True
            return 0
        raise HttpFailed("broken", "the connection was closed before the answer was whole")
    try:
        answered.parser.feed_data(received)
    except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
        if not answered.done:
            raise HttpFailed("malformed", "the server's answer is not HTTP/1.1") from error
        # The answer is complete, and bytes behind it belong to no request: the connection is not kept.
        answered.surplus = True
    if answered.head_done and answered.headers.get("transfer-encoding", "chunked").lower() != "chunked":
        raise HttpFailed("malformed", "the server's answer is encoded in a way that was not asked for")
    return len(received)
