"""Rooms whose session is another server, which is a process of its own and can be killed."""

from __future__ import annotations

import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import attrs
import pytest
import trio

from tests.client import Client, Heard
from tests.ports import unused_port
from tests.serving.servers import configured, open_client, open_server, open_server_process
from tests.serving.test_serving import settles_to
from trio_backend.config.character import EngineChoice
from trio_backend.errors import WireClosed
from trio_backend.observe.resources import count_resources
from trio_backend.rooms import link

CONF = """
character_config:
  conf_name: iris
  conf_uid: iris_001
  character_name: Iris
  persona_prompt: You are Iris.
  agent_config:
    agent_settings: {basic_memory_agent: {llm_provider: echo_llm}}
    llm_configs: {echo_llm: {first_token_delay: 0.05}}
  tts_config: {tts_model: none_tts}
system_config:
  history_file: history.sqlite3
"""
# What a client is told of one message of its own.
REASONS = ("queue-full", "turn-failed", "upstream-lost")
ECHO, SILENT = EngineChoice("llm", "echo_llm", {}), EngineChoice("tts", "none_tts", {})


@asynccontextmanager
async def open_front(folder: Path, port: int, **system: object) -> AsyncIterator[str]:
    """A server with rooms whose sessions are at ``port``; its address."""
    config = configured(
        folder, llm=ECHO, tts=SILENT, enable_proxy=True, upstream_url=f"ws://127.0.0.1:{port}", **system
    )
    async with open_server(config) as address:
        yield address


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    """The other server's configuration."""
    path = tmp_path / "upstream" / "conf.yaml"
    path.parent.mkdir()
    path.write_text(CONF)
    return path


@attrs.define(eq=False)
class Chatterer:
    """Says something all the time, and notes what becomes of it."""

    client: Client
    name: str
    said: list[str] = attrs.field(factory=list)
    answered: Counter[str] = attrs.field(factory=Counter)
    codes: Counter[str] = attrs.field(factory=Counter)
    heard_at: float = 0.0

    async def talk(self, enough: trio.Event) -> None:
        while not enough.is_set():
            self.said.append(f"{self.name}-{len(self.said)}.")
            await self.client.say("text-input", text=self.said[-1])
            await trio.sleep(0.07)

    async def listen(self) -> None:
        try:
            while True:
                self.note(await self.client.hear())
        except WireClosed:
            pass

    def note(self, message: Heard) -> None:
        self.heard_at = trio.current_time()
        if message["type"] == "audio":
            self.answered[message["display_text"]["text"]] += 1
        elif message["type"] == "error":
            self.codes[message["code"]] += 1

    @property
    def told(self) -> int:
        """How many of its messages it was told would not be answered."""
        return sum(self.codes[code] for code in REASONS)

    @property
    def settled(self) -> bool:
        """Whether everything it said was answered or refused."""
        return len(self.said) <= sum(self.answered[text] > 0 for text in self.said) + self.told


@attrs.define(eq=False)
class Chatter:
    """Two clients in each of two rooms, talking."""

    chatterers: list[Chatterer]
    enough: trio.Event = attrs.field(factory=trio.Event)

    @property
    def answers(self) -> list[int]:
        """How many answers each of them has heard."""
        return [chatterer.answered.total() for chatterer in self.chatterers]

    async def wait_answers(self, count: int) -> None:
        """Wait until each of them has heard so many more: both rooms have met the server."""
        enough = [heard + count for heard in self.answers]
        with trio.fail_after(30):
            while any(heard < most for heard, most in zip(self.answers, enough, strict=True)):
                await trio.sleep(0.01)

    async def settle(self) -> None:
        """Wait until every message was answered or refused, and a second more, in which nothing may come."""
        with trio.fail_after(60):
            while not all(chatterer.settled for chatterer in self.chatterers):
                await trio.sleep(0.05)
        await trio.sleep(1)


