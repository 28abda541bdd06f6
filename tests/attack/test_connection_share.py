"""Neither one address nor silent clients take all connections from the others."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
import trio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from tests.attack.attacked import open_attacked
from tests.server.raw_client import RawClient, connect, handshake
from tests.server.running import run_server
from trio_backend.server import ServerOptions, UpgradeRequest
from trio_backend.server.client_address import TrustedProxies, parse_address, share_of
from trio_backend.server.connection_limits import SPARE, ConnectionLimits
from trio_backend.wire import Wire

pytestmark = pytest.mark.skipif(
    sys.platform == "darwin", reason="there 127.0.0.1 is the only loopback address"
)

HALF_A_HEAD = b"GET / HTTP/1.1\r\nHost: x\r\nX-"
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


@asynccontextmanager
async def connect_from(address: str, port: int) -> AsyncIterator[RawClient]:
    """A connection from another of this machine's addresses."""
    async with await trio.open_tcp_stream("127.0.0.1", port, local_address=address) as stream:
        yield RawClient(stream)


async def check_health(port: int) -> None:
    """A request is answered, at once."""
    async with connect(port) as client:
        await client.send(HEALTH)
        assert (await client.answer()).status == 200


@pytest.mark.parametrize("said", [b"", HALF_A_HEAD], ids=["nothing", "half a head"])
@pytest.mark.parametrize("source", ["127.0.0.1", "127.0.0.2"], ids=["same address", "other address"])
async def test_half_heads_keep_no_other_out(tmp_path: Path, said: bytes, source: str) -> None:
    """Three times as many as there may be connections, opened and never finished."""
    async with (
        open_attacked(tmp_path, max_connections=60, request_head_timeout=300) as attacked,
        AsyncExitStack() as stack,
    ):
        for number in range(180):
            client = await stack.enter_async_context(connect_from(source, attacked.port))
            await client.stream.send_all(said)
            if number % 20 == 0:
                await check_health(attacked.port)
        await attacked.check_bystander()
        await check_health(attacked.port)


async def test_half_tls_handshakes_keep_no_other_out() -> None:
    """A handshake that is begun and not finished is a half head, too: see `test_tls`."""
    from tests.server.test_tls import CERTIFICATE, KEY, connect_tls

    options = ServerOptions(tls=(CERTIFICATE, KEY), max_connections=40, request_head_timeout=300)
    async with run_server(options) as running, AsyncExitStack() as stack:
        for _ in range(100):
            client = await stack.enter_async_context(connect_from("127.0.0.2", running.port))
            await client.stream.send_all(b"\x16\x03\x01\x02\x00\x01")
        async with connect_tls(running.port) as bystander:
            await bystander.send(HEALTH)
            assert (await bystander.answer()).status == 200


async def test_an_address_that_holds_its_share_keeps_no_other_out() -> None:
    """WebSockets that are well-behaved, but for their number."""
    async with run_server(ServerOptions(max_connections=40)) as running, AsyncExitStack() as stack:
        for _ in range(36):
            client = await stack.enter_async_context(connect_from("127.0.0.2", running.port))
            await client.open()
        async with connect_from("127.0.0.2", running.port) as client:
            await client.send(handshake())
            answer = await client.answer()
            assert (answer.status, b"from your address" in answer.body) == (503, True)
            assert "retry-after" in answer.headers
        await check_health(running.port)
        async with connect(running.port) as client:
            await client.open()


async def test_behind_a_trusted_proxy_each_client_has_its_share() -> None:
    """And a client that is no trusted proxy cannot claim another address."""
    options = ServerOptions(max_connections_per_address=3, trusted_proxies=("127.0.0.2", "10.0.0.0/8"))

    async def come(forwarded: str, source: str = "127.0.0.2") -> int:
        client = await stack.enter_async_context(connect_from(source, running.port))
        await client.send(handshake(fields={"X-Forwarded-For": forwarded}))
        return (await client.answer()).status

    async with run_server(options) as running, AsyncExitStack() as stack:
        assert [await come("203.0.113.7") for _ in range(3)] == [101] * 3
        assert await come("203.0.113.7") == 503
        assert await come("198.51.100.1, 203.0.113.7, 10.1.2.3") == 503
        assert await come("203.0.113.7, 198.51.100.1") == 101
        assert [await come("2001:db8::1"), await come("2001:db8::2"), await come("[2001:db8::3]:80")] == [
            101
        ] * 3
        assert await come("2001:db8:0:0:ffff::1") == 503
        assert await come("2001:db8:0:1::1") == 101
        assert [await come("nonsense") for _ in range(5)] == [101] * 5
        assert [await come("203.0.113.7", "127.0.0.1") for _ in range(5)] == [101] * 5
        await stack.aclose()
        await running.wait_connections(0)
        assert not running.server._acceptor.limits._held
        assert await come("203.0.113.7") == 101


