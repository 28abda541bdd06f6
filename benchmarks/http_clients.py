"""CPU for one streamed answer of sixty tokens: our HTTP client, and httpx2, from the same server.

``python benchmarks/http_clients.py [streams at once]``. The server is a process of its own; what is measured
is the client's process alone. Three runs of each, alternating; all are printed.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from multiprocessing import get_context
from multiprocessing.connection import Connection

import httpx2
import trio

from trio_backend.engines.http import open_http_client
from trio_backend.engines.http_target import HttpTarget

TOKENS, INTERVAL, STREAMS = 60, 0.005, 400
DELTA = (
    b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m","choices":'
    b'[{"index":0,"delta":{"content":" hello"},"finish_reason":null}]}\n\n'
)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
CHUNK = b"%x\r\n%s\r\n" % (len(DELTA), DELTA)
BODY = b'{"model":"m","stream":true,"messages":[{"role":"user","content":"Hello"}]}'
Ask = Callable[[], Awaitable[int]]


def serve(port: Connection) -> None:
    """Answer every request with the same tokens, in time."""

    async def answer(stream: trio.SocketStream) -> None:
        received = b""
        while piece := await stream.receive_some():
            received += piece
            if not received.endswith(BODY):
                continue  # the head and the body may come apart
            received = b""
            await stream.send_all(HEAD)
            for _ in range(TOKENS):
                await trio.sleep(INTERVAL)
                await stream.send_all(CHUNK)
            await stream.send_all(b"0\r\n\r\n")

    async def run() -> None:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        port.send(listener.socket.getsockname()[1])
        await trio.serve_listeners(answer, [listener])

    trio.run(run)


async def cost(ask: Ask, at_once: int) -> float:
    """Milliseconds of CPU for a stream, of `STREAMS` in all."""
    began = time.process_time()

    async def several() -> None:
        for _ in range(STREAMS // at_once):
            assert await ask() == TOKENS * len(DELTA)

    async with trio.open_nursery() as nursery:
        for _ in range(at_once):
            nursery.start_soon(several)
    return (time.process_time() - began) / STREAMS * 1000


async def measure(url: str, at_once: int) -> None:
    """Both, in turns."""
    kinds = {"Accept": "text/event-stream", "Content-Type": "application/json"}
    limits = httpx2.Limits(max_keepalive_connections=200)
    async with (
        httpx2.AsyncClient(base_url=url, trust_env=False, timeout=None, limits=limits) as theirs,
        open_http_client(HttpTarget(url, {}, use_proxy=False), connect_timeout=10) as ours,
    ):

        async def with_httpx2() -> int:
            size = 0
            async with theirs.stream("POST", "chat/completions", content=BODY, headers=kinds) as response:
                async for piece in response.aiter_raw():
                    size += len(piece)
            return size

        async def with_ours() -> int:
            size = 0
            answer = await ours.post("chat/completions", BODY, kinds)
            while piece := await answer.receive():
                size += len(piece)
            answer.close()
            return size

        took: dict[str, list[float]] = {"httpx2": [], "ours": []}
        for _ in range(3):
            took["httpx2"].append(await cost(with_httpx2, at_once))
            took["ours"].append(await cost(with_ours, at_once))
    for name, values in took.items():
        shown = ", ".join(f"{value:.2f}" for value in values)
        print(f"{name:7} {statistics.median(values):.2f} ms a stream ({shown}), {at_once} at once")


def main() -> None:
    """See the module."""
    context = get_context("spawn")
    here, there = context.Pipe()
    server = context.Process(target=serve, args=(there,), daemon=True)
    server.start()
    try:
        trio.run(measure, f"http://127.0.0.1:{here.recv()}/v1/", int((sys.argv[1:] or ["20"])[0]))
    finally:
        server.terminate()


if __name__ == "__main__":
    main()
