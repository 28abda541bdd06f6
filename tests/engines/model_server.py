"""A little model server on a real socket, which can misbehave in every way that real ones do.

It records each request, and when the client went away during it.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import attrs
import trio

Behaviour = Callable[["Answering"], Awaitable[None]]


@attrs.define(eq=False)
class Asked:
    """One request. ``left`` is set when the client closed the connection before the answer was over."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    connection: int
    raw: bytes = attrs.field(kw_only=True, repr=False)
    method: str = attrs.field(default="POST", kw_only=True)
    left: trio.Event = attrs.field(factory=trio.Event)
    left_at: float = 0.0


@attrs.frozen
class Answering:
    """What a behaviour has to answer with."""

    stream: trio.SocketStream
    asked: Asked

    async def head(self, status: int, headers: Sequence[str]) -> None:
        lines = [f"HTTP/1.1 {status} Whatever", *headers, "", ""]
        await self.stream.send_all("\r\n".join(lines).encode())

    async def whole(self, status: int, body: bytes, *headers: str) -> None:
        await self.head(status, [*headers, f"Content-Length: {len(body)}"])
        await self.stream.send_all(body)

    async def event(self, data: str) -> None:
        await self.chunk(f"data: {data}\n\n".encode())

    async def chunk(self, data: bytes) -> None:
        await self.stream.send_all(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    async def begin_events(self) -> None:
        await self.head(200, ["Content-Type: text/event-stream", "Transfer-Encoding: chunked"])

    async def token(self, text: str, field: str = "content") -> None:
        await self.event(json.dumps({"choices": [{"index": 0, "delta": {field: text}}]}))

    async def finish(self, reason: str = "stop") -> None:
        await self.event(json.dumps({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}))
        await self.event("[DONE]")
        await self.stream.send_all(b"0\r\n\r\n")


def streaming(*tokens: str, delay: float = 0.0, reason: str = "stop") -> Behaviour:
    """Answer with these tokens, ``delay`` seconds before each."""

    async def answer(answering: Answering) -> None:
        await answering.begin_events()
        for token in tokens:
            await trio.sleep(delay)
            await answering.token(token)
        await answering.finish(reason)

    return answer


def reasoning(thoughts: Sequence[str], tokens: Sequence[str]) -> Behaviour:
    """Think first, in the field that DeepSeek has for it."""

    async def answer(answering: Answering) -> None:
        await answering.begin_events()
        for thought in thoughts:
            await answering.token(thought, "reasoning_content")
        for token in tokens:
            await answering.token(token)
        await answering.finish()

    return answer


def refusing(status: int, error: object = None, *headers: str) -> Behaviour:
    """Answer with an error, in the JSON that such servers send, or with plain text."""

    async def answer(answering: Answering) -> None:
        body = error.encode() if isinstance(error, str) else json.dumps({"error": error}).encode()
        kind = "text/plain" if isinstance(error, str) else "application/json"
        await answering.whole(status, body, f"Content-Type: {kind}", *headers)

    return answer


def page(status: int = 200) -> Behaviour:
    """Answer with a web page, as a wrong address does."""

    async def answer(answering: Answering) -> None:
        await answering.whole(status, b"<!doctype html><h1>Welcome</h1>", "Content-Type: text/html")

    return answer


def body(data: bytes, kind: str) -> Behaviour:
    """Answer with some bytes."""

    async def answer(answering: Answering) -> None:
        await answering.whole(200, data, f"Content-Type: {kind}")

    return answer


def lingering(*tokens: str, ends: bool) -> Behaviour:
    """Answer to the last event, and then leave the body open for ever, or break it off where it ``ends``."""

    async def answer(answering: Answering) -> None:
        await answering.begin_events()
        for token in tokens:
            await answering.token(token)
        await answering.event("[DONE]")
        if not ends:
            await trio.sleep_forever()
        await trio.sleep(0.01)
        await answering.stream.aclose()

    return answer


def hanging(*tokens: str) -> Behaviour:
    """Say these tokens, then nothing more for ever; without tokens, not even the head of an answer."""

    async def answer(answering: Answering) -> None:
        if tokens:
            await answering.begin_events()
        for token in tokens:
            await answering.token(token)
        await trio.sleep_forever()

    return answer


def cut(*tokens: str) -> Behaviour:
    """Say these tokens, then close the connection; without tokens, before the head of an answer."""

    async def answer(answering: Answering) -> None:
        if tokens:
            await answering.begin_events()
        for token in tokens:
            await answering.token(token)
        await answering.stream.aclose()

    return answer


def events(*data: str) -> Behaviour:
    """Answer with these events, whatever they are, and end without saying so."""

    async def answer(answering: Answering) -> None:
        await answering.begin_events()
        for event in data:
            await answering.event(event)
        await answering.stream.send_all(b"0\r\n\r\n")

    return answer


@attrs.define(eq=False)
class ModelServer:
    """Behaves as ``script`` says, one request after the other, and then always as ``behaviour`` does."""

    port: int
    behaviour: Behaviour = attrs.field(factory=lambda: streaming("Hello ", "there."))
    script: list[Behaviour] = attrs.field(factory=list)
    asked: list[Asked] = attrs.field(factory=list)
    connections: int = 0

    @property
    def url(self) -> str:
        """What a configuration names as ``base_url``."""
        return f"http://127.0.0.1:{self.port}/v1"

    async def serve(self, stream: trio.SocketStream) -> None:
        """One connection, with as many requests as the client likes."""
        self.connections += 1
        reader, number = _Reader(stream), self.connections
        try:
            while (asked := await reader.request(number)) is not None:
                self.asked.append(asked)
                behaviour = self.script.pop(0) if self.script else self.behaviour
                await self._answer(behaviour, Answering(stream, asked), reader)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return

    @staticmethod
    async def _answer(behaviour: Behaviour, answering: Answering, reader: _Reader) -> None:
        asked = answering.asked

        async def watch() -> None:
            await reader.until_gone()
            asked.left_at = trio.current_time()
            asked.left.set()
            nursery.cancel_scope.cancel()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch)
            try:
                await behaviour(answering)
            except trio.BrokenResourceError:
                await asked.left.wait()
            nursery.cancel_scope.cancel()


