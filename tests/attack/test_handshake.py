"""A request's head, however wrong, ends its own connection and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from tests.attack.attacked import errors_logged, open_attacked
from tests.server.raw_client import TEXT, connect, frame, handshake
from tests.server.running import run_server
from tests.server.test_tls import CERTIFICATE, KEY, connect_tls
from trio_backend.server import ServerOptions
from trio_backend.server.authentication import AccessToken
from trio_backend.server.handshake import HEAD_END, Upgrade, asks_for_websocket, read_upgrade
from trio_backend.server.responses import Refusal

# What `new WebSocket("ws://127.0.0.1:12393//[")` sends, whatever page it is on.
FROM_ANY_PAGE = b"GET //[ HTTP/1.1\r\nHost: x\r\nOrigin: https://evil.example\r\nUpgrade: websocket\r\n\r\n"
HEADS = {
    "brackets": FROM_ANY_PAGE,
    "scoped": handshake("//[::zz]/client-ws"),
    "absolute": handshake(line="GET http://[ HTTP/1.1"),
    "absolute, scoped": handshake(line="GET ws://[::zz]/client-ws HTTP/1.1"),
    "NFKC": handshake("//\u2100".encode().decode("latin-1")),
    "percent": handshake("//%5B%zz%"),
    "host": handshake("/client-ws", fields={"Host": "["}),
    "origin": handshake("/client-ws", fields={"Origin": "http://["}),
    "origin of bytes": handshake("/client-ws", fields={"Origin": "http://\xff\x9b"}),
    "token of bytes": handshake("/client-ws", fields={"Authorization": "Bearer \xff\xed\xa0\x80"}),
    "token of surrogates": handshake("/client-ws?token=%ED%A0%80"),
}
LOCKS: dict[str, dict[str, object]] = {
    "open": {},
    "token": {"access_token": "secret"},
    "no origins": {"allowed_origins": ()},
}


@pytest.mark.parametrize("lock", LOCKS)
async def test_no_head_ends_the_server(tmp_path: Path, lock: str) -> None:
    """Neither from a client without a token, nor from a page that may not connect."""
    async with run_server(
        ServerOptions(**LOCKS[lock]),  # type: ignore[arg-type]
    ) as running:
        with errors_logged() as errors:
            for head in HEADS.values():
                async with connect(running.port) as client:
                    await client.send(head)
                    await client.lost()
        token = "?token=secret" if lock == "token" else ""
        async with connect(running.port) as bystander:
            await bystander.send(handshake(f"/echo{token}"), frame(TEXT, b"still here"))
            assert (await bystander.answer()).status == 101
            assert await bystander.message() == "still here"
    assert errors == []


async def test_a_page_cannot_end_the_conversation_of_another(tmp_path: Path) -> None:
    """All heads at a whole server; a client in the middle of a conversation notices nothing."""
    async with open_attacked(tmp_path) as attacked:
        with errors_logged() as errors:
            for head in HEADS.values():
                async with attacked.connect() as client:
                    await client.send(head)
                    assert (await client.answer()).status in (101, 400, 403, 404, 426)
        await attacked.check_bystander()
        assert await attacked.bugs() == {}
    assert errors == []


async def test_no_head_ends_the_server_over_tls() -> None:
    """The same bytes, encrypted."""
    options = ServerOptions(tls=(CERTIFICATE, KEY))
    async with run_server(options) as running:
        for head in HEADS.values():
            async with connect_tls(running.port) as client:
                await client.send(head)
                assert (await client.answer()).status >= 400
        async with connect_tls(running.port) as bystander:
            await bystander.send(handshake(), frame(TEXT, b"still here"))
            assert (await bystander.answer()).status == 101
            assert await bystander.message() == "still here"


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ("GET ws://127.0.0.1/echo HTTP/1.1", 101),
        ("GET HTTP://127.0.0.1/echo?token=x HTTP/1.1", 101),
        ("GET http://127.0.0.1 HTTP/1.1", 404),
        ("GET //127.0.0.1/echo HTTP/1.1", 404),
        ("GET /nowhere?://x/echo HTTP/1.1", 404),
        ("GET ftp://127.0.0.1/echo HTTP/1.1", 404),
    ],
)
async def test_a_target_is_a_path_or_a_whole_address(line: str, status: int) -> None:
    """RFC 9112, 3.2: origin-form and absolute-form. What begins with two slashes is a path."""
    async with run_server() as running, connect(running.port) as client:
        await client.send(handshake(line=line))
        assert (await client.answer()).status == status


# Bytes that mean something to parsers of heads and of addresses.
PIECES = st.sampled_from(
    [b"/", b"//", b"[", b"]", b"@", b":", b"?", b"#", b"%", b"%ff", b"http://", b"ws://", b"*", b"\xff"]
)
TARGETS = st.lists(PIECES | st.binary(max_size=4), max_size=8).map(b"".join)
NAMES = st.sampled_from(
    b"Host Origin Authorization Upgrade Connection Sec-WebSocket-Key Sec-WebSocket-Version "
    b"Sec-WebSocket-Extensions Sec-WebSocket-Protocol X-Forwarded-For".split()
)
LINES = st.tuples(NAMES | st.binary(max_size=5), TARGETS).map(b": ".join)


@st.composite
def heads(draw: st.DrawFn) -> bytes:
    """Heads that ask for a WebSocket, more or less."""
    first = b"GET " + draw(st.just(b"/echo") | TARGETS) + b" HTTP/1.1"
    usual = [b"Host: x", b"Upgrade: websocket", b"Connection: Upgrade"]
    usual += [b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", b"Sec-WebSocket-Version: 13"]
    kept = [line for line in usual if draw(st.integers(0, 9))]
    return b"\r\n".join([first, *kept, *draw(st.lists(LINES, max_size=4))]) + HEAD_END


@given(
    received=heads() | st.binary(max_size=300).map(lambda data: data + HEAD_END),
    token=st.sampled_from(["", "secret"]),
    origins=st.sampled_from([(), ("*",), ("same-host", "localhost", "file")]),
)
def test_every_head_has_an_answer(received: bytes, token: str, origins: tuple[str, ...]) -> None:
    """Whatever the bytes: an answer that can be sent, and never an exception."""
    asks_for_websocket(received)
    attempt = read_upgrade(received, paths=("/echo",), origins=origins, client="203.0.113.7:1")
    answer: Upgrade | Refusal
    if isinstance(attempt, Refusal):
        answer = attempt
    else:
        user = trio.run(AccessToken(token).identify, attempt.credentials)
        answer = user if isinstance(user, Refusal) else attempt.accept(user)
    if isinstance(answer, Refusal):
        head, _, body = answer.encode().partition(HEAD_END)
        assert head.startswith((b"HTTP/1.1 4", b"HTTP/1.1 5"))
        assert body
    else:
        assert isinstance(answer, Upgrade)
        assert answer.request.path == "/echo"
        str(answer.request.headers).encode()
