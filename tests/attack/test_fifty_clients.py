"""Clients that hold all they may: the server's memory stays within what its bounds say, and is given back."""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

import attrs
import psutil
import pytest
import trio

from tests.fuzz.attacks import Talk, connect
from tests.fuzz.subject import Fault, Start, Subject, open_subject
from tests.fuzz.targets import conf
from tests.server.raw_client import BINARY, TEXT, frame, handshake
from trio_backend.config.system import SystemConfig
from trio_backend.observe.resources import memory_of_machine

MIB = 2**20
FULL = "TRIO_BACKEND_FIFTY_CLIENTS"
"""Set to anything, this environment variable asks for fifty clients and the default bounds: some minutes."""
# What the process takes besides: more threads, their stacks and arenas, the caches of libraries, one message
# of each client on its way through the decoder.
BESIDES = 24 * MIB
GIVEN_BACK = 30.0
SHARE_LEFT = 0.1

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="memory is counted otherwise there")


@attrs.frozen
class Crowd:
    """So many clients, the bounds of their server, and what one of them sends of pictures; in bytes."""

    clients: int
    per_client: int
    message: int
    pictures: int

    @property
    def conf(self) -> str:
        bounds = f"max_memory_per_client: {self.per_client}\n  max_message_size: {self.message}"
        return conf().replace("enable_proxy: true", f"enable_proxy: true\n  {bounds}")

    @property
    def bound(self) -> int:
        """Bytes that all clients' data may take, as the README's table has it."""
        share = SystemConfig().max_memory_share
        return min(self.clients * self.per_client, round(share * memory_of_machine()))


# Two of the five send pictures: more than is allowed, and no more than a server takes in at once.
SMALL = Crowd(5, 2 * MIB, MIB, 30 * MIB)
LARGE = Crowd(50, SystemConfig().max_memory_per_client, SystemConfig().max_message_size, 96 * MIB)

Hold: TypeAlias = Callable[[trio.SocketStream, Crowd], Awaitable[None]]


async def pictures(stream: trio.SocketStream, crowd: Crowd) -> None:
    """Three times what is allowed or more, in pictures as large as may be, each in a turn of its own."""
    client = Talk(stream)
    await client.open()
    data = "data:image/png;base64," + "A" * (crowd.message - 1000)
    for _ in range(crowd.pictures // crowd.message):
        await client.say(type="text-input", text="a", images=[{"data": data}])
        while (await client.until("backend-synth-complete", "error"))["type"] != "backend-synth-complete":
            pass
        await client.say(type="frontend-playback-complete")


async def sound(stream: trio.SocketStream, crowd: Crowd) -> None:
    """An utterance that does not end: two minutes of it, as JSON, where one may last one."""
    client = Talk(stream)
    await client.open()
    for _ in range(120):
        await client.say(type="mic-audio-data", audio=[0.0] * 16_000)
        # As fast as the server takes it, and no faster than its limit of messages.
        await client.say(type="heartbeat")
        await client.until("heartbeat-ack")


async def binary_sound(stream: trio.SocketStream, crowd: Crowd) -> None:
    """The same as 16-bit samples."""
    client = Talk(stream)
    await client.open()
    await client.say(type="mic-format", format="pcm16")
    for _ in range(120):
        await stream.send_all(frame(BINARY, bytes(32_000)))
        await client.say(type="heartbeat")
        await client.until("heartbeat-ack")


async def unfinished(stream: trio.SocketStream, crowd: Crowd) -> None:
    """A message, nearly as large as one may be, whose end does not come."""
    await stream.send_all(handshake("/client-ws") + frame(TEXT, b'{"type":"', fin=False))
    for _ in range(crowd.message // 2**16 - 1):
        await stream.send_all(frame(0, b"x" * 2**16, fin=False))


async def upload(stream: trio.SocketStream, crowd: Crowd) -> None:
    """A sound file for POST /asr whose end does not come."""
    size = 4 * crowd.per_client
    lines = ["POST /asr HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {size}"]
    await stream.send_all(
        "\r\n".join([*lines, "Content-Type: multipart/form-data; boundary=b", "", ""]).encode()
    )
    await stream.send_all(b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n')
    for _ in range(size // 2**16 - 1):
        await stream.send_all(bytes(2**16))


HOLDS: tuple[Hold, ...] = (pictures, unfinished, upload, sound, binary_sound)


@attrs.define(eq=False)
class Watch:
    """The memory of a process, looked at again and again. ``most`` is the most that was seen, in bytes."""

    process: psutil.Process
    most: int = 0

    def rss(self) -> int:
        now = int(self.process.memory_info().rss)
        self.most = max(self.most, now)
        return now

    async def run(self) -> None:
        while True:
            self.rss()
            await trio.sleep(0.02)


async def hold(subject: Subject, crowd: Crowd, number: int, full: trio.Event, leave: trio.Event) -> None:
    """One client, which keeps its connection until all ``leave``, if it may."""
    async with connect(subject, bytes([number])) as stream:
        # The server may refuse what is too much, by closing too.
        with suppress(Fault, trio.BrokenResourceError), trio.move_on_after(300):
            await HOLDS[number % len(HOLDS)](stream, crowd)
        full.set()
        await leave.wait()


async def attack(subject: Subject, crowd: Crowd) -> int:
    """All clients hold all they may, and leave. The most memory meanwhile, in bytes."""
    watch, leave = Watch(psutil.Process(subject.process.pid)), trio.Event()
    full = [trio.Event() for _ in range(crowd.clients)]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch.run)
        async with trio.open_nursery() as clients:
            for number in range(crowd.clients):
                clients.start_soon(hold, subject, crowd, number, full[number], leave)
            for each in full:
                await each.wait()
            watch.rss()
            leave.set()
        nursery.cancel_scope.cancel()
    return watch.most


async def test_what_clients_hold_is_bounded_and_given_back(tmp_path: Path) -> None:
    """Pictures, unfinished messages, uploads and sound of all clients take no more than is computed.

    When they have left, the memory is as before within 30 s, though nobody does anything then.
    """
    crowd = LARGE if os.environ.get(FULL) else SMALL
    async with open_subject(Start(crowd.conf), tmp_path) as subject:
        # What the process takes once: libraries that are loaded when they are first needed, and threads.
        await attack(subject, Crowd(len(HOLDS), MIB // 2, MIB // 4, MIB))
        await trio.sleep(1)
        watch = Watch(psutil.Process(subject.process.pid))
        start = watch.rss()
        most = await attack(subject, crowd)
        with trio.move_on_after(GIVEN_BACK):
            while watch.rss() > (1 + SHARE_LEFT) * start:
                await trio.sleep(0.1)
        left = watch.rss()
        figures = (
            f"{start / MIB:.0f} MiB at the start, {most / MIB:.0f} at most, {left / MIB:.0f} after; "
            f"{crowd.bound / MIB:.0f} are allowed to all clients"
        )
        print(figures)
        assert most <= start + crowd.bound + BESIDES, figures
        assert left <= (1 + SHARE_LEFT) * start, figures
        await subject.check()
