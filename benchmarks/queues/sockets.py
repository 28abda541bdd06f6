"""From a `text-input` on a real socket to the model's request, with no other client: ours, and as it was."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections import deque
from functools import partial
from pathlib import Path

import attrs
import trio
from trio_websocket import open_websocket_url
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection
from websockets.asyncio.server import serve as serve_websockets

from trio_backend.config.character import EngineChoice
from trio_backend.config.folder import Config
from trio_backend.config.load import load_config, packaged_conf
from trio_backend.engines.base import Prompt
from trio_backend.engines.llm.echo import Echo
from trio_backend.serving import serve

from .on_asyncio import Asked, Page, consume, fire_and_forget
from .workload import Forward

END = "conversation-chain-end"


def rooms(tries: int) -> list[float]:
    """Seconds, for each of ``tries`` messages in an idle room of a whole server."""
    asked: list[float] = []
    reply = Echo.reply

    def timed(echo: Echo, prompt: Prompt) -> object:
        asked.append(time.perf_counter())
        return reply(echo, prompt)

    Echo.reply = timed  # type: ignore[method-assign, assignment]
    return trio.run(_ask_rooms, tries, asked)


async def _ask_rooms(tries: int, asked: list[float]) -> list[float]:
    said = []
    with tempfile.TemporaryDirectory() as folder:
        shutdown = trio.Event()
        async with trio.open_nursery() as nursery:
            address = await nursery.start(partial(serve, _config(Path(folder)), shutdown=shutdown))
            url = address.replace("http", "ws") + "/proxy-ws"
            async with open_websocket_url(url) as websocket:
                for number in range(tries + 1):
                    said.append(time.perf_counter())
                    await websocket.send_message(json.dumps({"type": "text-input", "text": f"Try {number}."}))
                    while json.loads(await websocket.get_message()).get("text") != END:
                        pass
            shutdown.set()
    # With the first one the character comes in.
    return [then - now for now, then in zip(said, asked, strict=True)][1:]


def _config(folder: Path) -> Config:
    config = load_config(packaged_conf() / "conf.yaml", environ={}).config
    system = attrs.evolve(
        config.system,
        port=0,
        enable_proxy=True,
        history_file=str(folder / "history.sqlite3"),
        cache_dir=str(folder / "cache"),
    )
    model, voice = EngineChoice("llm", "echo_llm", {}), EngineChoice("tts", "none_tts", {})
    return attrs.evolve(config, system=system, character=attrs.evolve(config.character, llm=model, tts=voice))


def fire_and_forget_over_sockets(tries: int) -> list[float]:
    """Seconds, for each of ``tries`` messages to a server with a queue as it was."""
    return asyncio.run(_ask_as_it_was(tries))


async def _ask_as_it_was(tries: int) -> list[float]:
    queue: deque[Asked] = deque()
    forwards: list[Forward] = []

    async def receive(connection: ServerConnection) -> None:
        async for frame in connection:
            json.loads(frame)
            queue.append(Asked(Page(), forwards[-1]))

    consumer = asyncio.create_task(consume(queue, fire_and_forget()))
    async with serve_websockets(receive, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        async with connect(f"ws://127.0.0.1:{port}") as client:
            for number in range(tries):
                forwards.append(Forward(1, time.perf_counter()))
                await client.send(json.dumps({"type": "text-input", "text": f"Try {number}."}))
                # People do not wait for the beat of a poll.
                await asyncio.sleep(0.11 + 0.0137 * (number % 8))
    await asyncio.sleep(0.2)
    consumer.cancel()
    return [forward.began - forward.said for forward in forwards if forward.began is not None]