async def kill_and_restart(conf: Path, port: int, chatter: Chatter) -> None:
    """A server that is killed five times, each time in the middle of its work; the sixth one stays."""
    for _ in range(5):
        async with open_server_process(conf, conf.parent, port=port) as server:
            await chatter.wait_answers(5)
            server.process.kill()
    async with open_server_process(conf, conf.parent, port=port):
        await chatter.wait_answers(5)
        chatter.enough.set()
        await chatter.settle()


async def chat_in_rooms(address: str, conf: Path, port: int) -> Chatter:
    """Talk while the other server dies and comes back; what became of it all."""
    async with AsyncExitStack() as stack:
        listening = await stack.enter_async_context(trio.open_nursery())
        clients = [
            await stack.enter_async_context(open_client(address, f"/proxy-ws?room={room}", greeted=False))
            for room in "aabb"
        ]
        chatter = Chatter([Chatterer(client, f"{number}") for number, client in enumerate(clients)])
        async with trio.open_nursery() as talking:
            for chatterer in chatter.chatterers:
                listening.start_soon(chatterer.listen)
                talking.start_soon(chatterer.talk, chatter.enough)
            talking.start_soon(kill_and_restart, conf, port, chatter)
        listening.cancel_scope.cancel("all is settled")
    return chatter


async def test_a_killed_server_answers_nothing_twice(
    tmp_path: Path, conf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed and restarted five times while four clients talk in two rooms: each message is answered once, or
    its sender is told; afterwards there is no task more than before."""
    monkeypatch.setattr(link, "BACKOFF", attrs.evolve(link.BACKOFF, longest=0.5))
    port = unused_port()
    async with open_front(tmp_path, port) as address:
        async with open_client(address) as client:
            await client.turn("Are you there?")
        before = count_resources()
        chatter = await chat_in_rooms(address, conf, port)
        await settles_to(before)
    for chatterer in chatter.chatterers:
        assert len(chatterer.said) > 20
        assert max(chatterer.answered.values()) == 1
        assert chatterer.told <= len(chatterer.said)
        assert chatterer.codes["upstream-down"] >= 5
    assert sum(chatterer.codes["upstream-lost"] for chatterer in chatter.chatterers) >= 5


async def test_a_room_of_another_server_is_like_any_other(tmp_path: Path, conf: Path) -> None:
    """The greeting, the turn, and who asked what; its character is the other server's."""
    port = unused_port()
    async with (
        open_server_process(conf, conf.parent, port=port),
        open_front(tmp_path, port) as address,
        open_client(address, "/proxy-ws") as ann,
        open_client(address, "/proxy-ws") as bob,
    ):
        await ann.say("text-input", text="Hello.", name="Ann")
        heard = await bob.until("control", text="conversation-chain-end")
        assert {"type": "user-input-transcription", "text": "Hello.", "name": "Ann"} in heard
        spoken = [message["display_text"] for message in heard if message["type"] == "audio"]
        assert [(line["name"], line["text"]) for line in spoken] == [("Iris", "Ann: Hello.")]


@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot be stopped there")
async def test_a_server_that_answers_no_pings_is_given_up(tmp_path: Path, conf: Path) -> None:
    """One that hangs, with its connection open: the clients are told, and it is met again once it goes on."""
    port = unused_port()
    async with (
        open_server_process(conf, conf.parent, port=port) as server,
        open_front(tmp_path, port, ping_interval=0.2, pong_timeout=3) as address,
        open_client(address, "/proxy-ws") as client,
    ):
        server.process.send_signal(signal.SIGSTOP)
        with trio.fail_after(30):
            await client.until("error", code="upstream-down")
        await client.say("text-input", text="Are you back?")
        server.process.send_signal(signal.SIGCONT)
        with trio.fail_after(30):
            heard = await client.until("control", text="conversation-chain-end")
        assert [m["display_text"]["text"] for m in heard if m["type"] == "audio"] == ["Are you back?"]
