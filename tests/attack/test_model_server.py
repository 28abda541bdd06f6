"""Model servers that are broken or hostile, on real sockets; and recognisers that are.

Whatever they answer, the turn ends within its deadline, with words where there is no reply, in bounded
memory; the key goes nowhere else; and the next turn of the same session is as any.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import trio

from tests.engines.model_server import (
    Answering,
    Behaviour,
    ModelServer,
    open_model_server,
    refusing,
    streaming,
)
from trio_backend.audio.pcm import Pcm
from trio_backend.config.character import EngineChoice
from trio_backend.engines.openai import connection
from trio_backend.engines.registry import configure, open_engine
from trio_backend.engines.settings import Environment
from trio_backend.engines.whole import transcribed
from trio_backend.errors import EngineError

from .conversing import MIB, bounded_memory, errors, open_talk, shown

KEY = "sk-a-key-that-stays-here"
SECRET = "my-secret-wish"
EVENTS = "Content-Type: text/event-stream"
OK = f"HTTP/1.1 200 OK\r\n{EVENTS}\r\n"


def raw(*pieces: bytes | str) -> Behaviour:
    """These bytes, head and all; then the connection is closed."""

    async def answer(answering: Answering) -> None:
        for piece in pieces:
            await answering.stream.send_all(piece.encode() if isinstance(piece, str) else piece)
        await answering.stream.aclose()

    return answer


def forever(begin: str, more: bytes) -> Behaviour:
    """``begin``, then ``more`` again and again."""

    async def answer(answering: Answering) -> None:
        await answering.stream.send_all(begin.encode())
        while True:
            await answering.stream.send_all(more)

    return answer


def stream(*lines: str | bytes) -> Behaviour:
    """An event stream of these lines, up to the end of the connection."""
    body = b"".join((line.encode() if isinstance(line, str) else line) + b"\n" for line in lines)
    return raw(f"{OK}Connection: close\r\n\r\n", body)


def delta(**fields: object) -> str:
    """The event of one delta."""
    return "data: " + json.dumps({"choices": [{"index": 0, "delta": fields}]}) + "\n\n"


def chunk(value: object) -> Behaviour:
    """A stream of one event, with that JSON."""
    return stream("data: " + json.dumps(value) + "\n")


def head(*headers: str, status: str = "200 OK", body: bytes = b"") -> Behaviour:
    """An answer with these headers."""
    return raw("\r\n".join([f"HTTP/1.1 {status}", *headers, "", ""]), body)


async def drip(answering: Answering) -> None:
    """A head that comes a byte at a time, and never ends."""
    await answering.stream.send_all(b"HTTP/1.1 200 OK\r\nX: ")
    while True:
        await answering.stream.send_all(b"x")
        await trio.sleep(0.05)


DONE = "data: [DONE]\n"
FLOOD = delta(content="All work and no play makes Jack a dull boy. ").encode() * 500
FLOODING = {
    "a flood": forever(f"{OK}\r\n", FLOOD),
    "a flood without a sentence": forever(f"{OK}\r\n", delta(content="x").encode() * 1_000),
    "a flood of thoughts": forever(f"{OK}\r\n", delta(reasoning_content="Hm. ").encode() * 1_000),
    "a flood of nothing": forever(f"{OK}\r\n", delta(content="").encode() * 1_000),
    "a flood of events that are no data": forever(f"{OK}\r\n", b"event: x\nid: 7\n\n" * 4_000),
    "a flood of comments": forever(f"{OK}\r\n", b": I am here\n" * 5_000),
    "a flood of empty lines": forever(f"{OK}\r\n", b"\n" * 60_000),
    "a flood of carriage returns": forever(f"{OK}\r\n", b"\r" * 60_000),
    "an endless line": forever(f"{OK}\r\n", b"x" * 65_536),
    "an endless comment": forever(f"{OK}\r\n:", b"x" * 65_536),
    "an endless event": forever(f"{OK}\r\n", b"data: x\n" * 8_000),
    "an endless head": forever(OK, b"X-Again: and again\r\n" * 3_000),
    "endless hints": forever("", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 2_000),
    "endless trailers": forever(f"{OK}Transfer-Encoding: chunked\r\n\r\n0\r\n", b"X-Again: x\r\n" * 5_000),
    "a head that drips": drip,
    "an endless refusal": forever("HTTP/1.1 400 No\r\n\r\n", b"no " * 20_000),
    "an endless page": forever("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n", b"<p>" * 20_000),
}
ANSWER = f"{delta(content='Fine.')}{DONE}\n".encode()
BOMB = gzip.compress(bytes(64 * MIB))
WRONG = {
    "compressed": head(EVENTS, "Content-Encoding: gzip", body=BOMB),
    "compressed, and a refusal": head("Content-Encoding: gzip", status="400 No", body=BOMB),
    "compressed by something unknown": head(EVENTS, "Content-Encoding: zstd, br", body=b"garbage"),
    "a charset that is a bomb": head(f"{EVENTS}; charset=bz2", body=b"garbage"),
    "chunks that lie": raw(f"{OK}Transfer-Encoding: chunked\r\n\r\nffffffff\r\ndata: x"),
    "chunks of no size": raw(f"{OK}Transfer-Encoding: chunked\r\n\r\nzz\r\ndata: x\r\n"),
    "chunks of negative size": raw(f"{OK}Transfer-Encoding: chunked\r\n\r\n-5\r\ndata: x\r\n"),
    "two lengths": head(EVENTS, "Content-Length: 5", "Content-Length: 6", body=b"data: x"),
    "a length of 5 000 digits": head(EVENTS, "Content-Length: " + "9" * 5_000),
    "a length below zero": head(EVENTS, "Content-Length: -1"),
    "a length that is too long": head(EVENTS, "Content-Length: 999", body=b"data: x\n\n"),
    "a huge header": head(EVENTS, "X: " + "x" * 500_000),
    "a header that is no ASCII": raw(OK.encode(), b"X-\xff: \xfe\r\n\r\n"),
    "a status of four digits": head(EVENTS, status="2000 OK"),
    "a status of none": head(EVENTS, status="OK"),
    "another protocol": raw("SSH-2.0-OpenSSH_9.6\r\n"),
    "TLS": raw(b"\x15\x03\x01\x00\x02\x02\x46"),
    "HTTP/2": raw(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    "a switch of protocols": head("Upgrade: websocket", "Connection: Upgrade", status="101 Switching"),
    "no content": head(EVENTS, status="204 No Content"),
    "nothing": raw(),
    "no events": stream(),
    "the end at once, without the end": stream(delta(content="")),
    "an event of 2 MiB": stream("data: " + "x" * 2 * MIB + "\n"),
    "deep JSON": stream("data: " + "[" * 100_000 + "\n"),
    "deep choices": stream('data: {"choices": ' + "[" * 100_000 + "\n"),
    "deep errors": stream('data: {"error": ' + "[" * 100_000 + "\n"),
    "a refusal of deep JSON": head(status="400 No", body=b'{"error": ' + b"[" * 60_000),
    "a refusal with half a character": head(status="400 No", body=b'{"error": {"code": "\\ud83d"}}'),
    "a refusal that is no UTF-8": head(status="400 No", body=b'{"error": {"code": "\xff"}}'),
    "a refusal that quotes": refusing(400, {"code": f"{SECRET} {KEY}", "message": f"{SECRET} {KEY}"}),
    "no JSON": stream("data: hello\n"),
    "a JSON bomb of numbers": stream("data: " + "9" * 10_000 + "\n"),
    "a number that is infinite": stream('data: {"choices": [{"delta": {"content": 1e999}}]}\n'),
    "choices that are none": chunk({"choices": 7}),
    "choices that are null": chunk({"choices": None}),
    "a choice that is none": chunk({"choices": ["x"]}),
    "a delta that is none": chunk({"choices": [{"delta": []}]}),
    "content that is a number": chunk({"choices": [{"delta": {"content": 7}}]}),
    "content that is a list": chunk({"choices": [{"delta": {"content": [{"type": "text", "text": "x"}]}}]}),
    "a reason that is none": chunk({"choices": [{"delta": {}, "finish_reason": {}}]}),
    "thoughts that are none": chunk({"choices": [{"delta": {"reasoning_content": True}}]}),
    "an error": chunk({"error": {"message": f"{SECRET} {KEY}"}}),
    "an error that is a text": chunk({"error": SECRET}),
    "the filter": chunk({"choices": [{"delta": {}, "finish_reason": "content_filter"}]}),
    "too many, wait nan": refusing(429, {}, "Retry-After: nan"),
    "too many, wait inf": refusing(429, {}, "Retry-After: inf"),
    "too many, wait long": refusing(429, {}, "Retry-After: 999999"),
    "too many, wait before now": refusing(429, {}, "Retry-After: -5"),
    "too many, wait for ever": refusing(429, {}, "Retry-After: " + "9" * 5_000),
    "unavailable, wait long": refusing(503, {}, "Retry-After: 86400"),
}
COMPRESSED = ("compressed", "compressed by something unknown")
FINE = {
    "a mark at the begin": stream(b"\xef\xbb\xbf" + delta(content="Fine.").encode(), DONE),
    "lines with CR LF": raw(f"{OK}\r\n", (delta(content="Fine.") + DONE + "\n").replace("\n", "\r\n")),
    "lines with CR": raw(f"{OK}\r\n", (delta(content="Fine.") + DONE + "\n").replace("\n", "\r")),
    "bytes that are no UTF-8": stream(b'data: {"choices": [{"delta": {"content": "Fine \xff"}}]}\n', DONE),
    "fields that nobody knows": stream(
        'data: {"x": [null, 1e308, -0.0], "choices": [{"z": 1, "delta": {"content": "Fine."}}]}\n',
        DONE,
    ),
    "calls of tools that nobody offered": stream(
        delta(tool_calls=[{"index": -1, "id": 7, "function": {"name": None, "arguments": "{" * 99}}]),
        delta(content="Fine."),
        DONE,
    ),
    "calls of tools that are none": stream(delta(tool_calls="x", content="Fine."), DONE),
    "a NUL": stream(delta(content="Fine \0 so."), DONE),
    "an answer of 24 000 characters": stream(delta(content="Fine. " * 4_000), DONE),
    "more after the end": stream(delta(content="Fine."), DONE, delta(content="Not this.")),
    "a charset that is none": head(f"{EVENTS}; charset=zlib", body=ANSWER),
    "cookies": head(
        EVENTS,
        *(f"Set-Cookie: c{n}=" + "x" * 500 for n in range(50)),
        body=ANSWER,
    ),
}


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ModelServer]:
    """A model server of our own, that is asked again sooner than others."""
    monkeypatch.setattr(connection, "PAUSES", (0.01, 0.01))
    async with open_model_server() as server:
        yield server


def model(server: ModelServer) -> EngineChoice:
    """The adapter for it, with a key."""
    settings = {"base_url": server.url, "model": "m", "llm_api_key": KEY}
    return EngineChoice("llm", "openai_compatible_llm", settings)


def check_words(told: list[str]) -> None:
    """There are some, of one line each, and nothing in them is secret."""
    assert told
    for error in told:
        assert len(error) < 500
        assert error.isprintable()
        assert KEY not in error
        assert SECRET not in error


@pytest.mark.parametrize("what", FLOODING)
async def test_what_never_ends_is_ended(server: ModelServer, tmp_path: Path, what: str) -> None:
    """By the deadline of the turn, if not by a bound before it."""
    server.behaviour = FLOODING[what]
    async with open_talk(tmp_path, llm=model(server), turn_deadline=1) as client:
        with bounded_memory(100 * MIB), trio.fail_after(20):
            check_words(errors(await client.turn(SECRET)))
        server.behaviour = streaming("Good.")
        assert shown(await client.turn("And now?")) == "Good."


@pytest.mark.parametrize("what", WRONG)
async def test_what_is_wrong_is_told(server: ModelServer, tmp_path: Path, what: str) -> None:
    """In words, and once."""
    server.behaviour = WRONG[what]
    async with open_talk(tmp_path, llm=model(server), turn_deadline=15) as client:
        with bounded_memory(60 * MIB), trio.fail_after(20):
            told = errors(await client.turn(SECRET))
        check_words(told)
        assert len(told) == 1
        assert "turn_deadline" not in told[0]
        assert ("compresses its answers" in told[0]) == (what in COMPRESSED)
        server.behaviour = streaming("Good.")
        assert shown(await client.turn("And now?")) == "Good."


@pytest.mark.parametrize("what", FINE)
async def test_what_is_odd_is_understood(server: ModelServer, tmp_path: Path, what: str) -> None:
    """It is an answer all the same."""
    server.behaviour = FINE[what]
    async with open_talk(tmp_path, llm=model(server)) as client:
        with bounded_memory(100 * MIB), trio.fail_after(30):
            turn = await client.turn(SECRET)
        assert (errors(turn), shown(turn)[:4]) == ([], "Fine")
        assert "Not this" not in shown(turn)
        server.behaviour = streaming("Good.")
        assert shown(await client.turn("And now?")) == "Good."
    assert all("cookie" not in asked.headers for asked in server.asked)


ELSEWHERE = [(status, "{elsewhere}") for status in (301, 302, 303, 307, 308)]
PLACES = ("{itself}", "//[::zz]/", "http://x:99999999/", "file:///etc/passwd", "\t", "x" * 9_000)


@pytest.mark.parametrize(("status", "where"), [*ELSEWHERE, *((307, place) for place in PLACES)])
async def test_no_redirect_is_followed(server: ModelServer, tmp_path: Path, status: int, where: str) -> None:
    """Neither with the key nor without: the address is the operator's choice."""
    async with open_model_server() as elsewhere:
        to = where.format(
            elsewhere=f"{elsewhere.url}/chat/completions", itself=f"{server.url}/chat/completions"
        )
        server.script = [head(f"Location: {to}", status=f"{status} Elsewhere")] * 3
        async with open_talk(tmp_path, llm=model(server), turn_deadline=15) as client:
            with trio.fail_after(20):
                check_words(errors(await client.turn(SECRET)))
        assert elsewhere.asked == []
    assert len(server.asked) <= 3


