"""Finding 16: only web pages of this machine are "localhost", and only as browsers write them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.attack.uploads import asr_server, form, head, sound
from tests.server.raw_client import connect, handshake

PATHS = ("/client-ws", "/proxy-ws", "/tts-ws")

LET_IN = [
    None,
    "http://localhost",
    "http://localhost:5173",
    "https://localhost:8443",
    "http://127.0.0.1:3000",
    "http://[::1]:3000",
    "file://",
    "capacitor://kiosk",
]
KEPT_OUT = [
    "capacitor://localhost",
    "tauri://localhost",
    "app://localhost",
    "ionic://localhost",
    "https://localhost",
    "http://tauri.localhost",
    "http://evil.com@localhost",
    "http://evil.com:80@localhost:80",
    "http://localhost/",
    "http://localhost#.evil.com",
    "http://localhost?.evil.com",
    "http://localhost\\.evil.com",
    "http://localhost:80:80",
    "http://localhost, http://evil.com",
    "http://localhost http://evil.com",
    "//localhost",
    "localhost",
    "capacitor://kiosk2",
    "capacitor://kiosk:1",
    "https://kiosk",
    "null",
    "https://evil.example",
]


@pytest.fixture
async def port(tmp_path: Path) -> AsyncIterator[int]:
    """A server that lets one application in, besides the usual pages."""
    origins = ("same-host", "localhost", "file", "capacitor://kiosk")
    async with asr_server(tmp_path, allowed_origins=origins, enable_proxy=True) as found:
        yield found


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_only_listed_origins_are_allowed(port: int, host: str) -> None:
    """The same for every WebSocket and for POST /asr."""
    body = form(sound("hello"))
    for origin in (*LET_IN, *KEPT_OUT):
        good = origin in LET_IN
        fields: dict[str, str | None] = {"Host": f"{host}:{port}", "Origin": origin}
        for path in PATHS:
            async with connect(port) as client:
                await client.send(handshake(path, fields=fields))
                assert (await client.answer()).status == (101 if good else 403), (path, origin)
        async with connect(port) as client:
            line = [f"Origin: {origin}"] if origin else []
            asked = head(len(body), *line).replace(b"Host: 127.0.0.1", f"Host: {host}:{port}".encode())
            await client.send(asked, body)
            assert (await client.answer()).status == (200 if good else 403), origin


async def test_a_name_that_was_pointed_at_us_is_not_ours(port: int) -> None:
    """DNS rebinding: the page's own name in Host and in Origin."""
    for path in PATHS:
        async with connect(port) as client:
            fields = {"Host": f"rebound.example:{port}", "Origin": f"http://rebound.example:{port}"}
            await client.send(handshake(path, fields=fields))
            assert (await client.answer()).status == 403
