"""What listens on the port of a local server: it may be any program of any local user.

The server looks there once, at its start. Whatever the answer is, the server serves on, and its log has
no byte that the listener chose freely.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import httpx2
import pytest
import trio
from loguru import logger

from tests.serving.servers import configured, open_client, open_server
from trio_backend.config.character import EngineChoice
from trio_backend.engines.local_servers import find_ollama

Answer = Callable[[trio.SocketStream], Awaitable[None]]

HEAD = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"


def whole(body: bytes, *headers: bytes) -> Answer:
    """An answer of that body."""

    async def answer(stream: trio.SocketStream) -> None:
        lines = [*headers, b"Content-Length: %d" % len(body), b"", body]
        await stream.send_all(HEAD + b"\r\n".join(lines))

    return answer


def endless(begin: bytes, more: bytes) -> Answer:
    """An answer that never ends."""

    async def answer(stream: trio.SocketStream) -> None:
        await stream.send_all(begin)
        while True:
            await stream.send_all(more)

    return answer


async def silence(_stream: trio.SocketStream) -> None:
    """No answer."""
    await trio.sleep_forever()


def models(*names: str) -> bytes:
    """The answer of an Ollama server with models of these names."""
    return b'{"models": [%s]}' % ",".join(f'{{"name": "{name}"}}' for name in names).encode()


ANSWERS = {
    "a byte that is no UTF-8": whole(b'{"models": [{"name": "\xff"}]}'),
    "half a character": whole(b'{"models": [{"name": "\\ud83d"}]}'),
    "deep": whole(b'{"x": ' + b"[" * 200_000),
    "deep models": whole(b'{"models": ' + b"[" * 200_000),
    "no JSON": whole(b"\x00\x01\x02"),
    "nothing": whole(b""),
    "a huge number": whole(b'{"models": ' + b"9" * 100_000 + b"}"),
    "a lying length": whole(models("a"), b"Content-Length: 7"),
    "a length of 5 000 digits": whole(b"", b"Content-Length: " + b"9" * 5_000),
    "compressed, so it says": whole(b"\x1f\x8b\x08\x00garbage", b"Content-Encoding: gzip"),
    "a redirect to nowhere": whole(b"", b"Location: http://[::zz]/"),
    "no HTTP": whole(b"", b"\xff\xfe: \x00"),
    "an endless body": endless(HEAD + b"\r\n", b" " * 65_536),
    "an endless head": endless(HEAD, b"X-Header: x\r\n" * 1_000),
    "endless hints": endless(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1_000),
    "nothing, ever": silence,
}


@asynccontextmanager
async def open_listener(answer: Answer) -> AsyncIterator[str]:
    """The address of a server that answers each request so."""

    async def serve(stream: trio.SocketStream) -> None:
        try:
            if await stream.receive_some():
                await answer(stream)
        except trio.BrokenResourceError:
            return

    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, serve, [listener])
        yield f"http://127.0.0.1:{listener.socket.getsockname()[1]}"
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("what", ANSWERS)
async def test_no_answer_ends_the_server(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has been asked, the answer has been judged, and a client still gets in."""
    judged = trio.Event()

    async def find(url: str) -> object:
        try:
            # Only these two need the deadline; the others must be judged by what they say.
            return await find_ollama(url, within=1 if what in ("endless hints", "nothing, ever") else 10)
        finally:
            judged.set()

    silent = EngineChoice("tts", "none_tts", {})
    config = configured(tmp_path, llm=EngineChoice("llm", "scripted_llm", {}), tts=silent)
    async with open_listener(ANSWERS[what]) as url:
        monkeypatch.setattr("trio_backend.engines.local_servers.find_ollama", partial(find, url))
        async with open_server(config) as address:
            with trio.fail_after(20):
                await judged.wait()
                async with open_client(address), httpx2.AsyncClient() as client:
                    assert (await client.get(f"{address}/healthz")).status_code == 200


async def test_an_answer_is_read_up_to_its_bound() -> None:
    """What is longer than any list of models is not kept, and not read on."""
    sent = 0

    async def answer(stream: trio.SocketStream) -> None:
        nonlocal sent
        await stream.send_all(HEAD + b"\r\n")
        while True:
            await stream.send_all(b" " * 65_536)
            sent += 65_536

    async with open_listener(answer) as url:
        with trio.fail_after(20):
            # Long enough that only the bound ends it.
            assert await find_ollama(url, within=20) is None
    assert sent < 64 * 2**20


async def test_names_cannot_write_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """New lines, escapes, and names without end stay out; the true ones are told."""
    bad = ["a\\u001b[2J", "b\\n2026 | ERROR | forged", "c" * 10_000, "d\\u202e"]
    good = ["llama3:8b", "hf.co/x/y:Q4_K"]
    lines: list[str] = []
    told = trio.Event()

    def keep(line: str) -> None:
        lines.append(line)
        if "Ollama" in line:
            told.set()

    sink = logger.add(keep, format="{message}")
    silent = EngineChoice("tts", "none_tts", {})
    config = configured(tmp_path, llm=EngineChoice("llm", "scripted_llm", {}), tts=silent)
    many = [f"m{number}" for number in range(1_000)]
    try:
        async with open_listener(whole(models(*bad, *good, *many))) as url:
            find = partial(find_ollama, url, within=10)
            monkeypatch.setattr("trio_backend.engines.local_servers.find_ollama", find)
            async with open_server(config):
                with trio.fail_after(20):
                    await told.wait()
    finally:
        logger.remove(sink)
    (line,) = (line for line in lines if "Ollama" in line)
    assert "models: llama3:8b, hf.co/x/y:Q4_K, m0," in line
    assert not re.search(r"[^ -~]|forged|cccc|m30", line.strip())
    assert len(line) < 1_000
