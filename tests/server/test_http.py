"""HTTP over real sockets: health, the token, and connections that are kept."""

from __future__ import annotations

import pytest
import trio
from loguru import logger
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from starlette.types import Receive, Scope, Send

from tests.server.raw_client import connect
from tests.server.requests import ask, request
from tests.server.running import pages, run_server
from trio_backend.server import ServerOptions
from trio_backend.server.body_limit import MAX_BODY_SIZE, BodyLimit
from trio_backend.server.http import Folders, http_app
from trio_backend.server.http_connections import HttpConnections
from trio_backend.server.listener import ConnectionCounts


async def test_readiness_has_a_reason() -> None:
    """Alive and ready are two things."""
    app = http_app(pages(unready="the model is loading"))
    async with run_server(app=app) as running, connect(running.port) as client:
        answer = await ask(client, "/readyz")
        assert (answer.status, answer.body) == (503, b"the model is loading\n")
        assert (await ask(client, "/healthz")).status == 200


async def test_a_connection_serves_many_requests_even_sent_at_once() -> None:
    """Keep-alive and pipelining, with the first request read by us and the others by Hypercorn."""
    async with run_server() as running, connect(running.port) as client:
        await client.send(request("/healthz") * 3, request("/readyz")[:10])
        assert [(await client.answer()).body for _ in range(3)] == [b"ok\n"] * 3
        await client.send(request("/readyz")[10:])
        assert (await client.answer()).body == b"ready\n"
        assert running.server.connections == 1


async def test_connections_that_do_nothing_are_told_from_others() -> None:
    """Browsers keep some open: an operator who sees them should not think that somebody is there."""
    asked, answered = trio.Event(), trio.Event()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        asked.set()
        await answered.wait()
        await PlainTextResponse("late\n")(scope, receive, send)

    app = http_app(pages())
    app.router.routes.insert(0, Mount("/slow", slow))
    async with (
        run_server(app=app) as running,
        connect(running.port) as silent,
        connect(running.port) as kept,
        connect(running.port) as waiting,
        connect(running.port) as websocket,
    ):
        await ask(kept, "/healthz")
        await websocket.open()
        await waiting.send(request("/slow/"))
        await asked.wait()
        counts = running.server.count_connections()
        assert counts == ConnectionCounts(open=4, websockets=1, answering=1)
        assert counts.idle == 2
        answered.set()
        assert (await waiting.answer()).body == b"late\n"
        await silent.send(request("/healthz"))
        await silent.answer()
        await running.wait_idle(3)


async def test_an_idle_connection_ends_with_its_client() -> None:
    """It does not go on counting against the limit until its time is over."""
    async with run_server() as running:
        async with connect(running.port) as client:
            assert (await ask(client, "/healthz")).status == 200
        await running.wait_connections(0)


@pytest.mark.parametrize(
    ("fields", "behind"),
    [
        ("Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n", b"\x81\x80????"),
        ("Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: !\r\n", b""),
    ],
)
async def test_a_kept_connection_stays_plain_http(fields: str, behind: bytes) -> None:
    """Upgrades that come later than the first request are ignored: Hypercorn would fail on these."""
    async with run_server() as running:
        async with connect(running.port) as client:
            assert (await ask(client, "/healthz")).status == 200
            assert (await ask(client, "/healthz", fields=fields)).body == b"ok\n"
            await client.send(behind)
        async with connect(running.port) as client:
            await client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\x00\x00\x03\x04\x00\x00\x00\x00\x00???")
            await client.lost()
        await running.wait_connections(0)


async def test_with_a_token_only_public_paths_need_none(folders: Folders) -> None:
    """Each request is asked for it, not only the first one of a connection; routes of tomorrow too."""
    app, options = http_app(pages(folders)), ServerOptions(access_token="secret")
    app.router.routes.insert(0, Route("/tomorrow", PlainTextResponse("a secret")))
    async with run_server(options, app=app) as running, connect(running.port) as client:
        for path in ("/healthz", "/", "/app.js", "/status/"):
            assert (await ask(client, path)).status == 200
        for path in (
            "/tomorrow",
            "/bg/sea.jpg",
            "/readyz",
            "/live2d-models/info",
            "/avatars/mao.svg",
            "/cache/1.wav",
        ):
            answer = await ask(client, path)
            assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
            assert (await ask(client, f"{path}?token=secret")).status == 200
            assert (await ask(client, path, fields="Authorization: Bearer secret\r\n")).status == 200
            assert (await ask(client, f"{path}?token=guess")).status == 401


@pytest.mark.parametrize("path", ["//bg/sea.jpg", "/./bg/sea.jpg", "/x/../bg/sea.jpg", "/%2e/bg/sea.jpg"])
async def test_no_other_spelling_of_a_path_gets_around_the_token(folders: Folders, path: str) -> None:
    """The router decides which paths are the front end's, for access as for serving."""
    app, options = http_app(pages(folders)), ServerOptions(access_token="secret")
    async with run_server(options, app=app) as running, connect(running.port) as client:
        answer = await ask(client, path)
        assert answer.status in (401, 404)
        assert answer.body != b"0123456789"


async def test_a_body_over_the_limit_is_refused() -> None:
    """Whether it says so beforehand or not."""
    async with run_server() as running, connect(running.port) as client:
        answer = await ask(
            client, "/healthz", method="POST", fields=f"Content-Length: {MAX_BODY_SIZE + 1}\r\n"
        )
        assert answer.status == 413
        await client.ended()


async def test_a_body_that_grows_over_the_limit_is_refused() -> None:
    """Chunks announce nothing: they are counted while they are read."""

    async def read_all(_scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async with run_server(app=BodyLimit(read_all, limit=10)) as running:
        for size, status in ((5, 200), (6, 413)):
            async with connect(running.port) as client:
                await client.send(request("/", method="POST", fields="Transfer-Encoding: chunked\r\n"))
                await client.send(b"5\r\nhello\r\n", b"%d\r\n" % size, b"x" * size, b"\r\n0\r\n\r\n")
                assert (await client.answer()).status == status


async def test_a_wrong_request_is_answered_400() -> None:
    """What is no HTTP goes no further."""
    async with run_server() as running, connect(running.port) as client:
        await client.send(b"GET /bg/\xff HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await client.answer()).status == 400
        await client.lost()


async def test_an_application_that_fails_answers_500() -> None:
    """And the server goes on; its log says where, and not what the exception says, which may be a secret."""
    lines: list[str] = []

    async def broken(_scope: object, _receive: object, _send: object) -> None:
        await trio.lowlevel.checkpoint()
        raise RuntimeError("a bug")

    sink = logger.add(lines.append, level="ERROR", diagnose=False)
    try:
        async with run_server(app=broken) as running:
            for _ in range(2):
                async with connect(running.port) as client:
                    assert (await ask(client, "/")).status == 500
    finally:
        logger.remove(sink)
    assert len(lines) == 2
    assert "in broken" in lines[0]


def test_hypercorn_has_what_we_override() -> None:
    """What we use of it is not documented: the attributes are there, and the log is ours."""
    config = HttpConnections(http_app(pages()), 20)._config
    assert config.h11_max_incomplete_size == 16 * 1024
    assert config.keep_alive_timeout > 0
    assert config.log.error_logger is not None
    assert not config.log.error_logger.handlers
