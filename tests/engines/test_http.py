"""The client for streamed HTTP: connections, deadlines, and what servers and proxies may do to it."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
import trio.lowlevel
from trio.testing import MockClock

from tests.promptness import PROMPTLY
from trio_backend.engines import http
from trio_backend.engines.http import KEPT, HttpClient, open_http_client
from trio_backend.engines.http_answer import HttpAnswer
from trio_backend.engines.http_target import HttpTarget
from trio_backend.errors import HttpFailed, first_leaf

WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
# Self-signed for localhost, valid for a century.
TLS = Path(__file__).parents[1] / "server" / "tls"


@attrs.define(eq=False)
class Server:
    """Reads one request after the other, and answers each on a connection with the next of ``answers``.

    An answer is pieces that are sent one after the other; None closes the connection.
    """

    port: int
    answers: Sequence[bytes | None]
    requests: list[bytes] = attrs.field(factory=list)
    connections: int = 0
    closed: trio.Event = attrs.field(factory=trio.Event)
    """Set when a client has closed a connection."""
    sent: trio.Event = attrs.field(factory=trio.Event)
    """Set when all answers to a request were sent."""

    async def serve(self, stream: trio.abc.Stream) -> None:
        self.connections += 1
        async with stream:
            received = b""
            # Who is gone reads nothing.
            with suppress(trio.BrokenResourceError):
                while piece := await stream.receive_some():
                    received += piece
                    if not self._whole(received):
                        continue
                    self.requests.append(received)
                    received = b""
                    for answer in self.answers:
                        if answer is None:
                            return
                        await stream.send_all(answer)
                        await trio.sleep(0.002)
                    self.sent.set()
        self.closed.set()

    @staticmethod
    def _whole(received: bytes) -> bool:
        head, end, body = received.partition(b"\r\n\r\n")
        length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
        return bool(end) and len(body) == int(length or b"0")


@asynccontextmanager
async def answering(
    *answers: bytes | None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[Server, HttpClient]]:
    """A server that answers so, and a client of it."""
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    server = Server(port, answers)
    serving: Any = (
        [trio.SSLListener(one, tls, https_compatible=True) for one in listeners] if tls else listeners
    )
    serve_all: Any = trio.serve_listeners
    scheme, name = ("https", "localhost") if tls else ("http", "127.0.0.1")
    address = HttpTarget(f"{scheme}://{name}:{port}/v1", {"Authorization": "Bearer key"}, use_proxy=False)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve_all, server.serve, serving)
        async with open_http_client(address, connect_timeout=5) as client:
            yield server, client
        nursery.cancel_scope.cancel()


async def whole(answer: HttpAnswer) -> bytes:
    """Its body, read to the end."""
    body = b""
    while piece := await answer.receive():
        body += piece
    answer.close()
    return body


async def asked(client: HttpClient, body: bytes = b"{}") -> bytes:
    """One request, and the body of its answer."""
    return await whole(await client.post("chat", body, {"Accept": "*/*"}))


async def test_a_request_has_what_the_server_needs() -> None:
    """The path below the server's address, its name, what goes with each request, and the length."""
    async with answering(WHOLE) as (server, client):
        assert await asked(client, b"{...}") == b"hello"
        line, *fields = server.requests[0].partition(b"\r\n\r\n")[0].split(b"\r\n")
    assert line == b"POST /v1/chat HTTP/1.1"
    assert set(fields) == {
        b"Host: 127.0.0.1:%d" % server.port,
        b"Authorization: Bearer key",
        b"Accept: */*",
        b"Content-Length: 5",
    }


async def test_a_large_request_arrives_whole() -> None:
    """Pictures."""
    async with answering(WHOLE) as (server, client):
        assert await asked(client, b"x" * 5_000_000) == b"hello"
        assert server.requests[0].endswith(b"\r\n\r\n" + b"x" * 5_000_000)


