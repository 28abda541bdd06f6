"""The HTTP side over real sockets: files, health, the front page, and what is kept from leaving."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
from starlette.types import Receive, Scope, Send

from tests.server.raw_client import TEXT, Answer, RawClient, connect, connect_websocket, frame
from tests.server.running import NOWHERE, pages, run_server
from trio_backend.server import ServerOptions
from trio_backend.server.body_limit import MAX_BODY_SIZE, BodyLimit
from trio_backend.server.http import Folders, http_app
from trio_backend.server.http_connections import HttpConnections


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    """A house with a file in each room, and a secret outside."""
    found = Folders(
        *(tmp_path / name for name in ("live2d-models", "backgrounds", "avatars", "cache", "frontend"))
    )
    files = {
        found.live2d_models / "mao" / "mao.model3.json": b"{}",
        found.live2d_models / "mao" / "index.html": b"<script>alert(1)</script>",
        found.backgrounds / "sea.jpg": b"0123456789",
        found.avatars / "mao.svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        found.avatars / "notes.txt": b"private",
        found.cache / "1.wav": b"RIFF",
        tmp_path / "secret.txt": b"secret",
    }
    assert found.frontend is not None
    files[found.frontend / "index.html"] = b"<h1>front end</h1>"
    files[found.frontend / "app.js"] = b"run()"
    for path, data in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (found.backgrounds / "escape.jpg").symlink_to(tmp_path / "secret.txt")
    (found.backgrounds / "out").symlink_to(tmp_path)
    return found


def request(path: str, *, method: str = "GET", fields: str = "") -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{fields}\r\n".encode("latin-1")


async def ask(client: RawClient, path: str, *, method: str = "GET", fields: str = "") -> Answer:
    await client.send(request(path, method=method, fields=fields))
    return await client.answer(body=method != "HEAD")


async def fetch(folders: Folders, path: str, *, method: str = "GET", fields: str = "") -> Answer:
    """One request to a server with these folders."""
    async with run_server(app=http_app(pages(folders))) as running, connect(running.port) as client:
        return await ask(client, path, method=method, fields=fields)


@pytest.mark.parametrize(
    ("path", "kind", "body"),
    [
        ("/live2d-models/mao/mao.model3.json", "application/json", b"{}"),
        ("/bg/sea.jpg", "image/jpeg", b"0123456789"),
        ("/avatars/mao.svg", "image/svg+xml", b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
        ("/", "text/html; charset=utf-8", b"<h1>front end</h1>"),
        ("/app.js", "text/javascript; charset=utf-8", b"run()"),
        ("/healthz", "text/plain; charset=utf-8", b"ok\n"),
        ("/readyz", "text/plain; charset=utf-8", b"ready\n"),
    ],
)
async def test_what_is_there_is_served_with_its_type(
    folders: Folders, path: str, kind: str, body: bytes
) -> None:
    """Each file comes under its URL, with a type that browsers need not guess."""
    answer = await fetch(folders, path)
    assert (answer.status, answer.headers["content-type"], answer.body) == (200, kind, body)


@pytest.mark.parametrize(
    "path",
    [
        "/bg/../../secret.txt",
        "/bg/%2e%2e/%2e%2e/secret.txt",
        "/bg/..%2f..%2fsecret.txt",
        "/bg/..%5c..%5csecret.txt",
        "/bg/%2fetc/passwd",
        "//etc/passwd",
        "/bg//etc/passwd",
        "/bg/escape.jpg",
        "/bg/out/secret.txt",
        "/bg/sea.jpg%00.png",
        "/bg/" + "x" * 300,
        "/bg/",
        "/bg",
        "/live2d-models/mao/",
        "/avatars/notes.txt",
        "/avatars/..%2fsecret.txt",
        "/missing.js",
        "/../secret.txt",
    ],
)
async def test_what_is_not_meant_to_be_seen_is_404(folders: Folders, path: str) -> None:
    """No way out of a folder, no listing of one, and only pictures among the avatars."""
    answer = await fetch(folders, path)
    assert answer.status == 404
    assert b"secret" not in answer.body


@pytest.mark.parametrize("path", ["/bg/sea.jpg", "/live2d-models/x", "/avatars/mao.svg", "/cache/1.wav"])
async def test_folders_that_do_not_exist_are_empty(path: str) -> None:
    """A fresh install has no cache and no backgrounds."""
    assert (await fetch(Folders(NOWHERE, NOWHERE, NOWHERE, NOWHERE, NOWHERE), path)).status == 404


async def test_a_front_end_that_does_not_exist_is_404() -> None:
    """The server runs all the same."""
    assert (await fetch(Folders(NOWHERE, NOWHERE, NOWHERE, NOWHERE, NOWHERE), "/")).status == 404


@pytest.mark.parametrize(
    "path",
    [
        "/live2d-models/info",
        "/live2d-models/mao/mao.model3.json",
        "/bg/sea.jpg",
        "/avatars/mao.svg",
        "/cache/1.wav",
    ],
)
async def test_pages_of_any_origin_may_use_models_and_sounds(folders: Folders, path: str) -> None:
    """With a preflight, which browsers send before requests with headers of their own."""
    async with run_server(app=http_app(pages(folders))) as running, connect(running.port) as client:
        answer = await ask(client, path, fields="Origin: https://pet.example\r\n")
        assert (answer.status, answer.headers["access-control-allow-origin"]) == (200, "*")
        answer = await ask(
            client,
            path,
            method="OPTIONS",
            fields="Origin: https://pet.example\r\nAccess-Control-Request-Method: GET\r\n"
            "Access-Control-Request-Headers: authorization, range\r\n",
        )
        assert (answer.status, answer.headers["access-control-allow-origin"]) == (200, "*")
        assert "authorization" in answer.headers["access-control-allow-headers"]


async def test_a_range_is_served_as_a_range(folders: Folders) -> None:
    """Players ask for parts of a sound."""
    answer = await fetch(folders, "/bg/sea.jpg", fields="Range: bytes=2-4\r\n")
    assert (answer.status, answer.headers["content-range"], answer.body) == (206, "bytes 2-4/10", b"234")
    assert (await fetch(folders, "/bg/sea.jpg", fields="Range: bytes=99-\r\n")).status == 416


async def test_a_file_that_has_not_changed_is_not_sent_again(folders: Folders) -> None:
    """`no-cache` makes browsers ask; the tag makes the answer small."""
    async with run_server(app=http_app(pages(folders))) as running, connect(running.port) as client:
        first = await ask(client, "/bg/sea.jpg")
        assert first.headers["cache-control"] == "no-cache"
        again = await ask(client, "/bg/sea.jpg", fields=f"If-None-Match: {first.headers['etag']}\r\n")
        assert (again.status, again.body) == (304, b"")


@pytest.mark.parametrize("path", ["/bg/sea.jpg", "/healthz", "/live2d-models/info", "/"])
async def test_head_says_the_same_without_a_body(folders: Folders, path: str) -> None:
    """The next answer on the connection begins right behind the head."""
    async with run_server(app=http_app(pages(folders))) as running, connect(running.port) as client:
        got = await ask(client, path)
        head = await ask(client, path, method="HEAD")
        assert (head.status, head.headers["content-length"]) == (200, got.headers["content-length"])
        assert (await ask(client, "/healthz")).body == b"ok\n"


@pytest.mark.parametrize("path", ["/bg/sea.jpg", "/healthz", "/live2d-models/info", "/"])
async def test_nothing_can_be_written(folders: Folders, path: str) -> None:
    """There is nothing to POST to."""
    assert (await fetch(folders, path, method="POST", fields="Content-Length: 0\r\n")).status == 405


@pytest.mark.parametrize("path", ["/avatars/mao.svg", "/live2d-models/mao/index.html"])
async def test_files_cannot_run_scripts(folders: Folders, path: str) -> None:
    """A picture that somebody uploaded, opened as a page, must not act in our name."""
    headers = (await fetch(folders, path)).headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "sandbox" in headers["content-security-policy"]
    assert "script-src" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"


async def test_without_a_front_end_a_page_says_that_the_backend_runs() -> None:
    """And who speaks, with names that cannot become markup."""
    async with run_server() as running, connect(running.port) as client:
        answer = await ask(client, "/")
        assert answer.status == 200
        text = answer.body.decode()
        assert "&lt;b&gt;Mao&lt;/b&gt;" in text
        assert "<b>Mao" not in text
        assert "/client-ws" in text
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert (await ask(client, "/elsewhere")).status == 404


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


async def test_where_a_token_is_configured_only_health_is_free(folders: Folders) -> None:
    """Each request is asked for it, not only the first one of a connection."""
    app, options = http_app(pages(folders)), ServerOptions(access_token="secret")
    async with run_server(options, app=app) as running, connect(running.port) as client:
        assert (await ask(client, "/healthz")).status == 200
        for path in ("/", "/bg/sea.jpg", "/readyz", "/live2d-models/info"):
            answer = await ask(client, path)
            assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
            assert (await ask(client, f"{path}?token=secret")).status == 200
            assert (await ask(client, path, fields="Authorization: Bearer secret\r\n")).status == 200
            assert (await ask(client, f"{path}?token=guess")).status == 401


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


async def test_a_browser_that_reads_slowly_delays_nobody(folders: Folders) -> None:
    """A large download stands still; the page of the others comes at once, and so does their echo."""
    big = folders.backgrounds / "big.jpg"
    big.write_bytes(b"x" * 20_000_000)
    async with run_server(app=http_app(pages(folders))) as running, connect(running.port) as slow:
        await slow.send(request("/bg/big.jpg"))
        await slow.stream.receive_some(100)
        async with connect(running.port) as client, connect_websocket(running.port) as other:
            with trio.fail_after(1):
                assert (await ask(client, "/healthz")).status == 200
                await other.send(frame(TEXT, b"hello"))
                assert await other.message() == "hello"


async def test_a_download_that_nobody_reads_is_given_up(folders: Folders) -> None:
    """Hypercorn would wait for ever."""
    (folders.backgrounds / "big.jpg").write_bytes(b"x" * 20_000_000)
    options = ServerOptions(send_timeout=0.2)
    async with run_server(options, app=http_app(pages(folders))) as running, connect(running.port) as slow:
        await slow.send(request("/bg/big.jpg"))
        await running.wait_connections(1)
        await running.wait_connections(0)


async def test_an_application_that_fails_answers_500(caplog: pytest.LogCaptureFixture) -> None:
    """And the server goes on."""

    async def broken(_scope: object, _receive: object, _send: object) -> None:
        await trio.lowlevel.checkpoint()
        raise RuntimeError("a bug")

    async with run_server(app=broken) as running:
        for _ in range(2):
            async with connect(running.port) as client:
                assert (await ask(client, "/")).status == 500
    assert "a bug" in caplog.text


def test_hypercorn_is_as_we_know_it() -> None:
    """What we use of it is not documented: the attributes are there, and the log is ours."""
    config = HttpConnections(http_app(pages()), 20)._config
    assert config.h11_max_incomplete_size == 16 * 1024
    assert config.keep_alive_timeout > 0
    assert config.log.error_logger is not None
    assert not config.log.error_logger.handlers