async def test_the_application_learns_for_whom_a_trusted_proxy_asks() -> None:
    """With each request, as one connection may carry those of many; WebSockets, too."""
    heard: list[str] = []

    async def tell(request: Request) -> PlainTextResponse:
        await trio.lowlevel.checkpoint()
        assert request.client is not None
        return PlainTextResponse(request.client.host)

    async def look(_wire: Wire, request: UpgradeRequest) -> None:
        await trio.lowlevel.checkpoint()
        heard.append(request.client.rpartition(":")[0])

    async def ask(client: RawClient, forwarded: str) -> str:
        await client.send(f"GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {forwarded}\r\n\r\n".encode())
        return (await client.answer()).body.decode()

    options = ServerOptions(trusted_proxies=("127.0.0.2",))
    app = Starlette(routes=[Route("/", tell)])
    async with run_server(options, app=app, routes={"/look": look}) as running:
        async with connect_from("127.0.0.2", running.port) as client:
            assert await ask(client, "203.0.113.7") == "203.0.113.7"
            assert await ask(client, "203.0.113.7, 2001:db8::1") == "2001:db8::1"
            assert await ask(client, "nonsense") == "127.0.0.2"
        async with connect_from("127.0.0.1", running.port) as client:
            assert await ask(client, "203.0.113.7") == "127.0.0.1"
        for source in ("127.0.0.2", "127.0.0.1"):
            async with connect_from(source, running.port) as client:
                await client.send(handshake("/look", fields={"X-Forwarded-For": "203.0.113.7"}))
                assert (await client.answer()).status == 101
                await client.frame()
    assert heard == ["203.0.113.7", "127.0.0.1"]


async def test_closed_connections_are_not_counted(tmp_path: Path) -> None:
    """A hundred times the share, one after the other, in every way in which a connection can end."""
    options = ServerOptions(max_connections=10, request_head_timeout=5)
    async with run_server(options) as running:
        for number in range(100):
            async with connect(running.port) as client:
                await client.send((handshake(), HALF_A_HEAD, HEALTH, b"\0\r\n\r\n")[number % 4])
                if number % 2:
                    await client.reset()
        await running.wait_connections(0)
        limits = running.server._acceptor.limits
        assert not limits._held
        assert not limits._pending
        assert limits._pending_count == 0


def test_the_client_with_most_pending_loses_its_oldest() -> None:
    """Not those of others, and not those that have sent a request."""
    given_up: list[str] = []

    def come(client: str, name: str) -> bool:
        return limits.enter(client, 100, lambda: given_up.append(name)) is not None

    limits = ConnectionLimits(max_connections=40)
    assert come("bystander", "i0")
    spoken = limits.enter("greedy", 100, lambda: given_up.append("spoken"))
    assert spoken is not None
    spoken.request_received()
    assert all(come("greedy", f"g{number}") for number in range(30))
    assert given_up == [f"g{number}" for number in range(11)]
    assert come("bystander", "i1")
    assert given_up[-1] == "g11"
    assert limits.open == 21


def test_a_full_server_evicts_only_spare_pending_connections() -> None:
    """All connections are in use: none that has sent a request is closed for one that has not."""
    limits = ConnectionLimits(max_connections=20)
    places = [limits.enter("a", 100, lambda: None) for _ in range(20)]
    assert None not in places[:10]
    for _ in range(40):
        place = limits.enter("a", 100, lambda: None)
        if place is not None:
            place.request_received()
    while place is not None:
        place = limits.enter("b", 100, lambda: pytest.fail("it has spoken"))
        if place is not None:
            place.request_received()
    assert limits.open == 20
    assert limits.held_by("a") >= 12
    assert len(limits._pending.get("a", {})) == SPARE


@pytest.mark.parametrize(
    ("host", "client"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::"),
        ("2001:db8::ffff:0:0:1", "2001:db8::"),
        ("fe80::1%eth0", "fe80::"),
        ("a name", "a name"),
    ],
)
def test_what_counts_as_one_client(host: str, client: str) -> None:
    """Of IPv6, everybody has 2^64 addresses to choose from."""
    assert share_of(host) == client


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        ([], None),
        ([""], None),
        (["203.0.113.7"], "203.0.113.7"),
        (["203.0.113.7:4711"], "203.0.113.7"),
        (['"[2001:db8::1]:80"'], "2001:db8::1"),
        (["1.1.1.1, 203.0.113.7 , 10.0.0.1"], "203.0.113.7"),
        (["1.1.1.1", "203.0.113.7", "10.0.0.1"], "203.0.113.7"),
        (["1.1.1.1, unknown, 10.0.0.1"], None),
        (["203.0.113.7", ", ".join(["10.0.0.1"] * 5000)], None),
    ],
)
def test_whom_a_trusted_proxy_speaks_for(forwarded: list[str], client: str | None) -> None:
    """The last one that is no proxy of ours; what is left of it may be invented."""
    proxies = TrustedProxies.of(["10.0.0.0/8", "::1"])
    assert proxies.client_of("10.9.9.9", forwarded) == client
    assert proxies.client_of("203.0.113.99", forwarded) == "203.0.113.99"


def test_what_is_no_address_is_none() -> None:
    """Such as a name, and a short form."""
    assert parse_address("1.2.3") is None
    assert parse_address("localhost") is None
