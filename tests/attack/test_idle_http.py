"""A connection ends when it should, whatever was fetched on it: idle, asked to close, or cut."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest
import trio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from starlette.types import Receive, Scope, Send

from tests.attack.attacked import errors_logged
from tests.server.raw_client import RawClient, connect
from tests.server.running import NOWHERE, pages, run_server
from trio_backend.server import http_connections
from trio_backend.server.http import Folders, http_app


@attrs.frozen
class Fetch:
    """A request, and the status of its answer; an answer to HEAD has no body."""

    path: str
    status: int
    method: str = "GET"
    fields: str = ""

    def encode(self, *, close: bool = False) -> bytes:
        fields = self.fields + ("Connection: close\r\n" if close else "")
        return f"{self.method} {self.path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{fields}\r\n".encode()

    async def answered(self, client: RawClient) -> None:
        answer = await client.answer(body=self.method != "HEAD" and self.status != 304)
        if answer.status == 100:
            answer = await client.answer()
        assert answer.status == self.status


FETCHES = {
    "page": Fetch("/", 200),
    "page, HEAD": Fetch("/", 200, "HEAD"),
    "file": Fetch("/bg/sea.jpg", 200),
    "file, HEAD": Fetch("/bg/sea.jpg", 200, "HEAD"),
    "large file": Fetch("/bg/large.jpg", 200),
    "empty file": Fetch("/bg/empty.jpg", 200),
    "unchanged": Fetch("/bg/sea.jpg", 304, fields="If-Modified-Since: Fri, 01 Jan 2100 00:00:00 GMT\r\n"),
    "range": Fetch("/bg/sea.jpg", 206, fields="Range: bytes=2-3\r\n"),
    "ranges": Fetch("/bg/sea.jpg", 206, fields="Range: bytes=0-1, 4-5\r\n"),
    "impossible range": Fetch("/bg/sea.jpg", 416, fields="Range: bytes=90-\r\n"),
    "malformed range": Fetch("/bg/sea.jpg", 400, fields="Range: lines=1-2\r\n"),
    "no such file": Fetch("/bg/none.jpg", 404),
    "JSON": Fetch("/live2d-models/info", 200),
    "text": Fetch("/healthz", 200),
    "redirect": Fetch("/status", 307),
    "preflight": Fetch(
        "/bg/sea.jpg", 200, "OPTIONS", "Origin: http://x\r\nAccess-Control-Request-Method: GET\r\n"
    ),
    "wrong method": Fetch("/healthz", 405, "DELETE"),
    "body that nobody reads": Fetch("/healthz", 405, "POST", "Content-Length: 0\r\n"),
    "100-continue": Fetch("/healthz", 200, fields="Expect: 100-continue\r\n"),
}


@pytest.fixture
def site(tmp_path: Path) -> Starlette:
    """The HTTP side, with a folder of three files."""
    for name, data in {"sea": b"0123456789", "large": b"x" * 1_000_000, "empty": b""}.items():
        (tmp_path / f"{name}.jpg").write_bytes(data)
    return http_app(pages(Folders(NOWHERE, tmp_path, NOWHERE, NOWHERE)))


@pytest.mark.parametrize("fetch", FETCHES.values(), ids=FETCHES)
async def test_an_idle_connection_is_closed(
    site: Starlette, fetch: Fetch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Silence after an answer is bounded, and does not hold a place for ever."""
    monkeypatch.setattr(http_connections, "KEEP_ALIVE", 0.1)
    async with run_server(app=site) as running, connect(running.port) as client:
        await client.send(fetch.encode())
        await fetch.answered(client)
        await client.ended()
        await running.wait_connections(0)


@pytest.mark.parametrize("fetch", FETCHES.values(), ids=FETCHES)
async def test_a_connection_closes_when_the_client_asks_for_that(site: Starlette, fetch: Fetch) -> None:
    """RFC 9112, 9.6: the answer is the last one."""
    async with run_server(app=site) as running, connect(running.port) as client:
        await client.send(fetch.encode(close=True))
        await fetch.answered(client)
        await client.ended()
        await running.wait_connections(0)


