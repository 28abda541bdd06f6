"""The WebSocket client for services: messages, pings, closing, and servers that break the rules."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import cast

import attrs
import pytest
import trio
from websockets.client import ClientProtocol
from websockets.frames import Close, Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from tests.engines.test_http import TLS, proxy, server_side
from tests.engines.websocket_server import (
    Speaking,
    Spoken,
    accepted,
    breaking_off,
    hanging,
    open_websocket_service,
    refusing,
    silent,
)
from tests.promptness import PROMPTLY
from trio_backend.engines import websocket
from trio_backend.engines.http_answer import HttpConnection
from trio_backend.engines.http_target import HttpTarget
from trio_backend.engines.websocket import EngineSocket, find_websocket_server
from trio_backend.engines.wyoming import WyomingLink
from trio_backend.errors import HttpFailed, UpgradeRefused, WireClosed


@asynccontextmanager
async def connected(behaviour: Speaking) -> AsyncIterator[tuple[EngineSocket, Spoken]]:
    """A WebSocket to a service that behaves like that, and what the service sees."""
    async with open_websocket_service(behaviour) as service:
        target = HttpTarget(service.url.replace("ws", "http"), {"X-Key": "k"}, use_proxy=False)
        server = await find_websocket_server(target, connect_timeout=0.5)
        async with server.open("talk?x=1") as socket:
            yield socket, service.connections[0]


async def attempt(behaviour: Speaking) -> None:
    """Only connect."""
    async with open_websocket_service(behaviour) as service:
        target = HttpTarget(service.url.replace("ws", "http"), {}, use_proxy=False)
        server = await find_websocket_server(target, connect_timeout=0.3)
        failure: Exception | None = None
        try:
            async with server.open(""):
                pass
        except (HttpFailed, UpgradeRefused) as error:
            failure = error
    # Outside of the server's nursery, which would put it into a group.
    if failure is not None:
        raise failure


def piece(opcode: Opcode, data: bytes, *, fin: bool) -> bytes:
    """A frame as a server sends it."""
    return Frame(opcode, data, fin).serialize(mask=False)


@accepted
async def echo(spoken: Spoken) -> None:
    """Say what is heard."""
    while True:
        await spoken.say(str(await spoken.hear()))


async def test_messages_go_both_ways() -> None:
    """Texts and bytes, in order; the request has the path, its query and the headers."""
    async with connected(echo) as (socket, spoken):
        for message in ("Grüße 🎈", b"\0\xff"):
            await socket.send(message)
            assert await socket.receive() == str(message)
        assert (spoken.path, spoken.headers["x-key"]) == ("/talk?x=1", "k")
    with trio.fail_after(PROMPTLY):
        await spoken.left.wait()


async def test_leaving_says_goodbye() -> None:
    """With a close frame, so that no service takes it for a fault."""
    async with connected(silent) as (_, spoken):
        pass
    with trio.fail_after(PROMPTLY):
        await spoken.left.wait()
    assert spoken.close_code == 1000


async def test_a_message_in_pieces_is_one() -> None:
    """Whatever comes between the pieces, and however the bytes are cut."""

    @accepted
    async def pieces(spoken: Spoken) -> None:
        data = piece(Opcode.TEXT, "hé".encode()[:2], fin=False) + piece(Opcode.PING, b"?", fin=True)
        data += piece(Opcode.CONT, "hé".encode()[2:], fin=True) + piece(Opcode.BINARY, b"x", fin=True)
        for at in range(len(data)):
            await spoken.stream.send_all(data[at : at + 1])

    async with connected(pieces) as (socket, _):
        assert await socket.receive() == "hé"
        assert await socket.receive() == b"x"


async def test_a_ping_is_answered_while_a_message_is_waited_for() -> None:
    """Services close a connection that does not answer; also one that came with the handshake's answer."""

    async def asking(spoken: Spoken) -> None:
        await spoken.accept(pings=True)
        while not spoken.pongs:
            with trio.move_on_after(0.01):
                await spoken.hear()
        for _ in range(3):
            await spoken.ping()
        await spoken.say("you are there")

    async with connected(asking) as (socket, _):
        with trio.fail_after(5):
            assert await socket.receive() == "you are there"


