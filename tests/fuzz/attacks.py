"""How a case reaches the server. An attack raises `Fault` where it sees itself that something is wrong."""

from __future__ import annotations

import json
import re
import signal
import socket
import struct
import sys
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, TypeAlias
from zlib import crc32

import attrs
import trio

from tests.server.raw_client import CLOSE, PING, PONG, TEXT, frame, handshake, masked
from trio_backend.config.load import survey
from trio_backend.engines.asr.scripted import write

from .case import pieces
from .received import Received
from .subject import Fault, Subject
from .yaml_files import MARK

Attack: TypeAlias = Callable[[Subject, bytes], Awaitable[None]]

ENDING = 10.0
"""Seconds in which the server must answer, or close, once a client has said that this was all."""
TURN = 45.0
"""Seconds that a turn may take whose engines misbehave: they are asked again."""
PATHS = ("/client-ws", "/client-ws", "/client-ws", "/proxy-ws?room=fuzz")
"""Where messages go, by the case."""
SYNC = b"fuzz-sync"
_LINGER = struct.pack("ii", 1, 0)
_WENT = (trio.BrokenResourceError, ConnectionError)


@asynccontextmanager
async def connect(subject: Subject, data: bytes) -> AsyncIterator[trio.SocketStream]:
    """A connection that is reset at its end, so that no port stays taken for a minute.

    On Linux its own address is one of thirty of this machine, by the case, as one has but 28 000 ports.
    """
    with trio.socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER)
        if sys.platform == "linux":
            await sock.bind((f"127.0.0.{2 + crc32(data) % 30}", 0))
        await sock.connect(("127.0.0.1", subject.port))
        yield trio.SocketStream(sock)


async def converse(subject: Subject, data: bytes) -> bytes:
    """Send a case, say that this was all, and return what comes back. Raises `Fault` if the server does not
    close then.
    """
    async with connect(subject, data) as stream:
        with suppress(*_WENT):
            for piece in pieces(data):
                await stream.send_all(piece)
            if crc32(data) % 4 == 0:
                # This one waits for a word first; the others have hung up their end before it comes.
                with trio.move_on_after(0.05):
                    return await stream.receive_some() + await _rest(stream)
            await stream.send_eof()
        return await _rest(stream)


async def _rest(stream: trio.SocketStream) -> bytes:
    received = bytearray()
    with trio.move_on_after(ENDING) as patience, suppress(*_WENT):
        if stream.socket.fileno() >= 0:
            with suppress(*_WENT, trio.ClosedResourceError, OSError):
                await stream.send_eof()
        while more := await stream.receive_some():
            received += more if len(received) < 2**20 else b""
    if patience.cancelled_caught:
        raise Fault(f"the connection is still open {ENDING:g} s after its client sent all")
    return bytes(received)


async def say_bytes(subject: Subject, data: bytes) -> None:
    """Send raw bytes. The answer is not 500, and a WebSocket behind it is not closed with 1011."""
    for _ in Received(_closes(data)).feed(await converse(subject, data)):
        pass


async def say_frames(subject: Subject, data: bytes) -> None:
    """Send a handshake with frames, then a ping; wait for its answer, the end, or a quarter of a second."""
    async with connect(subject, data) as stream, trio.open_nursery() as nursery:

        async def say() -> None:
            with within(ENDING, "taking the frames, or closing"), suppress(*_WENT):
                for piece in (*pieces(data), frame(PING, SYNC)):
                    await stream.send_all(piece)
            with trio.move_on_after(0.25):
                await answered.wait()
            nursery.cancel_scope.cancel()

        answered = trio.Event()
        nursery.start_soon(say)
        await _until_pong(stream, Received(_closes(data)))
        answered.set()


async def say_messages(subject: Subject, data: bytes) -> None:
    """Send each line as a text message, and a ping behind them, to be answered unless the server closes."""
    async with connect(subject, data) as stream, trio.open_nursery() as nursery:

        async def say() -> None:
            with suppress(*_WENT):
                await stream.send_all(handshake(PATHS[crc32(data) % len(PATHS)]))
                for line in data.split(b"\n"):
                    await stream.send_all(frame(TEXT, line))
                await stream.send_all(frame(PING, SYNC))

        nursery.start_soon(say)
        with within(ENDING, "the answer to a ping behind the messages"):
            await _until_pong(stream, Received())
        nursery.cancel_scope.cancel()


def _closes(data: bytes) -> bool:
    """Whether a frame in ``data`` may be our own close 1011, which is answered with the same code."""
    return masked((1011).to_bytes(2, "big")) in data or b"\x03\xf3" in data


async def _until_pong(stream: trio.SocketStream, received: Received) -> None:
    """Read until the ping with `SYNC` is answered, or the server closes."""
    with suppress(*_WENT):
        while more := await stream.receive_some():
            for first, payload in received.feed(more):
                if first & 0xF == PONG and payload == SYNC:
                    return


