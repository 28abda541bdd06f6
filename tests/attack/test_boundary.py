"""Every way in is made to raise, one by one: one connection ends each time, and nothing else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

import attrs
import pytest
import trio
from trio.testing import MockClock, memory_stream_pair

from tests.attack.attacked import Attacked, errors_logged, open_attacked
from tests.conftest import Connect
from tests.server.raw_client import PING, RawClient, close_frame, frame, handshake
from trio_backend.backend import Backend
from trio_backend.boundary import Boundary
from trio_backend.errors import EngineError
from trio_backend.server import ServerOptions
from trio_backend.server.keepalive import ping_idle_connections
from trio_backend.server.websocket import WebSocketWire

SECRET = "sk-what-somebody-said"
Attack: TypeAlias = Callable[[Attacked], Awaitable[None]]


def raise_plainly(*_args: object, **_named: object) -> NoReturn:
    """A bug in a function."""
    raise RuntimeError(SECRET)


def raise_in_a_group(*_args: object, **_named: object) -> NoReturn:
    """A bug in a function that collects several."""
    raise ExceptionGroup(SECRET, [RuntimeError(SECRET), KeyError(SECRET)])


async def fail_plainly(*_args: object, **_named: object) -> NoReturn:
    """A bug in a coroutine."""
    await trio.lowlevel.checkpoint()
    raise RuntimeError(SECRET)


async def fail_in_a_nursery(*_args: object, **_named: object) -> NoReturn:
    """A bug in a child task: what leaves is a group."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(fail_plainly)
        await trio.sleep_forever()
    raise AssertionError


def requesting(request: str, *, body: bytes = b"", answer: int = 500) -> Attack:
    """A plain request: it is answered so, or its connection ends."""

    async def attack(attacked: Attacked) -> None:
        fields = "Host: 127.0.0.1\r\n" + (f"Content-Length: {len(body)}\r\n" if body else "")
        async with attacked.connect() as client:
            await client.send(f"{request} HTTP/1.1\r\n{fields}\r\n".encode(), body)
            with trio.fail_after(5):
                data = await client.stream.receive_some()
            assert not data or data.startswith(b"HTTP/1.1 %d " % answer)

    return attack


def upgrading(path: str, *says: bytes) -> Attack:
    """A WebSocket, which is closed."""

    async def attack(attacked: Attacked) -> None:
        async with attacked.connect() as client:
            await client.send(handshake(path), *(frame(1, text) for text in says))
            heard = b""
            with trio.fail_after(5), suppress(trio.BrokenResourceError):
                while data := await client.stream.receive_some():
                    heard += data
                    if b"\x03\xf3" in heard:  # 1011: the server waits for an answer to its close frame
                        await client.stream.send_all(close_frame(1011))

    return attack


async def come_over_the_limit(attacked: Attacked) -> None:
    """So many come that one of them is refused."""
    async with AsyncExitStack() as stack:
        refused = False
        while not refused:
            client = await stack.enter_async_context(attacked.connect())
            await client.send(handshake("/client-ws"))
            with trio.fail_after(5):
                try:
                    refused = not await client.stream.receive_some()
                except trio.BrokenResourceError:
                    refused = True


@attrs.frozen
class Way:
    """An entry to the server: which function is broken, what a client does, and the part that is counted."""

    target: str
    attack: Attack
    part: str
    waits: bool = True
    system: Mapping[str, Any] = attrs.field(factory=dict)


