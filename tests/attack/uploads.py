"""Requests to ``POST /asr`` by hand: as slow, as large and as many as an attacker would send them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import trio

from tests.server.raw_client import Answer, RawClient
from tests.serving.servers import configured, open_server
from trio_backend.audio.pcm import Pcm
from trio_backend.audio.utterance import RATE
from trio_backend.config.character import EngineChoice

BOUNDARY = "----part"
ECHO = EngineChoice("llm", "echo_llm", {})
NO_VOICE = EngineChoice("tts", "none_tts", {})


def form(data: bytes) -> bytes:
    """A form with ``data`` as its file."""
    head = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n'
        "Content-Type: audio/wav\r\n\r\n"
    )
    return head.encode() + data + f"\r\n--{BOUNDARY}--\r\n".encode()


def head(size: int, *fields: str) -> bytes:
    """The head of a request with a form of ``size`` bytes."""
    lines = [
        "POST /asr HTTP/1.1",
        "Host: 127.0.0.1",
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}",
        f"Content-Length: {size}",
        *fields,
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def sound(text: str) -> bytes:
    """A WAV file in which `scripted_asr` reads ``text``."""
    samples = b"".join(ord(letter).to_bytes(2, "little") for letter in text)
    return Pcm(samples, RATE).to_wav()


@asynccontextmanager
async def asr_server(
    folder: Path, asr: Mapping[str, object] | None = None, **system: object
) -> AsyncIterator[int]:
    """A whole server whose recogniser is `scripted_asr`; its port."""
    config = configured(folder, llm=ECHO, tts=NO_VOICE, **system)
    recogniser = EngineChoice("asr", "scripted_asr", asr or {})
    config = attrs.evolve(config, character=attrs.evolve(config.character, asr=recogniser))
    async with open_server(config) as address:
        yield int(address.rpartition(":")[2])


@asynccontextmanager
async def connect_from_address(port: int, address: str = "127.0.0.1") -> AsyncIterator[RawClient]:
    """A connection that comes from ``address``."""
    stream = await trio.open_tcp_stream("127.0.0.1", port, local_address=address)
    async with stream:
        yield RawClient(stream, timeout=10)


async def ask(client: RawClient, text: str) -> Answer:
    """One whole request, and its answer."""
    body = form(sound(text))
    await client.send(head(len(body)), body)
    return await client.answer()


async def begin(client: RawClient, size: int = 1_000_000) -> None:
    """Announce a form of ``size`` bytes, and return when the server waits for it."""
    await client.send(head(size, "Expect: 100-continue"))
    assert (await client.answer()).status == 100


def heard(answer: Answer) -> str:
    """The transcript of a good answer."""
    assert answer.status == 200, answer
    text = json.loads(answer.body)["text"]
    assert isinstance(text, str)
    return text