@attrs.define(eq=False)
class Talk:
    """A WebSocket on which messages are exchanged."""

    _stream: trio.SocketStream
    _received: Received = attrs.field(factory=Received, init=False)
    _frames: deque[tuple[int, bytes]] = attrs.field(factory=deque, init=False)

    async def open(self) -> None:
        """Ask for the WebSocket."""
        await self._stream.send_all(handshake("/client-ws"))

    async def say(self, **message: object) -> None:
        """Send one message."""
        await self._stream.send_all(frame(TEXT, json.dumps(message).encode()))

    async def until(self, *types: str) -> dict[str, Any]:
        """The next message of one of these types. Raises `Fault` if the server closes first."""
        while True:
            while self._frames:
                first, payload = self._frames.popleft()
                if first & 0xF == CLOSE:
                    raise Fault(f"close {int.from_bytes(payload[:2], 'big')} {payload[2:]!r}")
                if first & 0xF == PING:
                    await self._stream.send_all(frame(PONG, payload))
                elif first & 0xF == TEXT:
                    message: dict[str, Any] = json.loads(payload)
                    if message["type"] in types:
                        return message
            await self._more()

    async def _more(self) -> None:
        try:
            more = await self._stream.receive_some()
        except _WENT:
            more = b""
        if not more:
            raise Fault("the server closed a connection on which nothing wrong was said")
        self._frames.extend(self._received.feed(more))


@asynccontextmanager
async def talk(subject: Subject, data: bytes) -> AsyncIterator[Talk]:
    """A client with a WebSocket of its own."""
    async with connect(subject, data) as stream:
        talking = Talk(stream)
        await talking.open()
        yield talking


@contextmanager
def within(seconds: float, what: str) -> Iterator[None]:
    """Raises `Fault` if the block takes longer."""
    with trio.move_on_after(seconds) as scope:
        yield
    if scope.cancelled_caught:
        raise Fault(f"{what} took more than {seconds:g} s")


async def have_turn(subject: Subject, data: bytes, text: str) -> None:
    """A turn with ``text`` ends, however it ends."""
    with within(TURN, "a turn"):
        async with talk(subject, data) as client:
            await client.say(type="text-input", text=text)
            while True:
                heard = await client.until("backend-synth-complete", "control")
                if heard["type"] == "backend-synth-complete":
                    await client.say(type="frontend-playback-complete")
                elif heard["text"] == "conversation-chain-end":
                    return


async def have_heard(subject: Subject, data: bytes, text: str) -> None:
    """An utterance that means ``text`` is answered by ``POST /asr``."""
    wav = write(text).to_wav()
    form = (
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
        + wav
        + b"\r\n--b--\r\n"
    )
    lines = ["POST /asr HTTP/1.1", "Host: 127.0.0.1", "Connection: close", f"Content-Length: {len(form)}"]
    head = "\r\n".join([*lines, "Content-Type: multipart/form-data; boundary=b", "", ""]).encode()
    with within(TURN, "an utterance"):
        async with connect(subject, data) as stream:
            await stream.send_all(head + form)
            received = b""
            with suppress(*_WENT):
                while more := await stream.receive_some():
                    received += more
    if not re.match(rb"HTTP/1.1 (200|502|503) ", received):
        raise Fault(f"POST /asr was answered with {received[:200]!r}")


async def load_file(subject: Subject, data: bytes) -> None:
    """Load the file here, within two seconds; then have the server list it, and become it."""
    is_base = data.startswith(MARK)
    folder = subject.folder / "loaded"
    (folder / "characters").mkdir(parents=True, exist_ok=True)
    path = folder / "conf.yaml" if is_base else folder / "characters" / "fuzz.yaml"
    (folder / "conf.yaml").write_bytes((subject.folder / "conf.yaml").read_bytes())
    path.write_bytes(data)
    with _no_longer_than(2.0):
        survey(folder / "conf.yaml", {})
    if is_base:
        return
    path = subject.folder / "characters" / "fuzz.yaml"
    path.write_bytes(data)
    try:
        async with talk(subject, data) as client:
            with within(ENDING, "fetch-configs"):
                await client.say(type="fetch-configs")
                await client.until("config-files")
            await client.say(type="switch-config", file="fuzz.yaml")
            # Its engines may take an hour to load, if that is what the file says.
            with trio.move_on_after(2):
                await client.until("config-switched", "error")
    finally:
        path.unlink()


@contextmanager
def _no_longer_than(seconds: float) -> Iterator[None]:
    """Raises `Fault` in the midst of blocking code that takes longer, on machines that have alarms."""
    if not hasattr(signal, "setitimer"):
        yield
        return

    def stop(*_: object) -> None:
        raise Fault(f"loading took more than {seconds:g} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
