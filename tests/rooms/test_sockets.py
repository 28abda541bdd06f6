"""Rooms of a whole server, over real sockets and in real time."""

from __future__ import annotations

import statistics
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs

import attrs
import psutil
import pytest
import trio

from tests.client import Client, Heard
from tests.serving.servers import configured, open_client, open_server
from tests.serving.test_serving import connect_raw
from trio_backend.config.character import EngineChoice
from trio_backend.engines.base import Prompt
from trio_backend.engines.llm.echo import Echo
from trio_backend.errors import WireClosed
from trio_backend.server.authentication import Credentials
from trio_backend.user import User, UserId

SILENT = EngineChoice("tts", "none_tts", {})
END = {"type": "control", "text": "conversation-chain-end"}


def echo(**settings: object) -> EngineChoice:
    """A model that repeats what it hears."""
    return EngineChoice("llm", "echo_llm", settings)


@asynccontextmanager
async def open_rooms(
    folder: Path, *, llm: EngineChoice | None = None, tts: EngineChoice = SILENT, **system: object
) -> AsyncIterator[str]:
    """A server with rooms; its address."""
    config = configured(folder, llm=llm or echo(), tts=tts, enable_proxy=True, **system)
    async with open_server(config) as address:
        yield address


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The moments at which the model is asked for a reply."""
    moments: list[float] = []
    reply = Echo.reply

    def timed(echo: Echo, prompt: Prompt) -> object:
        moments.append(trio.current_time())
        return reply(echo, prompt)

    monkeypatch.setattr(Echo, "reply", timed)
    return moments


async def test_a_message_reaches_the_model_at_once(tmp_path: Path, asked: list[float]) -> None:
    """In an idle room nothing polls: two hundred messages take milliseconds, on a busy machine too."""
    waits = []
    async with open_rooms(tmp_path) as address, open_client(address, "/proxy-ws") as client:
        await client.turn("Are you there?")
        for number in range(200):
            said_at = trio.current_time()
            await client.turn(f"Message {number}")
            waits.append(asked[-1] - said_at)
    assert len(asked) == 201
    # The benchmark says how fast it is on an idle machine; polling would be fifty.
    assert statistics.median(waits) < 0.02


@attrs.define(eq=False)
class Thrower:
    """Throws messages at a room as fast as they go, and counts what comes back."""

    client: Client
    taken: int = 0
    refused: int = 0

    async def listen(self) -> None:
        try:
            while True:
                message = await self.client.hear()
                self.taken += message["type"] == "queue-position"
                self.refused += message.get("code") == "queue-full"
        except WireClosed:
            pass

    async def throw(self, count: int) -> None:
        """Every viewer of a live chat says something, again and again."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.listen)
            for number in range(count):
                text = f"Message {number}: {'and so on, ' * 20}"
                await self.client.say("text-input", text=text, name=f"viewer {number % 50}", notify=True)
            with trio.fail_after(60):
                while self.taken + self.refused < count:
                    await trio.sleep(0.02)
            nursery.cancel_scope.cancel("all were answered for")


async def test_a_flood_costs_no_memory_and_everybody_is_told(tmp_path: Path) -> None:
    """Ten thousand messages while one is being answered: a hundred wait, the others were refused aloud."""
    async with (
        open_rooms(
            tmp_path, llm=echo(first_token_delay=3600), messages_per_second=100_000, message_burst=1_000_000,
            drain_timeout=0,
        ) as address,
        open_client(address, "/proxy-ws?room=flood") as client,
    ):  # fmt: skip
        await client.say("text-input", text="Think about this.")
        await client.until("full-text", text="Thinking...")
        thrower = Thrower(client)
        before = psutil.Process().memory_info().rss
        await thrower.throw(10_000)
        grown = psutil.Process().memory_info().rss - before
    assert thrower.taken == 100
    assert thrower.refused == 9_900
    assert grown < 20 * 2**20


async def test_a_client_that_never_reads_delays_nobody(tmp_path: Path) -> None:
    """No turn of the other's waits for it, as long as it is borne with, and then it is gone."""
    tts = EngineChoice("tts", "tone_tts", {"seconds_per_character": 0.2})
    text = " ".join(f"This is sentence {number} of quite a long story." for number in range(5))
    async with (
        open_rooms(tmp_path, tts=tts, send_timeout=10, client_outbox=20) as address,
        open_client(address, "/proxy-ws") as client,
    ):
        deaf = await connect_raw(address, "/proxy-ws")
        together = []
        with trio.move_on_after(5):
            while True:
                together.append(await seconds_of_turn(client, text))
        # Who waited for the deaf one would wait for 10 s, until that is sent away.
        assert together
        assert max(together) < 8
        with trio.fail_after(30):
            await read_to_the_end(deaf)


async def read_to_the_end(stream: trio.SocketStream) -> None:
    """Read until the other side has closed, one way or another."""
    async with stream:
        try:
            while await stream.receive_some(2**16):
                pass
        except trio.BrokenResourceError:
            pass


async def seconds_of_turn(client: Client, text: str) -> float:
    """How long a turn takes that is played at once."""
    began = trio.current_time()
    heard: list[Heard] = await client.turn(text)
    assert heard[-1] == END
    assert sum(message["type"] == "audio" for message in heard) == 5
    return trio.current_time() - began


async def test_who_may_not_come_in_hears_why(tmp_path: Path) -> None:
    """Over a real socket too, with the close code behind the reason."""
    config = configured(tmp_path, llm=echo(), tts=SILENT)
    async with open_server(config) as address, open_client(address, "/proxy-ws", greeted=False) as client:
        assert (await client.hear())["code"] == "proxy-disabled"
        assert await client.closed() == 1008


@attrs.frozen
class ByName:
    """An authenticator that believes what it is told."""

    async def identify(self, credentials: Credentials) -> User:
        """See `Authenticator.identify`."""
        await trio.lowlevel.checkpoint()
        return User(UserId(parse_qs(credentials.query)["name"][0]))


async def test_a_client_of_a_room_is_its_user(tmp_path: Path) -> None:
    """What one user has waiting is counted on all connections."""
    config = configured(
        tmp_path,
        llm=echo(first_token_delay=3600),
        tts=SILENT,
        enable_proxy=True,
        max_per_sender=1,
        drain_timeout=0,
    )
    async with (
        open_server(config, ByName()) as address,
        open_client(address, "/proxy-ws?name=ann") as page,
        open_client(address, "/proxy-ws?name=ann") as phone,
        open_client(address, "/proxy-ws?name=bob") as other,
    ):
        await page.say("text-input", text="Think about this.")
        await page.until("full-text", text="Thinking...")
        for client, answer in (page, "queue-position"), (phone, "error"), (other, "queue-position"):
            await client.say("text-input", text="And this.", notify=True)
            with trio.fail_after(5):
                heard = await client.until(answer)
            assert heard[-1].get("code", "queue-full") == "queue-full"
