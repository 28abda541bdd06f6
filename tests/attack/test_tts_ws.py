"""Findings 19 and 20: no text takes the voice or the cache of ``/tts-ws`` from the others."""

from __future__ import annotations

import json
import stat
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from tests.attack.uploads import connect_from_address
from tests.server.raw_client import TEXT, RawClient, frame
from tests.server.requests import ask
from tests.serving.servers import configured, open_server
from trio_backend.config.character import EngineChoice

ECHO = EngineChoice("llm", "echo_llm", {})
MIB = 2**20

# Only Linux answers on all of 127.0.0.0/8.
many_addresses = pytest.mark.skipif(
    sys.platform != "linux", reason="this machine has but one loopback address"
)


@asynccontextmanager
async def tts_server(
    folder: Path, voice: Mapping[str, object] | None = None, **system: object
) -> AsyncIterator[int]:
    """A whole server whose voice is `tone_tts`; its port."""
    tone = EngineChoice("tts", "tone_tts", voice or {})
    async with open_server(configured(folder, llm=ECHO, tts=tone, **system)) as address:
        yield int(address.rpartition(":")[2])


@asynccontextmanager
async def speaker(port: int, address: str = "127.0.0.1") -> AsyncIterator[RawClient]:
    """A client of ``/tts-ws`` that comes from ``address``."""
    async with connect_from_address(port, address) as client:
        await client.open("/tts-ws")
        yield client


async def say(client: RawClient, text: str) -> None:
    """Send one text."""
    await client.send(frame(TEXT, json.dumps({"text": text}, ensure_ascii=False).encode()))


async def spoken(client: RawClient) -> list[dict[str, Any]]:
    """All answers to one text."""
    answers = [json.loads(await client.message())]
    while answers[-1]["status"] == "partial":
        answers.append(json.loads(await client.message()))
    return answers


@pytest.mark.parametrize("letter", ["\ufdfa", "\ufdfb", "ﬃ"])
async def test_a_text_is_bounded_as_it_is_spoken(tmp_path: Path, letter: str) -> None:
    """U+FDFA is spoken as eighteen letters: ten thousand of them are a voice's work for an hour."""
    async with tts_server(tmp_path) as port, speaker(port) as client:
        await say(client, letter * 10_000)
        (answer,) = await spoken(client)
        assert answer["status"] == "error"
        assert "max_speech_text" in answer["message"]
        assert not list(tmp_path.glob("cache/*"))
        await say(client, "Hello.")
        assert [one["status"] for one in await spoken(client)] == ["partial", "complete"]


async def test_a_request_is_bounded_as_it_is_written(tmp_path: Path) -> None:
    """One that cannot hold a good text is not even decoded."""
    async with tts_server(tmp_path) as port, speaker(port) as client:
        await client.send(frame(TEXT, b'{"text": "Hello.", "x": "%s"}' % (b"x" * 1_000_000)))
        assert [one["status"] for one in await spoken(client)] == ["error"]
        await client.send(frame(TEXT, b'{"text": "%s"}' % (b"\\ud83d\\ude00" * 10_000)))
        assert [one["status"] for one in await spoken(client)] == ["complete"]


async def test_speech_has_a_deadline(tmp_path: Path) -> None:
    """It ends with an error, also for a client that only waited; and the next text has its turn."""
    async with tts_server(tmp_path, {"delay": 3600}, speech_timeout=0.3) as port, AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(speaker(port)) for _ in range(2)]
        for client in clients:
            await say(client, "Hello.")
        told = [(await spoken(client))[-1]["message"] for client in clients]
        assert any("speech_timeout" in message for message in told)
        await say(clients[0], "Hello.")
        assert "speech_timeout" in (await spoken(clients[0]))[-1]["message"]


@many_addresses
async def test_one_address_does_not_have_the_tts_to_itself(tmp_path: Path) -> None:
    """A client that comes after six texts of another waits for one of them, not for six."""
    order: list[str] = []
    async with tts_server(tmp_path, {"delay": 0.4}, max_speeches=1) as port, trio.open_nursery() as nursery:

        async def speak(address: str, text: str) -> None:
            async with speaker(port, address) as client:
                await say(client, text)
                assert (await spoken(client))[-1]["status"] == "complete"
                order.append(text)

        for number in range(6):
            nursery.start_soon(speak, "127.0.0.2", f"Greedy {number}.")
        await trio.sleep(0.1)
        await speak("127.0.0.1", "Bystander.")
        assert len(order) <= 3, order


@many_addresses
async def test_one_address_does_not_have_the_cache_to_itself(tmp_path: Path) -> None:
    """Its oldest files go, not those of others."""
    bounds: Mapping[str, object] = {"cache_size": 3 * MIB, "cache_size_per_address": MIB}
    async with (
        tts_server(tmp_path, None, **bounds) as port,
        speaker(port) as bystander,
        speaker(port, "127.0.0.2") as greedy,
    ):
        await say(bystander, "Hello.")
        kept = (await spoken(bystander))[0]["audioPath"]
        for _ in range(8):
            await say(greedy, "This one makes much of itself, and goes on and on. " * 10)
            made = await spoken(greedy)
        files = {f"cache/{path.name}" for path in tmp_path.glob("cache/*")}
        assert kept in files
        assert made[-2]["audioPath"] in files
        assert sum(path.stat().st_size for path in tmp_path.glob("cache/*")) <= 2 * MIB


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are another matter there")
@pytest.mark.parametrize("before", [None, 0o755])
async def test_sound_files_are_private(tmp_path: Path, before: int | None) -> None:
    """Other users of this machine neither list the folder nor read a file, also one that was there before."""
    folder = tmp_path / "cache"
    if before is not None:
        folder.mkdir(mode=before)
    async with tts_server(tmp_path) as port, speaker(port) as client:
        await say(client, "Hello.")
        path = (await spoken(client))[0]["audioPath"]
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE((tmp_path / path).stat().st_mode) == 0o600


async def test_only_allowed_pages_read_what_was_said(tmp_path: Path) -> None:
    """And they may: with CORS, and a preflight."""
    async with tts_server(tmp_path) as port, speaker(port) as client, connect_from_address(port) as page:
        await say(client, "Hello.")
        path = "/" + (await spoken(client))[0]["audioPath"]
        for origin, status in (("http://localhost:5173", 200), ("https://evil.example", 403), ("null", 403)):
            asked = f"Origin: {origin}\r\nAccess-Control-Request-Method: GET\r\n"
            for method in ("OPTIONS", "GET"):
                answer = await ask(page, path, method=method, fields=asked)
                assert answer.status == status
                assert ("access-control-allow-origin" in answer.headers) == (status == 200)
        # As a sound in a page, or with its address opened.
        assert (await ask(page, path)).body[:4] == b"RIFF"