JSON = "Content-Type: application/json"
TRANSCRIPTS: dict[str, Behaviour] = {
    "an endless transcript": forever(f"HTTP/1.1 200 OK\r\n{JSON}\r\n\r\n", b" " * 65_536),
    "2 MB": head(JSON, body=json.dumps({"text": "x" * 2_000_000}).encode()),
    "compressed": head(JSON, "Content-Encoding: gzip", body=BOMB),
    "deep": head(JSON, body=b"[" * 100_000),
    "no text": head(JSON, body=b'{"text": 7}'),
    "null": head(JSON, body=b'{"text": null}'),
    "no JSON": head(JSON, body=b"hello"),
    "no UTF-8": head(JSON, body=b'{"text": "\xff"}'),
    "a page": head("Content-Type: text/html", body=b"<p>" * 100_000),
    "a redirect": head("Location: http://127.0.0.1:1/", status="307 Elsewhere"),
    "a lying length": head(JSON, "Content-Length: 999", body=b"{}"),
    "nothing": raw(),
    "an endless head": forever("HTTP/1.1 200 OK\r\n", b"X-Again: and again\r\n" * 3_000),
    "an endless refusal": forever("HTTP/1.1 500 No\r\n\r\n", b"no " * 20_000),
    "silence": lambda _answering: _silence(),
}