@pytest.mark.parametrize(
    "body",
    [
        "Content-Length: 1000\r\n\r\nx",
        "Content-Length: 1000\r\nExpect: 100-continue\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n",
        "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n",
        "Transfer-Encoding: chunked\r\nTrailer: X\r\n\r\n0\r\nX: ",
    ],
)
@pytest.mark.parametrize("first", ["GET /healthz", "POST /healthz", "GET /bg/sea.jpg", "HEAD /bg/none.jpg"])
async def test_a_body_that_never_ends_holds_no_connection(site: Starlette, first: str, body: str) -> None:
    """The application does not read it, so it is not waited for: the answer comes, and then the end."""
    async with run_server(app=site) as running, connect(running.port) as client:
        await client.send(f"{first} HTTP/1.1\r\nHost: x\r\n{body}".encode())
        await client.lost()
        await running.wait_connections(0)


@pytest.mark.parametrize("begun", [b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\nX: "])
async def test_the_next_head_has_the_idle_time_to_arrive(
    site: Starlette, begun: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A byte now and then does not buy more of it."""
    monkeypatch.setattr(http_connections, "KEEP_ALIVE", 0.3)

    async def trickle(client: RawClient) -> None:
        while True:
            await client.stream.send_all(b"x")
            await trio.sleep(0.05)

    async with run_server(app=site) as running, connect(running.port) as client:
        await client.send(FETCHES["file"].encode(), begun)
        await FETCHES["file"].answered(client)
        with pytest.raises(trio.BrokenResourceError), trio.fail_after(5):
            await trickle(client)
        await running.wait_connections(0)


@pytest.mark.parametrize("fetch", FETCHES.values(), ids=FETCHES)
async def test_a_connection_serves_on_after_every_answer(site: Starlette, fetch: Fetch) -> None:
    """Requests that are sent at once, and one that comes later, all on one connection."""
    text = FETCHES["text"]
    async with run_server(app=site) as running, connect(running.port) as client:
        await client.send(fetch.encode(), fetch.encode(), text.encode())
        for expected in (fetch, fetch, text):
            await expected.answered(client)
        await client.send(text.encode())
        await text.answered(client)
        assert running.server.connections == 1


async def test_a_connection_whose_request_failed_is_closed() -> None:
    """Before its answer began, with 500; in the middle of it, in the middle of it."""

    async def at_once(_request: Request) -> PlainTextResponse:
        await trio.lowlevel.checkpoint()
        raise RuntimeError

    async def half_way(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-length", b"10")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"12345", "more_body": True})
        raise RuntimeError

    app = Starlette(routes=[Route("/at-once", at_once), Mount("/half-way", half_way)])
    with errors_logged() as errors:
        async with run_server(app=app) as running:
            async with connect(running.port) as client:
                await client.send(Fetch("/at-once", 500).encode(close=True))
                assert (await client.answer()).status == 500
                await client.ended()
            async with connect(running.port) as client:
                await client.send(Fetch("/half-way/", 200).encode())
                await client.lost()
            await running.wait_connections(0)
    assert len(errors) == 2


async def test_an_application_that_never_reads_the_body_holds_no_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The queue in front of it is full when it ends, so that it cannot be told."""
    monkeypatch.setattr(http_connections, "RECYCLE_TIMEOUT", 0.1)

    async def deaf(scope: Scope, receive: Receive, send: Send) -> None:
        await trio.testing.wait_all_tasks_blocked(0.05)
        await PlainTextResponse("no")(scope, receive, send)

    async with run_server(app=deaf) as running, connect(running.port) as client:
        await client.send(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        await client.send(b"1\r\nx\r\n" * 1_000)
        assert (await client.answer()).status == 200
        await client.lost()
        await running.wait_connections(0)


async def test_a_hundred_silent_clients_who_fetched_a_file_hold_no_place(
    site: Starlette, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of them are gone when their idle time is over, without any further traffic."""
    monkeypatch.setattr(http_connections, "KEEP_ALIVE", 0.5)
    async with run_server(app=site) as running, trio.open_nursery() as nursery:

        async def fetch_and_be_silent() -> None:
            async with connect(running.port) as client:
                await client.send(FETCHES["file"].encode())
                await FETCHES["file"].answered(client)
                await client.ended()

        for _ in range(100):
            nursery.start_soon(fetch_and_be_silent)