@pytest.mark.parametrize(
    ("pieces", "body"),
    [
        ([WHOLE], b"hello"),
        ([bytes([byte]) for byte in WHOLE], b"hello"),
        ([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", b"lo\r\n0\r\n\r\n"], b"hello"),
        (
            [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nhi\r\n0\r\nTrailer: x\r\n\r\n"],
            b"hi",
        ),
        ([b"HTTP/1.0 200 OK\r\n\r\nto the ", b"end", None], b"to the end"),
        ([b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\n" + WHOLE], b"hello"),
        ([b"HTTP/1.1 204 Nothing\r\n\r\n"], b""),
        ([b"HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nno"], b"no"),
    ],
)
async def test_an_answer_is_read_whole(pieces: Sequence[bytes | None], body: bytes) -> None:
    """However it says where it ends, and however it comes."""
    async with answering(*pieces) as (_, client):
        with trio.fail_after(10):
            assert await asked(client) == body


@pytest.mark.parametrize(
    ("pieces", "stage"),
    [
        ([b"SSH-2.0-OpenSSH_9.6\r\n"], "malformed"),
        ([b"HTTP/2 200\r\n\r\n"], "malformed"),
        ([b"HTTP/1.1 101 Other\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n"], "malformed"),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"], "malformed"),
        ([b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000], "malformed"),
        ([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"], "malformed"),
        ([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nhello", None], "malformed"),
        ([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"5\r\nhel", None], "broken"),
        ([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"zz\r\n"], "malformed"),
        (
            [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: ", *[b"y" * 50_000] * 3],
            "malformed",
        ),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", None], "broken"),
        ([None], "broken"),
        ([b"HTTP/1.1 2", None], "broken"),
    ],
)
async def test_an_answer_that_is_none_is_an_error(pieces: Sequence[bytes | None], stage: str) -> None:
    """It ends this request; the right to its connection comes back."""
    async with answering(*pieces) as (_, client):
        with trio.fail_after(10):
            for _ in range(2):
                with pytest.raises(HttpFailed) as failed:
                    await asked(client)
                assert failed.value.stage == stage
        assert client.statistics().connections == 0


async def test_a_connection_is_used_again() -> None:
    """One for requests one after the other; as many as there are at once, and those for the next ones."""
    async with answering(WHOLE) as (server, client):
        for _ in range(3):
            assert await asked(client) == b"hello"
        assert server.connections == 1
        for _ in range(2):
            answers = [await client.post("chat", b"{}", {}) for _ in range(20)]
            for answer in answers:
                assert await whole(answer) == b"hello"
        assert server.connections == 20
        assert client.statistics() == http.HttpStatistics(connections=20, idle=20)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        WHOLE + b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged",
        WHOLE + b"H",
    ],
)
async def test_a_connection_that_cannot_be_trusted_is_closed(answer: bytes) -> None:
    """The server says so, or has sent more than was asked for: the next answer would be a stranger's."""
    async with answering(answer) as (server, client):
        for _ in range(3):
            assert await asked(client) == b"hello"
        assert server.connections == 3


async def test_the_status_is_that_of_the_answer() -> None:
    """Not that of what a server sends behind it."""
    async with answering(b"HTTP/1.1 204 Nothing\r\n\r\n" + WHOLE) as (_, client):
        answer = await client.post("chat", b"{}", {})
        assert (answer.status, await whole(answer)) == (204, b"")


async def test_the_fields_are_those_of_the_answer() -> None:
    """By their names in small letters, several of one name together; not those of what comes before it."""
    early = b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\n"
    late = b"HTTP/1.1 200 OK\r\nX-A: 1\r\nx-a: 2\r\nContent-Length: 0\r\n\r\n"
    async with answering(early + late) as (_, client):
        answer = await client.post("chat", b"{}", {})
        answer.close()
        assert answer.headers == {"x-a": "1, 2", "content-length": "0"}


async def test_what_comes_on_an_idle_connection_is_no_answer() -> None:
    """Bytes that nobody asked for, and later than the answer."""
    async with answering(WHOLE, b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged") as (server, client):
        assert await asked(client) == b"hello"
        await server.sent.wait()
        await trio.sleep(0.05)
        assert await asked(client) == b"hello"
        assert server.connections == 2


async def test_a_kept_connection_that_was_closed_is_replaced() -> None:
    """Whether that is seen before the request leaves, or only after."""
    async with answering(WHOLE, None) as (server, client):
        assert await asked(client) == b"hello"
        await trio.sleep(0.05)
        assert await asked(client) == b"hello"
    async with answering(WHOLE) as (server, client):
        assert await asked(client) == b"hello"
        server.answers = [None]

        async def revive() -> None:
            while server.connections < 2:
                await trio.lowlevel.checkpoint()
            server.answers = [WHOLE]

        async with trio.open_nursery() as nursery:
            nursery.start_soon(revive)
            assert await asked(client) == b"hello"
        assert server.connections == 2


async def test_a_new_connection_that_breaks_off_is_not_tried_again() -> None:
    """The server may have done what was asked of it."""
    async with answering(None) as (server, client):
        with pytest.raises(HttpFailed):
            await asked(client)
        assert server.connections == 1


@pytest.mark.parametrize("sent", [b"", WHOLE[:-1]])
async def test_a_cancel_closes_the_connection_at_once(sent: bytes) -> None:
    """Before the answer, and in it; the server sees that."""
    async with answering(sent) as (server, client):
        with trio.move_on_after(0.05) as scope:
            await asked(client)
        assert scope.cancelled_caught
        assert trio.current_time() - scope.deadline < PROMPTLY
        with trio.fail_after(PROMPTLY):
            await server.closed.wait()
        assert client.statistics().connections == 0


async def test_an_answer_that_is_closed_early_closes_its_connection() -> None:
    """Who closes twice gives nothing back twice."""
    async with answering(WHOLE[:-1]) as (server, client):
        answer = await client.post("chat", b"{}", {})
        assert await answer.receive() == b"hell"
        answer.close()
        answer.close()
        with trio.fail_after(PROMPTLY):
            await server.closed.wait()
        assert await answer.receive() == b""
        assert client.statistics().connections == 0


async def test_only_so_many_connections_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who wants one more waits until one is free."""
    monkeypatch.setattr(http, "MOST_CONNECTIONS", 2)
    async with answering(WHOLE) as (server, client):
        answers = [await client.post("chat", b"{}", {}) for _ in range(2)]
        with trio.move_on_after(0.05) as scope:
            await client.post("chat", b"{}", {})
        assert scope.cancelled_caught
        answers[0].close()
        with trio.fail_after(5):
            assert await asked(client) == b"hello"
        answers[1].close()
        assert len(server.requests) == 3


async def test_idle_connections_end_with_their_time(mock_clock: MockClock) -> None:
    """And all of them with the client; nothing wakes up while there is none."""
    mock_clock.rate = 1
    async with answering(WHOLE) as (server, client):
        answers = [await client.post("chat", b"{}", {}) for _ in range(3)]
        for answer in answers:
            await whole(answer)
        assert client.statistics().idle == 3
        # Not by itself: it would also jump while an answer is on its way through the kernel.
        mock_clock.jump(KEPT + 1)
        with trio.fail_after(30):
            while client.statistics() != http.HttpStatistics(connections=0, idle=0):
                await trio.sleep(0.001)
        assert await asked(client) == b"hello"
        assert server.connections == 4


async def test_more_idle_connections_than_are_wanted_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a crowd."""
    monkeypatch.setattr(http, "MOST_IDLE", 2)
    async with answering(WHOLE) as (_, client):
        for answer in [await client.post("chat", b"{}", {}) for _ in range(5)]:
            await whole(answer)
        assert client.statistics() == http.HttpStatistics(connections=2, idle=2)


async def test_nobody_listening_is_said() -> None:
    """With the reason as its cause."""
    async with answering(WHOLE) as (server, _):
        pass
    address = HttpTarget(f"http://127.0.0.1:{server.port}", {}, use_proxy=False)
    with pytest.raises(ExceptionGroup) as group:
        async with open_http_client(address, connect_timeout=5) as client:
            await asked(client)
    failed = first_leaf(group.value)
    assert isinstance(failed, HttpFailed)
    assert failed.stage == "connect"


async def test_a_server_that_takes_no_connection_is_left_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its name, its TCP and its TLS together have the time that was given."""
    async with answering(b"no TLS here") as (server, _):
        address = HttpTarget(f"https://127.0.0.1:{server.port}", {}, use_proxy=False)

        async with open_http_client(address, connect_timeout=0.2) as client:
            with trio.fail_after(PROMPTLY), pytest.raises(HttpFailed) as failed:
                await asked(client)
    assert failed.value.stage == "timeout"


async def test_a_server_that_does_not_take_the_request_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Megabytes that nobody reads."""
    monkeypatch.setattr(http, "WRITE_TIMEOUT", 0.2)
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener:
        address = HttpTarget(f"http://127.0.0.1:{listener.socket.getsockname()[1]}", {}, use_proxy=False)
        async with open_http_client(address, connect_timeout=5) as client:
            with trio.fail_after(10), pytest.raises(HttpFailed) as failed:
                await asked(client, b"x" * 50_000_000)
    assert failed.value.stage == "timeout"


def server_side() -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(TLS / "certificate.pem", TLS / "key.pem")
    return context


async def test_tls_is_spoken_and_its_connections_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the certificate is trusted."""
    monkeypatch.setenv("SSL_CERT_FILE", str(TLS / "certificate.pem"))
    async with answering(WHOLE, tls=server_side()) as (server, client):
        for _ in range(3):
            assert await asked(client) == b"hello"
        assert server.connections == 1


async def test_a_certificate_that_is_not_trusted_ends_the_request() -> None:
    """Nothing was asked: what people say is not for whoever answers there."""
    async with answering(WHOLE, tls=server_side()) as (server, client):
        with pytest.raises(HttpFailed) as failed:
            await asked(client)
        assert failed.value.stage == "connect"
        assert not server.requests


# Proxies.


@asynccontextmanager
async def proxy(monkeypatch: pytest.MonkeyPatch, *, refuses: bool = False) -> AsyncIterator[list[bytes]]:
    """A proxy that the environment names; the heads that it was sent."""
    heads: list[bytes] = []

    async def serve(client: trio.SocketStream) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            piece = await client.receive_some(1)
            if not piece:
                return
            head += piece
        heads.append(head)
        method, target, _ = head.split(b" ", 2)
        if refuses:
            await client.send_all(b"HTTP/1.1 407 Who are you\r\nContent-Length: 0\r\n\r\n")
            return
        if method == b"CONNECT":
            port = int(target.rpartition(b":")[2])
        else:
            port = int(target.partition(b"//")[2].partition(b"/")[0].rpartition(b":")[2])
        async with await trio.open_tcp_stream("127.0.0.1", port) as server:
            if method == b"CONNECT":
                await client.send_all(b"HTTP/1.1 200 Go on\r\n\r\n")
            else:
                await server.send_all(head)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(pump, client, server)
                await pump(server, client)
                nursery.cancel_scope.cancel()

    async def pump(source: trio.SocketStream, sink: trio.SocketStream) -> None:
        with suppress(trio.BrokenResourceError):
            while piece := await source.receive_some():
                await sink.send_all(piece)

    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, serve, [listener])
        url = f"http://mao:s%40fe@127.0.0.1:{listener.socket.getsockname()[1]}"
        for name in ("HTTP_PROXY", "HTTPS_PROXY"):
            monkeypatch.delenv(name, raising=False)
            monkeypatch.setenv(name.lower(), url)
        for name in ("NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.delenv(name, raising=False)
        yield heads
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def through_proxy(server: Server, scheme: str = "http") -> AsyncIterator[HttpClient]:
    address = HttpTarget(f"{scheme}://localhost:{server.port}/v1", {})
    async with open_http_client(address, connect_timeout=5) as client:
        yield client


CREDENTIALS = b"Proxy-Authorization: Basic bWFvOnNAZmU=\r\n"


async def test_a_proxy_of_the_environment_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the whole URL, and with name and password."""
    async with proxy(monkeypatch) as heads, answering(WHOLE) as (server, _), through_proxy(server) as client:
        assert await asked(client) == b"hello"
    assert heads[0].startswith(b"POST http://localhost:%d/v1/chat HTTP/1.1\r\n" % server.port)
    assert CREDENTIALS in heads[0]


async def test_tls_goes_through_a_proxy_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told where to connect to, and nothing else; the server is not told the proxy's password."""
    monkeypatch.setenv("SSL_CERT_FILE", str(TLS / "certificate.pem"))
    async with (
        proxy(monkeypatch) as heads,
        answering(WHOLE, tls=server_side()) as (server, _),
        through_proxy(server, "https") as client,
    ):
        for _ in range(2):
            assert await asked(client) == b"hello"
    assert len(heads) == 1
    assert heads[0].startswith(b"CONNECT localhost:%d HTTP/1.1\r\n" % server.port)
    assert CREDENTIALS in heads[0]
    assert b"key" not in heads[0]
    assert b"proxy" not in server.requests[0].lower()


@pytest.mark.parametrize("no_proxy", ["localhost", "*"])
async def test_no_proxy_is_asked_where_none_is_wanted(monkeypatch: pytest.MonkeyPatch, no_proxy: str) -> None:
    """As `NO_PROXY` says."""
    async with proxy(monkeypatch) as heads, answering(WHOLE) as (server, _):
        monkeypatch.setenv("no_proxy", no_proxy)
        async with through_proxy(server) as client:
            assert await asked(client) == b"hello"
    assert not heads


async def test_a_proxy_that_refuses_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not as an answer of the server."""
    async with (
        proxy(monkeypatch, refuses=True),
        answering(WHOLE, tls=server_side()) as (server, _),
        through_proxy(server, "https") as client,
    ):
        with pytest.raises(HttpFailed) as failed:
            await asked(client)
    assert failed.value.stage == "proxy"


async def test_a_proxy_of_another_kind_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be left out silently otherwise, and what people say would go another way."""
    for name in ("NO_PROXY", "no_proxy", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("https_proxy", "socks5://127.0.0.1:1080")
    with pytest.raises(HttpFailed, match="socks5"):
        async with open_http_client(HttpTarget("https://example.org", {}), connect_timeout=5):
            raise AssertionError