FORM = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\nRIFF\r\n--x--\r\n'
SERVER = "trio_backend.server"
IDENTIFY = f"{SERVER}.authentication.AccessToken.identify"
WAYS = {
    "the head": Way(f"{SERVER}.acceptor.read_head", upgrading("/client-ws"), "handshake"),
    "the upgrade": Way(f"{SERVER}.acceptor.read_upgrade", upgrading("/client-ws"), "handshake", waits=False),
    "TLS": Way(f"{SERVER}.acceptor.Acceptor._secured", upgrading("/client-ws"), "handshake", waits=False),
    "the refusal": Way(
        f"{SERVER}.acceptor.send_refusal", come_over_the_limit, "refusal", system={"max_connections": 5}
    ),
    "the wire": Way(f"{SERVER}.listener.WebSocketWire", upgrading("/client-ws"), "client-ws", waits=False),
    "client-ws": Way("trio_backend.backend.Backend.serve_client", upgrading("/client-ws"), "client-ws"),
    "session": Way("trio_backend.backend.run_session", upgrading("/client-ws"), "session"),
    "proxy-ws": Way("trio_backend.backend.Backend.serve_in_room", upgrading("/proxy-ws"), "proxy-ws"),
    "room client": Way("trio_backend.rooms.rooms.Rooms.serve", upgrading("/proxy-ws"), "room client"),
    "room": Way(
        "trio_backend.rooms.room.Room.live", upgrading("/proxy-ws"), "room", system={"enable_proxy": True}
    ),
    "tts-ws": Way("trio_backend.serving.serve_speech", upgrading("/tts-ws"), "tts-ws"),
    "the voice": Way(f"{SERVER}.speech._speak_all", upgrading("/tts-ws", b'{"text": "Hello."}'), "tts-ws"),
    "a route": Way("trio_backend.observe.inspection.take_snapshot", requesting("GET /debug/tasks"), "http"),
    "the page": Way(f"{SERVER}.static.FrontEnd.get_response", requesting("GET /"), "http"),
    "static files": Way(f"{SERVER}.static.Folder.get_response", requesting("GET /bg/x.jpg"), "http"),
    "a file": Way("starlette.responses.FileResponse.__call__", requesting("GET /icon.svg"), "http"),
    "the gate": Way(f"{SERVER}.authentication.UserGate._identify", requesting("GET /"), "http"),
    "who wants a WebSocket": Way(IDENTIFY, upgrading("/client-ws"), "authentication"),
    "who asks": Way(IDENTIFY, requesting("GET /readyz", answer=503), "authentication"),
    "POST /asr": Way(
        "starlette.requests.Request.form", requesting("POST /asr", body=FORM), "http", waits=False
    ),
    "Hypercorn": Way(f"{SERVER}.http_connections._Http1._create_stream", requesting("GET /healthz"), "http"),
    "HTTP": Way(f"{SERVER}.http_connections.HttpConnections.serve", requesting("GET /healthz"), "http"),
}


@pytest.mark.parametrize("name", WAYS)
async def test_a_bug_ends_one_connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The bystander talks on; the log has one entry with a trace, and the counter one more."""
    way = WAYS[name]
    bugs = (fail_plainly, fail_in_a_nursery) if way.waits else (raise_plainly, raise_in_a_group)
    async with open_attacked(tmp_path, **way.system) as attacked:
        for count, broken in enumerate(bugs, 1):
            with errors_logged() as errors:
                with monkeypatch.context() as patch:
                    patch.setattr(way.target, broken)
                    await way.attack(attacked)
                await attacked.check_bystander()
                assert await attacked.bugs() == {way.part: count}
            [error] = errors
            assert error.startswith(f"{way.part}: ")
            assert "RuntimeError" in error
            assert "(SECRET" in error, "the line that raised is part of the trace"
            assert SECRET not in error


BACKGROUND_TASKS = {
    "start report": "trio_backend.start_report.StartReport.tell",
    "garbage collection": "trio_backend.serving.collect_when_quiet",
    "local servers": "trio_backend.serving.suggest_local_model",
}


@pytest.mark.parametrize("broken", [fail_plainly, fail_in_a_nursery], ids=["plain", "grouped"])
@pytest.mark.parametrize("part", BACKGROUND_TASKS)
async def test_a_bug_in_a_background_task_ends_that_task(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str, broken: Callable[..., object]
) -> None:
    """Clients are served without it."""
    monkeypatch.setattr(BACKGROUND_TASKS[part], broken)
    with errors_logged() as errors:
        async with open_attacked(tmp_path) as attacked:
            await attacked.check_bystander()
            assert await attacked.bugs() == {part: 1}
    assert len(errors) == 1


async def test_a_bug_in_holding_an_engine_of_the_server_ends_no_session(
    autojump_clock: MockClock, backend: Backend, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine of POST /asr belongs to no session, so no session's boundary is around it."""
    client = await connect()
    monkeypatch.setattr("trio_backend.conversation.speech_engines.Standby._hold", fail_in_a_nursery)
    with errors_logged() as errors:
        backend.speech_engines.prepare()
        assert (await client.turn("Are you there?"))[-1]["text"] == "conversation-chain-end"
    assert [error.partition(":")[0] for error in errors] == ["speech engines"]


