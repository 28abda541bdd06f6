"""Who else runs on this machine: an Ollama server is found by its answer, and nothing else passes for one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

from trio_backend.engines.local_servers import find_ollama


@asynccontextmanager
async def open_neighbour(body: bytes | None) -> AsyncIterator[str]:
    """A server that answers every request with ``body``, or never; its address."""

    async def answer(stream: trio.SocketStream) -> None:
        if not await stream.receive_some():
            return  # somebody only looked whether we are here
        if body is None:
            await trio.sleep_forever()
        else:
            head = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
            await stream.send_all(head + body)

    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, answer, [listener])
        yield f"http://127.0.0.1:{listener.socket.getsockname()[1]}"
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("body", "models"),
    [
        (
            b'{"models": [{"name": "qwen2.5:latest", "size": 1}, {"name": "llama3"}]}',
            ["qwen2.5:latest", "llama3"],
        ),
        (b'{"models": []}', []),
        (b"<html>somebody else</html>", None),
        (b'{"models": 7}', None),
    ],
)
async def test_an_ollama_server_is_known_by_its_answer(body: bytes, models: list[str] | None) -> None:
    """It says which models it has; whatever else listens there is none."""
    async with open_neighbour(body) as url:
        assert await find_ollama(url) == models


async def test_a_neighbour_that_never_answers_is_none() -> None:
    """The hint is not worth a wait."""
    async with open_neighbour(None) as url:
        assert await find_ollama(url, within=0.2) is None


async def test_where_nobody_listens_there_is_none() -> None:
    """As on most machines."""
    async with open_neighbour(b"") as url:
        pass
    assert await find_ollama(url) is None