async def test_the_servers_close_is_told() -> None:
    """With its code and reason, after all that came before it."""

    @accepted
    async def close(spoken: Spoken) -> None:
        await spoken.say("last")
        await spoken.close(4001, "no more")

    async with connected(close) as (socket, _):
        assert await socket.receive() == "last"
        for _again in range(2):
            with pytest.raises(WireClosed) as closed:
                await socket.receive()
            assert (closed.value.code, closed.value.reason) == (4001, "no more")
        with pytest.raises(WireClosed):
            await socket.send("too late")


async def test_a_silent_server_is_asked_for_a_sign_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that answers pings may be silent; one that does not is gone."""
    monkeypatch.setattr(websocket, "SILENCE", 0.1)

    @accepted
    async def patient(spoken: Spoken) -> None:
        with trio.move_on_after(0.5):
            await spoken.until_gone()
        await spoken.say("at last")

    @accepted
    async def dead(spoken: Spoken) -> None:
        await trio.sleep_forever()

    with trio.fail_after(5):
        async with connected(patient) as (socket, _):
            assert await socket.receive() == "at last"
        async with connected(dead) as (socket, _):
            with pytest.raises(HttpFailed) as failed:
                await socket.receive()
            assert failed.value.stage == "silent"


async def test_a_server_that_takes_nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also by a send of which half was taken; and two tasks may send."""
    monkeypatch.setattr(websocket, "SEND_TIMEOUT", 0.3)

    @accepted
    async def deaf(spoken: Spoken) -> None:
        await trio.sleep_forever()

    failed: list[str] = []

    async def send(socket: EngineSocket) -> None:
        try:
            while True:
                await socket.send(bytes(2**20))
        except HttpFailed as error:
            failed.append(error.stage)

    async with connected(deaf) as (socket, _):
        with trio.fail_after(5):
            async with trio.open_nursery() as nursery:
                for _task in range(2):
                    nursery.start_soon(send, socket)
    assert "timeout" in failed
    assert set(failed) <= {"timeout", "broken"}


async def test_frames_of_two_tasks_are_not_torn() -> None:
    """Large messages of two tasks, and pongs of a third."""

    @accepted
    async def asking(spoken: Spoken) -> None:
        while len(spoken.heard) < 20:
            spoken.protocol.send_ping(b"?")
            await spoken.flush()
            await spoken.hear()
        await spoken.say("enough")

    async def send(socket: EngineSocket, letter: str) -> None:
        for _ in range(10):
            await socket.send(letter * 100_000)

    async with connected(asking) as (socket, spoken):
        with trio.fail_after(10):
            async with trio.open_nursery() as nursery:
                for letter in "ab":
                    nursery.start_soon(send, socket, letter)
                assert await socket.receive() == "enough"
    assert sorted(message[:1] for message in spoken.heard) == ["a"] * 10 + ["b"] * 10
    assert {len(message) for message in spoken.heard} == {100_000}


@attrs.define(eq=False)
class ClosedInCancel:
    """A stream whose other task was cancelled first, and has closed it."""

    scope: trio.CancelScope

    async def receive_some(self, _most: int | None = None) -> bytes:
        """Bytes had come, but the socket is gone."""
        await trio.lowlevel.checkpoint()
        self.scope.cancel()
        raise trio.ClosedResourceError


class ClosedAndGone:
    """A stream that brings a close frame, and takes no answer to it."""

    async def receive_some(self, _most: int | None = None) -> bytes:
        """The close frame."""
        await trio.lowlevel.checkpoint()
        return Frame(Opcode.CLOSE, Close(1000, "").serialize()).serialize(mask=False)

    async def send_all(self, _data: bytes) -> None:
        """Nobody is there."""
        await trio.lowlevel.checkpoint()
        raise trio.BrokenResourceError


async def test_the_close_of_a_server_that_is_gone_counts() -> None:
    """Services close when all is said; that the answer to it cannot be sent is no failure."""
    connection = SimpleNamespace(stream=ClosedAndGone(), close=lambda: None)
    protocol = ClientProtocol(parse_uri("ws://x"), state=State.OPEN)
    with pytest.raises(WireClosed) as closed:
        await EngineSocket(cast(HttpConnection, connection), protocol).receive()
    assert closed.value.code == 1000


async def test_what_the_server_said_last_can_be_read() -> None:
    """A send that fails does not close the connection: the reason may have come."""
    closed: list[bool] = []
    connection = SimpleNamespace(stream=ClosedAndGone(), close=lambda: closed.append(True))
    socket = EngineSocket(
        cast(HttpConnection, connection), ClientProtocol(parse_uri("ws://x"), state=State.OPEN)
    )
    with pytest.raises(HttpFailed):
        await socket.send("sound")
    assert not closed
    with pytest.raises(WireClosed):
        await socket.receive()