async def test_a_bug_in_loading_the_base_character_is_told_by_readyz(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Later sessions try again; the server goes on."""
    with errors_logged() as errors, monkeypatch.context() as patch:
        patch.setattr("trio_backend.backend.Backend._keep_base_character", fail_plainly)
        async with open_attacked(tmp_path, ready=False) as attacked:
            with trio.fail_after(5):
                while (await attacked.get("/readyz")).body.startswith(b"the base character is being"):
                    await trio.sleep(0.01)
            answer = await attacked.get("/readyz")
            assert (answer.status, b"log says where" in answer.body) == (503, True)
            await attacked.check_bystander()
            assert await attacked.bugs() == {"base character": 1}
    assert len(errors) == 1


@pytest.mark.parametrize("broken", [raise_plainly, raise_in_a_group], ids=["plain", "grouped"])
async def test_a_bug_in_the_watch_over_one_wire_ends_that_wire(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch, broken: Callable[[], bool]
) -> None:
    """The others are pinged in the same round, and in the next."""
    parts: list[str] = []
    pairs = [memory_stream_pair() for _ in range(2)]
    victim, other = (WebSocketWire(ours) for ours, _ in pairs)
    _, client = (RawClient(theirs, timeout=100) for _, theirs in pairs)
    victim_gone = trio.Event()

    async def receive(wire: WebSocketWire, gone: trio.Event) -> None:
        with pytest.raises(Exception, match="1006"):
            await wire.receive()
        gone.set()

    ping = WebSocketWire.ping_nowait
    monkeypatch.setattr(WebSocketWire, "ping_nowait", lambda wire: broken() if wire is victim else ping(wire))
    with errors_logged() as errors:
        async with trio.open_nursery() as nursery:
            options = ServerOptions(ping_interval=20, pong_timeout=45)
            nursery.start_soon(ping_idle_connections, [victim, other], options, Boundary(parts.append))
            nursery.start_soon(receive, victim, victim_gone)
            nursery.start_soon(receive, other, trio.Event())
            for _ in range(5):
                assert await client.frame() == (0x80 | PING, b"")
                await client.send(frame(0xA))
            assert victim_gone.is_set()
            nursery.cancel_scope.cancel()
    assert parts == ["pings"]
    assert len(errors) == 1


async def test_cancellation_passes_through_a_boundary(autojump_clock: MockClock) -> None:
    """Alone, and beside a bug that came to light in the clean-up."""
    parts: list[str] = []

    async def clean_up_badly() -> None:
        try:
            await trio.sleep_forever()
        finally:
            raise RuntimeError

    async def both() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(clean_up_badly)
            nursery.start_soon(trio.sleep_forever)

    passed = 0
    with errors_logged() as errors:
        for work in (trio.sleep_forever, both):
            with trio.move_on_after(1) as scope:
                await Boundary(parts.append).run("part", work)
                await trio.lowlevel.checkpoint()
            passed += scope.cancelled_caught
    assert (passed, parts, len(errors)) == (2, ["part"], 1)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
async def test_what_is_no_bug_passes_through_a_boundary(kind: type[BaseException]) -> None:
    """Alone, and in a group with a bug, which stays behind."""
    parts: list[str] = []

    async def leave() -> None:
        await trio.lowlevel.checkpoint()
        raise kind

    async def leave_with_a_bug() -> None:
        await trio.lowlevel.checkpoint()
        raise BaseExceptionGroup("", [kind(), RuntimeError()])

    boundary = Boundary(parts.append)
    with errors_logged():
        with pytest.raises(kind):
            await boundary.run("part", leave)
        with pytest.raises(BaseExceptionGroup) as caught:
            await boundary.run("part", leave_with_a_bug)
    assert [type(error) for error in caught.value.exceptions] == [kind]
    assert parts == ["part"]


async def test_our_own_errors_keep_their_words() -> None:
    """They say what to do, and nothing that anybody said; what caused them may."""

    async def work() -> None:
        await trio.lowlevel.checkpoint()
        try:
            raise OSError(SECRET)
        except OSError as error:
            raise EngineError("start the model's server") from error

    with errors_logged() as errors:
        assert not await Boundary().run("part", work)
    [error] = errors
    assert "EngineError: start the model's server" in error
    assert "OSError" in error
    assert SECRET not in error


async def test_an_endless_chain_of_causes_is_cut() -> None:
    """A trace stays readable, and is made in bounded time."""

    async def work() -> None:
        await trio.lowlevel.checkpoint()
        error: Exception = RuntimeError()
        for _ in range(500):
            outer = ExceptionGroup("", [error] * 100)
            outer.__cause__ = error
            error = outer
        raise error

    with errors_logged() as errors:
        assert not await Boundary().run("part", work)
    assert len(errors) == 1
