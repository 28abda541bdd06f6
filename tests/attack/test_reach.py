"""Finding 14: access to each route, with the token and without, from here and elsewhere."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import pytest

from tests.attack.uploads import BOUNDARY, asr_server, connect_from_address, form, sound
from tests.server.raw_client import handshake

TOKEN = "open sesame"
BODY = form(sound("hello"))
HERE = "localhost"
FOREIGN = "https://evil.example"

# What proxies add. One of them is enough.
FORWARDED = [
    "Forwarded: for=10.0.0.7",
    "Via: 1.1 proxy",
    "X-Forwarded-For: 10.0.0.7",
    "X-Forwarded-Host: talk.example.org",
    "X-Forwarded-Proto: https",
    "X-Forwarded-Prefix: /talk",
    "X-Forwarded: for=10.0.0.7",
    "X-Real-IP: 10.0.0.7",
    "X-Client-IP: 10.0.0.7",
    "X-Cluster-Client-IP: 10.0.0.7",
    "X-Original-Forwarded-For: 10.0.0.7",
    "X-Original-URI: /metrics",
    "X-Envoy-External-Address: 10.0.0.7",
    "X-Scheme: https",
    "X-Request-ID: 1",
    "X-Amzn-Trace-Id: 1",
    "CF-Connecting-IP: 10.0.0.7",
    "CF-Ray: 1",
    "CDN-Loop: cloudflare",
    "True-Client-IP: 10.0.0.7",
    "Fastly-Client-IP: 10.0.0.7",
    "Fly-Client-IP: 10.0.0.7",
    "Tailscale-User-Login: somebody",
    "Client-IP: 10.0.0.7",
]
INSIDE = ("/debug/tasks", "/debug/addresses", "/metrics")


@attrs.frozen
class Asking:
    """How a request is sent. ``peer`` is the client's address."""

    host: str = HERE
    peer: str = "127.0.0.1"
    origin: str = ""
    token: str = ""
    fields: tuple[str, ...] = ()
    version: str = "1.1"

    def head(self, path: str, *, method: str = "GET", fields: tuple[str, ...] = ()) -> bytes:
        """The head of the request."""
        query = f"?token={self.token.replace(' ', '%20')}" if self.token and not self.fields else ""
        bearer = f"Authorization: Bearer {self.token}" if self.token and self.fields else ""
        origin = f"Origin: {self.origin}" if self.origin else ""
        lines = [
            f"{method} {path}{query} HTTP/{self.version}",
            f"Host: {self.host}",
            origin,
            bearer,
            *self.fields,
            *fields,
        ]
        return "\r\n".join([*filter(None, lines), "", ""]).encode()


@asynccontextmanager
async def server(folder: Path, **system: object) -> AsyncIterator[int]:
    """A server with all of its routes; to it, other addresses of this machine are other machines."""
    (folder / "cache").mkdir(exist_ok=True)
    async with asr_server(folder, None, enable_proxy=True, **system) as port:
        (folder / "cache" / "a.wav").write_bytes(b"RIFF")
        yield port


async def status(port: int, path: str, asking: Asking) -> int:
    """The answer of ``path`` to such a request."""
    async with connect_from_address(port, asking.peer) as client:
        if path.endswith("-ws"):
            upgrade = handshake("/x").split(b"\r\n")[2:-2]
            await client.send(asking.head(path, fields=tuple(line.decode() for line in upgrade)))
        elif path == "/asr":
            kind = (f"Content-Type: multipart/form-data; boundary={BOUNDARY}", f"Content-Length: {len(BODY)}")
            await client.send(asking.head(path, method="POST", fields=kind), BODY)
        else:
            await client.send(asking.head(path))
        return (await client.answer()).status


PUBLIC = {"/": 200, "/main.js": 200, "/status/": 200, "/healthz": 200}
FILES = {"/live2d-models/info": 200, "/bg/none.jpg": 404, "/avatars/none.png": 404, "/readyz": 200}
WEBSOCKETS = ("/client-ws", "/proxy-ws", "/tts-ws")
TALK = {**dict.fromkeys(WEBSOCKETS, 101), "/asr": 200}
LOOK = dict.fromkeys(INSIDE, 200)
HEARD = {"/cache/a.wav": 200}


OPEN = {**PUBLIC, **FILES}
USE = {**OPEN, **TALK, **HEARD}
ALL = {**USE, **LOOK}


def only(table: Mapping[str, int], refusal: int) -> dict[str, int]:
    """What ``table`` says, and ``refusal`` for all other paths."""
    return {path: table.get(path, refusal) for path in ALL}


