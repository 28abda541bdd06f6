"""The opening handshake over real sockets: which requests are accepted, and how others are refused."""

from __future__ import annotations

import pytest
import trio
from loguru import logger

from tests.server.raw_client import TEXT, connect, connect_websocket, frame, handshake
from tests.server.running import run_server
from trio_backend.server import ServerOptions, UpgradeRequest
from trio_backend.server.acceptor import MAX_REASONS_LOGGED
from trio_backend.server.responses import MAX_HEAD_SIZE
from trio_backend.wire import Wire


async def test_the_answer_proves_that_the_key_was_read() -> None:
    """RFC 6455, section 1.3 has this very key and its answer."""
    async with run_server() as running, connect(running.port) as client:
        await client.send(handshake())
        answer = await client.answer()
        assert answer.status == 101
        assert answer.headers["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        assert answer.headers["upgrade"].lower() == "websocket"
        assert answer.headers["connection"].lower() == "upgrade"


@pytest.mark.parametrize(
    "fields",
    [
        {"Upgrade": "WebSocket"},
        {"Connection": "keep-alive, Upgrade"},
        {"Connection": "upgrade"},
        {"Origin": "http://127.0.0.1:5173"},
        {"User-Agent": "ümlaut"},
    ],
)
async def test_what_browsers_and_proxies_vary_is_accepted(fields: dict[str, str | None]) -> None:
    """Section 4.2.1: tokens are compared without regard to case, and lists are lists."""
    async with run_server() as running, connect(running.port) as client:
        await client.send(handshake(fields=fields))
        assert (await client.answer()).status == 101


async def test_neither_compression_nor_a_subprotocol_is_agreed_on() -> None:
    """permessage-deflate costs 10 ms per sentence of sound and 340 kB per connection."""
    offers: dict[str, str | None] = {
        "Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits",
        "Sec-WebSocket-Protocol": "chat, superchat",
    }
    async with run_server() as running, connect(running.port) as client:
        await client.send(handshake(fields=offers))
        answer = await client.answer()
        assert answer.status == 101
        assert "sec-websocket-extensions" not in answer.headers
        assert "sec-websocket-protocol" not in answer.headers


@pytest.mark.parametrize(
    ("status", "request_bytes"),
    [
        pytest.param(400, handshake(fields={"Sec-WebSocket-Key": None}), id="no key"),
        pytest.param(400, handshake(fields={"Sec-WebSocket-Key": "c2hvcnQ="}), id="short key"),
        pytest.param(400, handshake(fields={"Sec-WebSocket-Key": "not base64!"}), id="no base64"),
        pytest.param(400, handshake(fields={"Sec-WebSocket-Version": None}), id="no version"),
        pytest.param(400, handshake(fields={"Host": None}), id="no host"),
        pytest.param(400, handshake(fields={"Bad Name": "x"}), id="no header name"),
        pytest.param(400, handshake(line="GET /echo"), id="no version of HTTP"),
        pytest.param(400, handshake(line="GET /ech\xf6 HTTP/1.1"), id="no ASCII path"),
        pytest.param(403, handshake(fields={"Origin": "https://evil.example"}), id="foreign page"),
        pytest.param(404, handshake("/nowhere"), id="no such path"),
        pytest.param(405, handshake(line="POST /echo HTTP/1.1"), id="POST"),
        pytest.param(426, handshake(fields={"Sec-WebSocket-Version": "8"}), id="version 8"),
        pytest.param(426, handshake(fields={"Connection": "close"}), id="no Connection: Upgrade"),
        pytest.param(431, handshake(fields={"X": "x" * 9000}), id="long line"),
        pytest.param(505, handshake(line="GET /echo HTTP/1.0"), id="HTTP/1.0"),
    ],
)
async def test_a_bad_request_is_answered_and_closed(status: int, request_bytes: bytes) -> None:
    """Section 4.2.1 and 4.4: an HTTP error, with a text that says what is wrong, and no more."""
    async with run_server() as running:
        async with connect(running.port) as client:
            await client.send(request_bytes, frame(TEXT, b"early"))
            answer = await client.answer()
            assert answer.status == status
            assert answer.body
            assert answer.headers["connection"] == "close"
            await client.ended()
        await running.wait_connections(0)


@pytest.mark.parametrize(
    ("origin", "entry"), [("https://evil.example", "'https://evil.example'"), ("null", "'null'")]
)
async def test_the_refusal_of_a_page_says_what_would_allow_it(origin: str, entry: str) -> None:
    """The word or the origin to write, and where."""
    async with run_server() as running, connect(running.port) as client:
        await client.send(handshake(fields={"Origin": origin}))
        text = (await client.answer()).body.decode()
        assert f"add {entry} to system_config.allowed_origins" in text


async def test_the_log_says_once_why_a_page_was_refused() -> None:
    """Browsers tell neither the page nor the person. A client that asks again and again fills no log."""
    lines: list[str] = []
    sink = logger.add(lines.append, level="WARNING", format="{message}")
    try:
        async with run_server() as running:
            for number in (1, 1, *range(100)):
                async with connect(running.port) as client:
                    await client.send(handshake(fields={"Origin": f"https://evil{number}.example"}))
                    await client.answer()
    finally:
        logger.remove(sink)
    assert sum("'https://evil1.example'" in line for line in lines) == 1
    assert len(lines) == MAX_REASONS_LOGGED


async def test_a_client_of_another_version_is_told_ours() -> None:
    """Section 4.4: the answer lists the versions that the server speaks."""
    async with run_server() as running, connect(running.port) as client:
        await client.send(handshake(fields={"Sec-WebSocket-Version": "8"}))
        assert (await client.answer()).headers["sec-websocket-version"] == "13"


@pytest.mark.parametrize(
    ("status", "path", "fields"),
    [
        (401, "/echo", {}),
        (401, "/echo?token=wrong", {}),
        (401, "/echo?token=", {}),
        (401, "/echo", {"Authorization": "Bearer wrong"}),
        (401, "/echo", {"Authorization": "Basic secret"}),
        (101, "/echo?room=a&token=secret", {}),
        (101, "/echo", {"Authorization": "Bearer secret"}),
        (101, "/echo", {"authorization": "bearer secret"}),
    ],
)
async def test_the_access_token_opens(status: int, path: str, fields: dict[str, str | None]) -> None:
    """By query, as browsers cannot add headers to a WebSocket, or by header."""
    async with run_server(ServerOptions(access_token="secret")) as running, connect(running.port) as client:
        await client.send(handshake(path, fields=fields))
        assert (await client.answer()).status == status


async def test_the_handler_gets_the_request_without_its_secrets() -> None:
    """Handlers get neither the token nor the Authorization header, so they cannot log them."""
    seen: list[UpgradeRequest] = []

    async def look(_wire: Wire, request: UpgradeRequest) -> None:
        seen.append(request)
        await trio.lowlevel.checkpoint()

    options = ServerOptions(access_token="secret")
    async with run_server(options, routes={"/a room": look}) as running:
        async with connect(running.port) as client:
            fields: dict[str, str | None] = {"Authorization": "Bearer secret", "X-Name": "Ann"}
            await client.send(handshake("/a%20room?room=B%20c&empty=&token=secret", fields=fields))
            assert (await client.answer()).status == 101
            name = client.stream.socket.getsockname()  # type: ignore[attr-defined]
        await running.wait_connections(0)
    [request] = seen
    assert request.path == "/a room"
    assert request.query == {"room": "B c", "empty": ""}
    assert request.headers["x-name"] == "Ann"
    assert request.client == f"127.0.0.1:{name[1]}"
    assert "secret" not in str(list(request.headers.values()))


async def test_a_head_that_never_ends_is_dropped_in_time() -> None:
    """Slowloris: a byte now and then does not buy more time."""
    async with (
        run_server(ServerOptions(request_head_timeout=0.2)) as running,
        connect(running.port) as client,
    ):
        began = trio.current_time()
        with trio.move_on_after(5):
            for byte in handshake():
                try:
                    await client.send(bytes([byte]))
                except trio.BrokenResourceError:
                    break
                await trio.sleep(0.02)
        assert trio.current_time() - began < 3
        await running.wait_connections(0)


async def test_a_slow_head_is_told_why_it_was_dropped() -> None:
    """408, if the client has sent something, and may read it."""
    async with (
        run_server(ServerOptions(request_head_timeout=0.1)) as running,
        connect(running.port) as client,
    ):
        await client.send(b"GET / HTTP/1.1\r\nHost")
        assert (await client.answer()).status == 408


async def test_a_silent_connection_is_closed_without_an_answer() -> None:
    """Browsers open connections in advance; an answer to no question would confuse them."""
    async with (
        run_server(ServerOptions(request_head_timeout=0.1)) as running,
        connect(running.port) as client,
    ):
        await client.ended()


async def test_a_head_that_is_too_large_is_refused() -> None:
    """A head has 16 kB, however many headers share them."""
    async with run_server() as running, connect(running.port) as client:
        await client.send(b"GET / HTTP/1.1\r\n", *(b"X-%d: x\r\n" % n for n in range(MAX_HEAD_SIZE // 8)))
        assert (await client.answer()).status == 431
        await client.ended()


@pytest.mark.parametrize(
    "garbage", [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"\r\n\r\n", b"\x00" * 20_000]
)
async def test_a_request_that_is_no_http_only_ends_its_connection(garbage: bytes) -> None:
    """TLS to a plain port, port scanners, and worse."""
    async with run_server() as running, connect_websocket(running.port) as other:
        async with connect(running.port) as client:
            await client.send(garbage)
            await client.lost()
        await other.send(frame(TEXT, b"still here"))
        assert await other.message() == "still here"


async def test_connections_over_the_limit_are_refused_with_503() -> None:
    """Those inside are not disturbed, and the next one gets in as soon as one has left."""
    async with run_server(ServerOptions(max_connections=1)) as running:
        async with connect_websocket(running.port) as inside:
            async with connect(running.port) as outside:
                # Bytes left unread would reset the connection, and the answer would be lost.
                await outside.send(handshake(), b"x" * 3_000_000)
                answer = await outside.answer()
                assert answer.status == 503
                assert "retry-after" in answer.headers
                await outside.ended()
            await inside.send(frame(TEXT, b"still here"))
            assert await inside.message() == "still here"
        await running.wait_connections(0)
        async with connect_websocket(running.port) as client:
            await client.send(frame(TEXT, b"my turn"))
            assert await client.message() == "my turn"
