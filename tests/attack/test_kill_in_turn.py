"""`kill -9` in the middle of turns that follow each other without a gap: nothing lost, nothing doubled."""

from __future__ import annotations

import os
import random
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import attrs
import pytest
import trio

from tests.client import Client
from tests.serving.servers import SocketWire, open_server_process
from trio_backend.client.connection import shake_hands
from trio_backend.errors import WireClosed
from trio_backend.history.sqlite import open_sqlite_history
from trio_backend.history.store import Owner

# Each is the start of a server; fifty by hand.
KILLS = int(os.environ.get("TRIO_BACKEND_KILLS", "3"))

CLIENTS = 4
IRIS = Owner("iris_001")
CONF = """
character_config:
  conf_name: iris
  conf_uid: iris_001
  persona_prompt: You are Iris.
  agent_config:
    agent_settings: {basic_memory_agent: {llm_provider: echo_llm}}
  tts_config: {tts_model: tone_tts}
system_config:
  history_file: history.sqlite3
"""


@attrs.define(eq=False)
class HeldBack(trio.abc.Stream):
    """A stream that sends what was held back in one piece with what follows."""

    stream: trio.SocketStream
    holding: bool = False
    _held: bytearray = attrs.field(factory=bytearray)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """See `trio.abc.SendStream`."""
        self._held += data
        if not self.holding:
            together, self._held = bytes(self._held), bytearray()
            await self.stream.send_all(together)
        await trio.lowlevel.checkpoint()

    async def wait_send_all_might_not_block(self) -> None:
        """See `trio.abc.SendStream`."""
        await self.stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """See `trio.abc.ReceiveStream`."""
        return bytes(await self.stream.receive_some(max_bytes))

    async def aclose(self) -> None:
        """See `trio.abc.AsyncResource`."""
        await self.stream.aclose()


@asynccontextmanager
async def open_held_client(address: str) -> AsyncIterator[tuple[Client, HeldBack]]:
    """A client and its stream."""
    host, port = address.removeprefix("http://").split(":")
    async with (
        trio.open_nursery() as nursery,
        HeldBack(await trio.open_tcp_stream(host, int(port))) as stream,
    ):
        websocket = await shake_hands(nursery, cast(trio.SocketStream, stream), host, "/client-ws")
        assert websocket is not None
        async with websocket:
            client = Client(SocketWire(websocket))
            await client.until("control", text="start-mic")
            yield client, stream


async def talk(address: str, name: str, said: list[str], told: list[str]) -> None:
    """One turn after the other, until the server is gone: ``told`` are those whose end was told."""
    try:
        async with open_held_client(address) as (client, stream):

            async def ask() -> None:
                said.append(f"This is {len(said)} of {name}.")
                await client.say("text-input", text=said[-1])

            await ask()
            while True:
                message = await client.hear()
                if message["type"] == "backend-synth-complete":
                    stream.holding = True
                    await client.say("frontend-playback-complete")
                    stream.holding = False
                    await ask()
                elif message.get("text") == "conversation-chain-end":
                    told.append(said[len(told)])
    except* (WireClosed, OSError, trio.BrokenResourceError):
        pass


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
async def test_what_was_told_is_stored_once(tmp_path: Path) -> None:
    """The next message comes in the same packet as the end of playback, and the server dies at any moment."""
    (tmp_path / "conf.yaml").write_text(CONF)
    moments = random.Random(50)
    told: list[str] = []
    said: list[str] = []
    for life in range(KILLS):
        spoken = [([], []) for _ in range(CLIENTS)]  # type: list[tuple[list[str], list[str]]]
        async with (
            open_server_process(tmp_path / "conf.yaml", tmp_path) as server,
            trio.open_nursery() as nursery,
        ):
            for number, (one_said, one_told) in enumerate(spoken):
                nursery.start_soon(talk, server.address, f"{number} in life {life}", one_said, one_told)
            await trio.sleep(moments.uniform(0.3, 0.8))
            server.process.kill()
        for one_said, one_told in spoken:
            said += one_said
            told += one_told

    stored: Counter[tuple[str, str]] = Counter()
    async with open_sqlite_history(tmp_path / "history.sqlite3") as history:
        for one in await history.conversations(IRIS, limit=10_000):
            messages = await history.messages(IRIS, one.uid, limit=100_000)
            stored.update((message.role, message.content) for message in messages)
    assert len(told) > 10 * KILLS
    expected = {(role, text) for text in told for role in ("human", "ai")}
    assert not expected - stored.keys(), f"lost: {sorted(expected - stored.keys())}"
    assert not {key: count for key, count in stored.items() if count > 1}, "doubled"
    assert {text for _, text in stored} <= set(said)
    print(f"{len(told)} turns told, {sum(stored.values())} messages stored, {KILLS} kills")