@attrs.define(eq=False)
class _Reader:
    """The bytes that a client sends, as requests."""

    _stream: trio.SocketStream
    _bytes: bytearray = attrs.field(factory=bytearray, init=False)

    async def request(self, connection: int) -> Asked | None:
        """The next request, or None where there are no more."""
        while b"\r\n\r\n" not in self._bytes:
            if not await self._more():
                return None
        head, _, _ = bytes(self._bytes).partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        end = len(head) + 4 + int(headers.get("content-length", 0))
        while len(self._bytes) < end:
            if not await self._more():
                return None
        raw = bytes(self._bytes[len(head) + 4 : end])
        kind = headers.get("content-type", "")
        content = (
            {} if kind.startswith(("multipart", "audio", "application/ssml")) else json.loads(raw or b"{}")
        )
        del self._bytes[:end]
        return Asked(first.split()[1], headers, content, connection, raw=raw, method=first.split()[0])

    async def until_gone(self) -> None:
        """Return when the client has closed its side."""
        try:
            while await self._more():
                pass
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return

    async def _more(self) -> bool:
        data = await self._stream.receive_some(65_536)
        self._bytes += data
        return bool(data)


@asynccontextmanager
async def open_model_server() -> AsyncIterator[ModelServer]:
    """A server on a free port of this machine, until the block is left."""
    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        server = ModelServer(listener.socket.getsockname()[1])
        nursery.start_soon(trio.serve_listeners, server.serve, [listener])
        yield server
        nursery.cancel_scope.cancel()
