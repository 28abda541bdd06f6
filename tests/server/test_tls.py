"""TLS: the same port, the same answers, and clear words about a certificate that does not work."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from tests.server.raw_client import CLOSE, TEXT, RawClient, close_frame, connect, frame, handshake
from tests.server.running import pages, run_server
from trio_backend.errors import ConfigError
from trio_backend.server import Server, ServerOptions
from trio_backend.server.http import http_app

# Self-signed for localhost, made for these tests, valid for a century.
CERTIFICATE = Path(__file__).parent / "tls" / "certificate.pem"
KEY = Path(__file__).parent / "tls" / "key.pem"


@asynccontextmanager
async def connect_tls(port: int) -> AsyncIterator[RawClient]:
    """A connection on which the certificate has been checked."""
    trusting = ssl.create_default_context(cafile=CERTIFICATE)
    stream = await trio.open_ssl_over_tcp_stream(
        "localhost", port, ssl_context=trusting, https_compatible=True
    )
    async with stream:
        yield RawClient(stream)


def options(**changes: float) -> ServerOptions:
    return ServerOptions(tls=(CERTIFICATE, KEY), **changes)  # type: ignore[arg-type]


async def test_websockets_and_pages_are_served_over_tls() -> None:
    """Large messages too, whose send takes several steps."""
    async with run_server(options()) as running:
        async with connect_tls(running.port) as client:
            await client.send(handshake(), frame(TEXT, b"x" * 300_000))
            assert (await client.answer()).status == 101
            assert await client.message() == "x" * 300_000
            await client.send(close_frame(1000))
            assert await client.frame() == (0x80 | CLOSE, b"\x03\xe8")
        async with connect_tls(running.port) as client:
            for _ in range(2):
                await client.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
                assert (await client.answer()).body == b"ok\n"
        await running.wait_connections(0)


async def test_a_client_without_tls_is_disconnected() -> None:
    """And a client that opens a connection and says nothing, in time."""
    async with run_server(options(request_head_timeout=0.2)) as running:
        async with connect(running.port) as client, connect(running.port) as silent:
            await client.send(handshake())
            await client.lost()
            await silent.lost()
        await running.wait_connections(0)


async def test_the_end_comes_in_time_over_tls() -> None:
    """A client that reads nothing gets neither more time nor a close frame."""
    async with run_server(options()) as running, connect_tls(running.port) as client:
        await client.send(handshake("/pour"))
        await trio.sleep(0.1)
        with trio.fail_after(15):
            report = await running.stop()
    assert report.closed_websockets == 1


@pytest.mark.parametrize(
    ("certificate", "key", "message"),
    [
        (KEY, KEY, "cannot use the TLS certificate"),
        (Path("no such file"), KEY, "no such file"),
    ],
)
def test_a_certificate_that_cannot_be_used_is_an_error(certificate: Path, key: Path, message: str) -> None:
    """Before the first client comes, and with the file's name."""
    wrong = ServerOptions(tls=(certificate, key))
    with pytest.raises(ConfigError, match=message):
        Server(wrong, {}, http_app(pages()))


@pytest.mark.parametrize(
    ("head", "location"),
    [
        (
            b"GET /page/?token=a%20b HTTP/1.1\r\nHost: 192.168.1.5:12393",
            "https://192.168.1.5:12393/page/?token=a%20b",
        ),
        (b"HEAD / HTTP/1.1\r\nHost: kiosk.local", "https://kiosk.local/"),
        (b"GET / HTTP/1.1\r\nAccept: *\r\nhost: [::1]:8443", "https://[::1]:8443/"),
        # What is no address is not repeated.
        (b"GET / HTTP/1.1", ""),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b", ""),
        (b"GET / HTTP/1.1\r\nHost: a/evil", ""),
        (b"GET /\nSet-Cookie:x HTTP/1.1\r\nHost: a", ""),
        (b"GET /\xe9 HTTP/1.1\r\nHost: a", ""),
        (b"GET //evil.example/%0d HTTP/1.1\r\nHost: a", "https://a//evil.example/%0d"),
        (b"GET http://evil.example/ HTTP/1.1\r\nHost: a", ""),
        (b"POST /asr HTTP/1.1\r\nHost: a", ""),
        (b"GET /client-ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket", ""),
        (b"nonsense", ""),
    ],
)
async def test_plain_http_is_told_where_to_go(head: bytes, location: str) -> None:
    """A page is found by who types its address; all others get a sentence, and the connection is closed."""
    async with run_server(options()) as running, connect(running.port) as client:
        # In pieces, of which the first is a single byte.
        await client.send(head[:1])
        await trio.sleep(0.01)
        await client.send(head[1:] + b"\r\n\r\n")
        answer = await client.answer()
        assert (answer.status, answer.headers.get("location", "")) == (307 if location else 400, location)
        assert b"HTTPS" in answer.body
        assert answer.headers["referrer-policy"] == "no-referrer"
        await client.ended()


async def test_plain_http_that_does_not_come_is_not_waited_for() -> None:
    """Half a head is answered when its time is over; one that is too long at once."""
    async with run_server(options(request_head_timeout=0.2)) as running:
        async with connect(running.port) as slow, connect(running.port) as long:
            await slow.send(b"GET / HT")
            await long.send(b"GET /" + b"x" * 20_000)
            assert (await long.answer()).status == 431
            assert (await slow.answer()).status == 408
        await running.wait_connections(0)


async def test_a_handshake_that_stops_ends_in_time(autojump_clock: MockClock) -> None:
    """The whole of it has one deadline: the first byte gains no more time."""
    # The kernel is given a moment to bring what was sent.
    autojump_clock.autojump_threshold = 0.05
    async with run_server(options(request_head_timeout=10)) as running:
        began = trio.current_time()
        async with connect(running.port) as client:
            client.timeout = 100
            await trio.sleep(6)
            await client.send(b"\x16\x03\x01")
            await client.lost()
        assert trio.current_time() - began == pytest.approx(10)
