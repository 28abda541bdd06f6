"""A whole server, and a bystander: a client that must notice nothing of what others do to the server."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import attrs
import trio
from loguru import logger

from tests.client import Client
from tests.server.raw_client import Answer, RawClient, connect
from tests.serving.servers import configured, open_client, open_server, wait_ready
from trio_backend.config.character import EngineChoice

ECHO, TONE = EngineChoice("llm", "echo_llm", {}), EngineChoice("tts", "tone_tts", {})
END = {"type": "control", "text": "conversation-chain-end"}
BUGS = re.compile(r'^trio_backend_bugs_total\{part="([^"]+)"\} (\d+)', re.MULTILINE)


@contextmanager
def errors_logged() -> Iterator[list[str]]:
    """What is logged at ERROR and above meanwhile, traces included, as the running server writes it."""
    lines: list[str] = []
    sink = logger.add(lines.append, level="ERROR", format="{message}\n{exception}", diagnose=False)
    try:
        yield lines
    finally:
        logger.remove(sink)


@attrs.frozen
class Attacked:
    """A server at ``address``, and a client that is in the middle of a conversation."""

    address: str
    bystander: Client

    @property
    def port(self) -> int:
        return int(self.address.rsplit(":", 1)[1])

    async def check_bystander(self) -> None:
        """The bystander gets its answers, as if nothing had happened."""
        with trio.fail_after(10):
            await self.bystander.say("heartbeat")
            await self.bystander.until("heartbeat-ack")
            assert (await self.bystander.turn("Are you there?"))[-1].items() >= END.items()

    async def get(self, path: str) -> Answer:
        """The answer to an ordinary request on a connection of its own."""
        async with connect(self.port) as client:
            await client.send(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
            return await client.answer()

    async def bugs(self) -> dict[str, int]:
        """How many bugs were counted, by the part of the server that they ended."""
        with trio.fail_after(5):
            # Connections that have just been closed may still count against the limit.
            while (answer := await self.get("/metrics")).status == 503:
                await trio.sleep(0.01)
        text = answer.body.decode()
        return {part: int(count) for part, count in BUGS.findall(text)}

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[RawClient]:
        """A connection on which nothing was sent yet."""
        async with connect(self.port) as client:
            yield client


@asynccontextmanager
async def open_attacked(folder: Path, *, ready: bool = True, **system: object) -> AsyncIterator[Attacked]:
    """A server with the echo model and a bystander; wait until it is ``ready``, or do not."""
    async with open_server(configured(folder, llm=ECHO, tts=TONE, **system)) as address:
        if ready:
            await wait_ready(address)
        async with open_client(address) as bystander:
            yield Attacked(address, bystander)
