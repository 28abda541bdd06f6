"""Finding 15: whatever answers, no foreign page may frame it, guess its type, or learn its address."""

from __future__ import annotations

import attrs
import pytest
from starlette.routing import Mount, Route

from tests.attack.uploads import head
from tests.server.raw_client import Answer, connect, handshake
from tests.server.requests import request
from tests.server.running import pages, run_server
from tests.server.test_debug_routes import DEBUG_ROUTES
from trio_backend.audio.pcm import Pcm
from trio_backend.server import ServerOptions
from trio_backend.server.fair_queue import FairQueue
from trio_backend.server.http import Folders, HttpContent, http_app
from trio_backend.server.responses import FULL, TOO_LARGE, TOO_SLOW, Refusal
from trio_backend.server.transcription import Transcription


async def no_asr(_pcm: Pcm) -> str:
    raise NotImplementedError


def everything(folders: Folders | None = None) -> HttpContent:
    """Content for all routes that there are."""
    transcription = Transcription(no_asr, 60, FairQueue(1, 1, 1), 1, ())
    return attrs.evolve(pages(folders), debug=DEBUG_ROUTES, transcription=transcription, body_timeout=0.2)


def paths() -> list[str]:
    """The paths of all routes; of folders also those of files that are not there, or not to be seen."""
    found = []
    for route in http_app(everything()).routes:
        if isinstance(route, Route):
            found.append(route.path)
        else:
            assert isinstance(route, Mount)
            found += [f"{route.path}/", f"{route.path}/missing", f"{route.path}/.env"]
    return found


def is_safe(answer: Answer, *, framed_by: str = "") -> bool:
    """Whether ``answer`` carries all of it."""
    listed = f" {framed_by}" if framed_by else ""
    assert answer.headers["x-content-type-options"] == "nosniff", answer
    assert answer.headers["referrer-policy"] == "no-referrer", answer
    policies = [part.strip() for part in answer.headers["content-security-policy"].split(";")]
    assert policies.count(f"frame-ancestors 'self'{listed}") == 1, answer
    assert answer.headers.get("x-frame-options") == (None if framed_by else "SAMEORIGIN"), answer
    return True


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS"])
@pytest.mark.parametrize("token", ["", "secret"])
async def test_every_route_answers_safely(folders: Folders, method: str, token: str) -> None:
    """Whatever it answers: a file, JSON, 401, 403, 404, 405, 307."""
    assert {"/metrics", "/asr", "/missing", "/bg/.env"} <= set(paths())
    statuses = set()
    async with run_server(ServerOptions(access_token=token), app=http_app(everything(folders))) as running:
        for path in paths():
            async with connect(running.port) as client:
                await client.send(request(path, method=method, fields="Content-Length: 0\r\n"))
                answer = await client.answer(body=method != "HEAD")
                assert is_safe(answer)
                statuses.add(answer.status)
    assert len(statuses) > 1


async def test_an_unchanged_file_and_a_part_of_one_too(folders: Folders) -> None:
    """304 and 206."""
    async with run_server(app=http_app(pages(folders))) as running:
        async with connect(running.port) as client:
            await client.send(request("/bg/sea.jpg"))
            tag = (await client.answer()).headers["etag"]
        for fields, status in ((f"If-None-Match: {tag}\r\n", 304), ("Range: bytes=2-4\r\n", 206)):
            async with connect(running.port) as client:
                await client.send(request("/bg/sea.jpg", fields=fields))
                answer = await client.answer()
                assert answer.status == status
                assert is_safe(answer)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /bg/\xff HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: %s\r\n\r\n" % (b"x" * 60_000), 431),
        (request("/asr", method="POST", fields="Content-Length: 99999999999\r\n"), 413),
        (head(1000), 408),
        (handshake("/nowhere"), 404),
        (handshake(fields={"Origin": "https://evil.example"}), 403),
        (handshake(fields={"Sec-WebSocket-Version": "12"}), 426),
        (handshake(fields={"Host": None}), 400),
        (handshake(fields={"Sec-WebSocket-Key": "x"}), 400),
    ],
)
async def test_errors_and_refusals_are_safe(sent: bytes, status: int) -> None:
    """Those that our application gives, those of Hypercorn, and those that are written by hand."""
    async with run_server(app=http_app(everything())) as running, connect(running.port) as client:
        await client.send(sent)
        answer = await client.answer()
        assert answer.status == status
        assert is_safe(answer)


@pytest.mark.parametrize("refusal", [FULL, TOO_LARGE, TOO_SLOW], ids=str)
def test_refusals_have_them_too(refusal: Refusal) -> None:
    """Before anybody read what they want."""
    sent = refusal.encode().decode().lower()
    assert "x-content-type-options: nosniff\r\n" in sent
    assert "frame-ancestors 'self'" in sent
    assert "referrer-policy: no-referrer\r\n" in sent


async def test_an_application_that_fails_is_safe() -> None:
    """Its 500 comes from Hypercorn."""

    async def broken(_scope: object, _receive: object, _send: object) -> None:
        raise RuntimeError("a bug")

    async with run_server(app=broken) as running, connect(running.port) as client:
        await client.send(request("/"))
        answer = await client.answer()
        assert answer.status == 500
        assert is_safe(answer)


async def test_listed_pages_may_frame_ours() -> None:
    """They may talk to the server anyway; no word of ``allowed_origins`` lets a page in."""
    options = ServerOptions(allowed_origins=("*", "same-host", "https://home.example:8123/", "null"))
    async with run_server(options) as running, connect(running.port) as client:
        await client.send(request("/"))
        assert is_safe(await client.answer(), framed_by="https://home.example:8123")