async def test_a_cancel_is_no_failure_of_the_connection() -> None:
    """Whichever of the two tasks is woken first: who interrupts must not read that it broke off."""

    def websocket(connection: HttpConnection) -> EngineSocket:
        return EngineSocket(connection, ClientProtocol(parse_uri("ws://x"), state=State.OPEN))

    links: list[Callable[[HttpConnection], EngineSocket | WyomingLink]] = [websocket, WyomingLink]
    for link in links:
        with trio.CancelScope() as scope:
            connection = cast(HttpConnection, SimpleNamespace(stream=ClosedInCancel(scope)))
            await link(connection).receive()
        assert scope.cancelled_caught


async def test_tls_is_spoken_where_the_address_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """In both directions at once; and a cancel closes the connection, without TLS's own goodbye."""
    monkeypatch.setenv("SSL_CERT_FILE", str(TLS / "certificate.pem"))
    async with open_websocket_service(echo, tls=server_side()) as service:
        target = HttpTarget(f"https://localhost:{service.port}", {}, use_proxy=False)
        server = await find_websocket_server(target, connect_timeout=5)
        got: list[str | bytes] = []

        async def talk(socket: EngineSocket) -> None:
            for number in range(20):
                await socket.send(f"{number}" * 5000)

        with trio.fail_after(10), trio.CancelScope() as scope:
            async with server.open("") as socket, trio.open_nursery() as nursery:
                nursery.start_soon(talk, socket)
                while len(got) < 20:
                    got.append(await socket.receive())
                scope.deadline = trio.current_time() + 0.05
                await socket.receive()
        assert got == [f"{number}" * 5000 for number in range(20)]
        assert trio.current_time() - scope.deadline < PROMPTLY
        with trio.fail_after(PROMPTLY):
            await service.connections[0].left.wait()


async def test_a_proxy_of_the_environment_tunnels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also what is not encrypted: a proxy that reads requests would not know what to do with the frames."""
    async with proxy(monkeypatch) as heads, open_websocket_service(echo) as service:
        server = await find_websocket_server(
            HttpTarget(f"http://localhost:{service.port}", {}), connect_timeout=5
        )
        with trio.fail_after(10):
            async with server.open("talk") as socket:
                await socket.send("hello")
                assert await socket.receive() == "hello"
    (head,) = heads
    assert head.startswith(b"CONNECT localhost:%d HTTP/1.1\r\n" % service.port)


@pytest.mark.parametrize(
    ("behaviour", "stage"), [(hanging, "timeout"), (breaking_off, "broken")], ids=["hanging", "breaking off"]
)
async def test_no_websocket_is_told_in_time(behaviour: Speaking, stage: str) -> None:
    """A server that dies in the handshake keeps nobody waiting."""
    with trio.fail_after(PROMPTLY), pytest.raises(HttpFailed) as failed:
        await attempt(behaviour)
    assert failed.value.stage == stage


async def test_a_refusal_has_its_body() -> None:
    """In which a service says why."""
    with pytest.raises(UpgradeRefused) as refused:
        await attempt(refusing(429, {"code": "x"}, "Retry-After: 7"))
    assert refused.value.status == 429
    assert refused.value.headers["retry-after"] == "7"
    assert b'"x"' in refused.value.body


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH_9\r\n",
        b"HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 50_000,
    ],
    ids=["ssh", "wrong accept", "no end"],
)
async def test_what_is_no_websocket_is_told(data: bytes) -> None:
    """A wrong port, or a server that breaks the rules."""

    async def answer(spoken: Spoken) -> None:
        await spoken.stream.send_all(data)

    with trio.fail_after(PROMPTLY), pytest.raises(HttpFailed) as failed:
        await attempt(answer)
    assert failed.value.stage == "malformed"


async def test_a_message_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's memory is filled by a service."""
    monkeypatch.setattr(websocket, "LONGEST_MESSAGE", 1000)

    @accepted
    async def long(spoken: Spoken) -> None:
        await spoken.stream.send_all(piece(Opcode.TEXT, bytes(100), fin=False))
        for _ in range(100):
            await spoken.stream.send_all(piece(Opcode.CONT, bytes(100), fin=False))

    async with connected(long) as (socket, _):
        with trio.fail_after(5), pytest.raises(HttpFailed) as failed:
            await socket.receive()
    assert failed.value.stage == "malformed"