async def _silence() -> None:
    await trio.sleep_forever()


Transcribe = Callable[[], Awaitable[str]]


@pytest.fixture
async def transcribe(server: ModelServer) -> AsyncIterator[Transcribe]:
    """Asks the recogniser at that server what is said in a second of silence."""
    settings = {"base_url": server.url, "api_key": KEY, "timeout": 2}
    config = configure("asr", "openai_compatible_asr", settings, environment=Environment(Path(), {}))
    async with open_engine(config) as asr:
        yield lambda: transcribed(asr, Pcm(bytes(96_000), 48_000))


@pytest.mark.parametrize("what", TRANSCRIPTS)
async def test_what_is_no_transcript_is_told(server: ModelServer, transcribe: Transcribe, what: str) -> None:
    """As an error of the engine; and the next utterance is understood."""
    server.behaviour = TRANSCRIPTS[what]
    with bounded_memory(60 * MIB), trio.fail_after(20), pytest.raises(EngineError) as caught:
        await transcribe()
    check_words([str(caught.value)])
    server.behaviour = head(JSON, body=b'{"text": " Good. "}')
    assert await transcribe() == "Good."


async def test_half_characters_are_no_reason_to_lose_an_utterance(
    server: ModelServer, transcribe: Transcribe
) -> None:
    """Halves that stand together are one; a half alone is U+FFFD."""
    server.behaviour = head(JSON, body=b'{"text": "Good. \\ud83d\\ude00 \\ud83d"}')
    assert await transcribe() == "Good. 😀 \ufffd"