@pytest.mark.parametrize(
    ("token", "asking", "expected"),
    [
        # Nothing is asked for: all who can connect may talk, and this machine may look.
        ("", Asking(), ALL),
        ("", Asking(origin="http://localhost"), ALL),
        ("", Asking(origin="http://localhost:5173"), only(USE, 403)),
        ("", Asking(origin=FOREIGN), only(OPEN, 403)),
        ("", Asking(host="rebound.example", origin="http://rebound.example"), only(OPEN, 403)),
        ("", Asking(host="10.0.0.7"), only(USE, 403)),
        ("", Asking(fields=("X-Forwarded-For: 10.0.0.7",)), only(USE, 403)),
        # The wrong token where none is asked for changes nothing.
        ("", Asking(token="x"), ALL),
        # With a token: it opens everything but to foreign pages, and nothing else opens anything.
        (TOKEN, Asking(), only(PUBLIC, 401)),
        (TOKEN, Asking(token="open"), only(PUBLIC, 401)),
        (TOKEN, Asking(token=TOKEN), ALL),
        (TOKEN, Asking(token=TOKEN, fields=("Via: 1.1 a",)), ALL),
        (TOKEN, Asking(token=TOKEN, host="talk.example"), ALL),
        (TOKEN, Asking(token=TOKEN, origin=FOREIGN), only({**OPEN, **LOOK}, 403)),
        (TOKEN, Asking(origin=FOREIGN), only({**PUBLIC, **dict.fromkeys(WEBSOCKETS, 403)}, 401)),
    ],
)
async def test_access_to_each_route(
    tmp_path: Path, token: str, asking: Asking, expected: Mapping[str, int]
) -> None:
    """Every route has a row in the table."""
    async with server(tmp_path, access_token=token) as port:
        found = {path: await status(port, path, asking) for path in expected}
    assert found == expected


async def test_no_proxy_shows_what_is_inside(tmp_path: Path) -> None:
    """Whatever it adds; and a plain one that adds nothing speaks HTTP/1.0, or closes each connection."""
    async with server(tmp_path) as port:
        for path in INSIDE:
            assert await status(port, path, Asking()) == 200
            browser = ("Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: cors", "Accept-Language: en", "DNT: 1")
            assert await status(port, path, Asking(fields=browser)) == 200
            for field in (
                *FORWARDED,
                "Connection: close",
                "Sec-Fetch-Site: cross-site",
                "Sec-Fetch-Site: same-site",
            ):
                assert await status(port, path, Asking(fields=(field,))) == 403, field
            assert await status(port, path, Asking(version="1.0")) == 403


@pytest.mark.parametrize(
    "host",
    [
        "rebound.example",
        "10.0.0.7",
        "kiosk.local",
        "localhost.evil.example",
        "evil.example@localhost",
        "localhost:80:80",
        "127.0.0.1.evil.example",
    ],
)
async def test_a_name_that_is_not_this_machines_shows_nothing(tmp_path: Path, host: str) -> None:
    """DNS rebinding, and names that only begin or end like ours."""
    async with server(tmp_path) as port:
        for path in INSIDE:
            assert await status(port, path, Asking(host=host)) == 403


@pytest.mark.parametrize(
    "origins",
    [
        ["*"],
        ["same-host", "https://talk.example.org"],
        ["localhost", "capacitor://localhost", "http://10.0.0.7"],
    ],
)
async def test_where_pages_come_from_elsewhere_only_the_token_shows_it(
    tmp_path: Path, origins: list[str]
) -> None:
    """Where a public page is listed, a proxy may forward it, perhaps without a trace."""
    async with server(tmp_path, allowed_origins=tuple(origins)) as port:
        for path in INSIDE:
            assert await status(port, path, Asking()) == 403
    async with server(tmp_path, allowed_origins=tuple(origins), access_token=TOKEN) as port:
        for path in INSIDE:
            assert await status(port, path, Asking(token=TOKEN)) == 200


async def test_the_configuration_may_show_it_to_all(tmp_path: Path) -> None:
    """The metrics alone, or everything; but to no client without the token, where there is one."""
    elsewhere = Asking(host="10.0.0.7", fields=("Via: 1.1 proxy",))
    async with server(tmp_path, metrics_for_all=True) as port:
        assert [await status(port, path, elsewhere) for path in INSIDE] == [403, 403, 200]
    async with server(tmp_path, debug=True) as port:
        assert [await status(port, path, elsewhere) for path in INSIDE] == [200, 200, 200]
    async with server(tmp_path, debug=True, metrics_for_all=True, access_token=TOKEN) as port:
        assert [await status(port, path, elsewhere) for path in INSIDE] == [401, 401, 401]
    async with server(tmp_path, metrics=False) as port:
        assert [await status(port, path, Asking()) for path in INSIDE] == [200, 200, 404]
