"""The engine server: it speaks as OpenAI's API does, in its own time, and sees connections that close."""

from __future__ import annotations

import io
import json
import os
import sys
import wave
from functools import partial
from subprocess import PIPE

import attrs
import httpx2
import pytest
import trio

from trio_backend.errors import ConfigError
from trio_backend.prove.cores import CorePlacement, placement
from trio_backend.prove.engine_bytes import take_request
from trio_backend.prove.engines import EngineServerAddress
from trio_backend.prove.own_server import ServerProgram, open_engine_server
from trio_backend.prove.stand_ins import ENDLESS, FIRST_CLAUSE, INSTANT, REPLY, STEADY


def client(engines: EngineServerAddress) -> httpx2.AsyncClient:
    """One that knows nothing of how the server makes its bytes."""
    return httpx2.AsyncClient(base_url=f"http://127.0.0.1:{engines.port}/v1/", trust_env=False, timeout=10)


def asked(model: str) -> dict[str, object]:
    """The body of a request to ``model``."""
    return {"model": model, "stream": True, "messages": [{"role": "user", "content": "Hello"}]}


async def test_it_answers_as_others_do() -> None:
    """Sixty tokens and the end of a stream, in time or at once; 0.3 s of WAV; what it lacks is not found."""
    async with open_engine_server() as engines, client(engines) as http:
        for model in (STEADY, INSTANT):
            began = trio.current_time()
            answer = await http.post("chat/completions", json=asked(model))
            took = trio.current_time() - began
            *events, done, rest = answer.text.split("\n\n")
            deltas = [json.loads(event.removeprefix("data: "))["choices"][0] for event in events]
            assert answer.headers["content-type"] == "text/event-stream"
            assert "".join(delta["delta"].get("content", "") for delta in deltas) == f" {REPLY}"
            assert len(deltas) == 62
            assert deltas[-1]["finish_reason"] == "stop"
            assert (done, rest) == ("data: [DONE]", "")
            if model == STEADY:
                assert took >= 0.05 + 59 * 0.005
        speech = await http.post("audio/speech", json={"model": "stand-in", "input": "Hello", "voice": "a"})
        with wave.open(io.BytesIO(speech.content)) as sound:
            assert sound.getnframes() / sound.getframerate() == 0.3
        assert (await http.post("chat/completions", json=asked("other"))).status_code == 404
        assert (await http.get("models")).status_code == 404
        # One connection is enough for all that came one after the other.
        assert await attrs.evolve(engines, client_pid=os.getpid()).open_connections() == 1


ASKS = """
import os, socket, sys
connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
print(connection.fileno(), flush=True)
sys.stdin.read()
"""


async def test_only_the_measured_servers_own_connections_count() -> None:
    """In one run two servers use the same engines: what one keeps is no open file of the other."""
    async with open_engine_server() as engines, trio.open_nursery() as nursery:
        process: trio.Process = await nursery.start(
            partial(trio.run_process, stdin=PIPE, stdout=PIPE, capture_stdout=False),
            [sys.executable, "-c", ASKS, str(engines.port)],
        )
        assert process.stdin is not None
        assert process.stdout is not None
        await process.stdout.receive_some()
        async with client(engines) as http:
            await http.post("chat/completions", json=asked(INSTANT))
            await http.post("chat/completions", json=asked(INSTANT))
            ours = attrs.evolve(engines, client_pid=os.getpid())
            theirs = attrs.evolve(engines, client_pid=process.pid)
            assert (await ours.open_connections(), await theirs.open_connections()) == (1, 1)
        assert (await ours.open_connections(), await theirs.open_connections()) == (0, 1)
        await process.stdin.aclose()


async def test_it_knows_its_own_speed() -> None:
    """From 50 ms to the first of sixty tokens and 5 ms to each other; the first clause is the fourth."""
    assert REPLY.startswith(FIRST_CLAUSE)
    assert len(REPLY.split()) == 60
    async with open_engine_server() as engines:
        alone = await engines.alone()
    assert alone.first_clause >= 0.05 + 3 * 0.005
    assert alone.whole - alone.first_clause >= 0.25  # 56 tokens more


async def test_a_closed_connection_is_seen_at_once() -> None:
    """A reply without end is on its way until its connection is closed; others do not count."""
    async with open_engine_server() as engines, engines.watch(ENDLESS) as replies, client(engines) as http:
        with trio.fail_after(10):
            assert replies.open == 0
            await http.post("chat/completions", json=asked(STEADY))
            assert replies.none_since < 0
            body, said = json.dumps(asked(ENDLESS)).encode(), b""
            async with await trio.open_tcp_stream("127.0.0.1", engines.port) as stream:
                head = b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % len(body)
                await stream.send_all(head + body)
                while said.count(b'"content":" ') < 70:
                    said += await stream.receive_some()
                assert replies.open == 1
                closed = trio.current_time()
            await replies.wait_none()
            assert replies.none_since >= closed


def test_requests_may_come_in_pieces() -> None:
    """A head without its body is no request yet; two of them at once are two."""
    received = bytearray(b"POST /v1/audio/speech HTTP/1.1\r\ncontent-LENGTH: 2\r\n\r\n{")
    assert take_request(received) is None
    received += b"}GET /connections HTTP/1.1\r\n\r\n"
    first, second = take_request(received), take_request(received)
    assert first is not None
    assert second is not None
    assert (first.path, first.body) == ("/v1/audio/speech", b"{}")
    assert (second.path, second.body) == ("/connections", b"")
    assert not received


@pytest.mark.skipif(sys.platform != "linux", reason="the other systems let no program choose its cores")
async def test_a_process_runs_on_its_cores() -> None:
    """The server has one for itself where there are two, and the rest is the load generator's."""
    cores = sorted(os.sched_getaffinity(0))
    async with open_engine_server(cores[:1]) as engines:
        assert os.sched_getaffinity(engines.pid) == {cores[0]}
    found = placement()
    assert [*found.load, *found.server] == (cores if len(cores) > 1 else [])
    assert len(found.server) <= 1


def test_the_report_says_which_core_does_what() -> None:
    """And where it cannot be chosen, that the figures are of a shared one."""
    assert str(CorePlacement((1,), (0,))) == "server on core 1, load generator and engines on 0"
    assert str(CorePlacement()) == "server, load generator and engines share the machine's cores"


def test_a_program_is_named_as_for_a_shell() -> None:
    """With what its environment has besides; without one it is this program."""
    program = ServerProgram.parse(f"PYTHONPATH='/the old' MODE=a=b '{sys.executable}' -m trio_backend")
    assert program.environment == {"PYTHONPATH": "/the old", "MODE": "a=b"}
    assert list(program.command) == [sys.executable, "-m", "trio_backend"]
    assert ServerProgram.parse("") == ServerProgram()
    for wrong in ("PYTHONPATH=old", "'python", "no-such-program serve"):
        with pytest.raises(ConfigError, match=r"names no program|is no command|there is no program"):
            ServerProgram.parse(wrong)
