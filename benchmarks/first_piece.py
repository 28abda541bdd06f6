"""From the first 0.3 s of a streaming voice's sound to the first sound that leaves for the client.

``python benchmarks/first_piece.py [turns]``. The voice is a process of its own behind HTTP, as `openai_tts`
with ``file_extension: pcm`` asks it: 24 kHz, in chunks of 50 ms, one and a half times as fast as speech. The
server runs in this process, its client at the other end of a memory wire. For each form of sound: the median
and the longest of all turns. Exits with 1 where the longest is beyond the bound.
"""

from __future__ import annotations

import json
import statistics
import struct
import sys
import time
from collections.abc import Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import trio
from loguru import logger

from trio_backend.backend import BackendOptions, open_backend
from trio_backend.client.memory_wire import MemoryWire, memory_wire_pair
from trio_backend.config.catalog import MemoryCatalog
from trio_backend.config.character import CharacterConfig, EngineChoice
from trio_backend.config.system import SystemConfig
from trio_backend.engines.settings import Environment
from trio_backend.history.memory import MemoryHistory

BOUND = 60.0  # ms
RATE, CHUNK, FASTER, SECONDS, FIRST = 24_000, 0.05, 1.5, 2.0, 0.3
SOUND = struct.pack("<h", 3_000) * int(CHUNK * RATE)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: audio/pcm\r\nTransfer-Encoding: chunked\r\n\r\n"
TEXT = "This is what a voice of two seconds says."


def serve(port: Connection) -> None:
    """Answer every request with the same sound, in time; tell when the first 0.3 s of each had been sent."""

    async def answer(stream: trio.SocketStream) -> None:
        received = b""
        while piece := await stream.receive_some():
            received += piece
            if not received.endswith(b"}"):
                continue  # the head and the body may come apart
            received = b""
            await stream.send_all(HEAD)
            began = trio.current_time()
            for number in range(1, round(SECONDS / CHUNK) + 1):
                await trio.sleep_until(began + number * CHUNK / FASTER)
                await stream.send_all(b"%x\r\n%s\r\n" % (len(SOUND), SOUND))
                if number == round(FIRST / CHUNK):
                    port.send(time.monotonic())
            await stream.send_all(b"0\r\n\r\n")

    async def run() -> None:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        port.send(listener.socket.getsockname()[1])
        await trio.serve_listeners(answer, [listener])

    trio.run(run)


async def turns(wire: MemoryWire, voice: Connection, accepts: str, count: int) -> list[float]:
    """Milliseconds, of ``count`` turns, from the voice's first 0.3 s to the first sound here."""

    async def say(**message: object) -> None:
        await wire.send(json.dumps(message).encode())

    while b"start-mic" not in _bytes(await wire.receive()):
        pass
    await say(type="hello", accepts=[accepts])
    waits = []
    for _ in range(count):
        await say(type="text-input", text=TEXT)
        heard = 0.0
        while True:
            frame = await wire.receive()
            message = {} if isinstance(frame, bytes) else json.loads(frame)
            if isinstance(frame, bytes) or message.get("audio"):
                heard = heard or time.monotonic()
            if message.get("type") == "backend-synth-complete":
                await say(type="frontend-playback-complete")
            elif message.get("text") == "conversation-chain-end":
                break
        waits.append(1000 * (heard - voice.recv()))
    return waits


def _bytes(frame: str | bytes) -> bytes:
    return frame.encode() if isinstance(frame, str) else frame


def options(port: int) -> BackendOptions:
    """A backend whose only character speaks with the voice behind ``port``."""

    async def no_backgrounds() -> Sequence[str]:
        return ()

    settings = {"base_url": f"http://127.0.0.1:{port}/v1", "file_extension": "pcm"}
    character = CharacterConfig(
        file="conf.yaml",
        conf_name="bench",
        conf_uid="bench",
        character_name="Bench",
        avatar="",
        llm=EngineChoice("llm", "echo_llm", {}),
        tts=EngineChoice("tts", "openai_tts", settings),
        model_info={},
        emotions={},
        system_prompt="",
        nudge_prompt="",
    )
    catalog = MemoryCatalog(character, {})
    system = SystemConfig(preload=False)
    return BackendOptions(system, catalog, MemoryHistory(), Environment(Path(), {}), no_backgrounds)


async def measure(voice: Connection, count: int) -> bool:
    """Print the figures; whether all are within the bound."""
    within = True
    async with open_backend(options(voice.recv())) as backend, trio.open_nursery() as nursery:
        for accepts in ("pieces", "bytes"):
            ours, theirs = memory_wire_pair()
            nursery.start_soon(backend.serve_client, theirs)
            # The first one connects.
            waits = (await turns(ours, voice, accepts, count + 1))[1:]
            within = within and max(waits) <= BOUND
            print(f"{accepts:7} median {statistics.median(waits):5.1f} ms, longest {max(waits):5.1f} ms")
            await ours.close()
        nursery.cancel_scope.cancel()
    return within


def main() -> int:
    """The exit code."""
    logger.remove()
    context = get_context("spawn")
    voice, port = context.Pipe()
    process = context.Process(target=serve, args=(port,), daemon=True)
    process.start()
    try:
        return 0 if trio.run(measure, voice, int(sys.argv[1]) if sys.argv[1:] else 20) else 1
    finally:
        process.terminate()


if __name__ == "__main__":
    raise SystemExit(main())
