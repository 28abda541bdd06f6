"""Files over real sockets: what is served, to whom, and what is kept from leaving."""

from __future__ import annotations

import pytest
import trio

from tests.server.raw_client import TEXT, connect, connect_websocket, frame
from tests.server.requests import ask, fetch, request
from tests.server.running import NOWHERE, pages, run_server
from trio_backend.server import ServerOptions
from trio_backend.server.http import Folders, http_app


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
async def test_private_files_are_404(folders: Folders, path: str) -> None:
    """No way out of a folder, no listing of one, and only pictures among the avatars."""
    answer = await fetch(folders, path)
    assert answer.status == 404
    assert b"secret" not in answer.body


@pytest.mark.parametrize("path", ["/bg/sea.jpg", "/live2d-models/x", "/avatars/mao.svg", "/cache/1.wav"])
async def test_folders_that_do_not_exist_are_empty(path: str) -> None:
    """A fresh install has no cache and no backgrounds."""
    assert (await fetch(Folders(NOWHERE, NOWHERE, NOWHERE, NOWHERE, NOWHERE), path)).status == 404


async def test_where_no_front_end_is_named_ours_is_served() -> None:
    """With a policy that allows no script from elsewhere, whatever is said in a conversation."""
    ours = Folders(NOWHERE, NOWHERE, NOWHERE, NOWHERE)
    page = await fetch(ours, "/")
    assert b'src="main.js"' in page.body
    assert "script-src 'self';" in page.headers["content-security-policy"]
    assert "unsafe" not in page.headers["content-security-policy"]
    assert (await fetch(ours, "/main.js")).headers["content-type"].startswith("text/javascript")


async def test_the_operators_page_is_there_beside_any_front_end(folders: Folders) -> None:
    """With the style that it shares with our page; the token that it was asked for with is kept."""
    answer = await fetch(folders, "/status?token=a%26b")
    assert (answer.status, answer.headers["location"]) == (307, "/status/?token=a%26b")
    assert b"status.js" in (await fetch(folders, "/status/")).body
    assert (await fetch(folders, "/status/look.css")).status == 200


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
    ],
)
async def test_pages_of_any_origin_may_use_models_and_pictures(folders: Folders, path: str) -> None:
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
    """An uploaded picture that is opened as a page must not act in the name of our origin."""
    headers = (await fetch(folders, path)).headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "sandbox" in headers["content-security-policy"]
    assert "script-src" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"


async def test_a_browser_that_reads_slowly_delays_no_other(folders: Folders) -> None:
    """A large download stands still; the page of the others comes at once, and so does their echo."""
    big = folders.backgrounds / "big.jpg"
    big.write_bytes(b"x" * 20_000_000)
    async with run_server(app=http_app(pages(folders))) as running, connect(running.port) as slow:
        await slow.send(request("/bg/big.jpg"))
        await slow.stream.receive_some(100)
        async with connect(running.port) as client, connect_websocket(running.port) as other:
            with trio.fail_after(15):
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
