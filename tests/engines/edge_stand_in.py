"""A stand-in of the service behind `edge_tts`, to which the real library is pointed.

Its messages are those that the library reads, and the service sent in 2026: texts with a head of lines and a
``Path``, and binary ones that begin with two bytes, the length of their head.
"""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path

import pytest

from trio_backend.engines.base import Tts
from trio_backend.engines.registry import configure, open_engine
from trio_backend.engines.settings import Environment
from trio_backend.engines.tts import tone

from .websocket_server import Speaking, Spoken, WebSocketService, accepted, open_websocket_service

HEAD = "X-RequestId:1\r\nContent-Type:application/json; charset=utf-8\r\nPath:{}\r\n\r\n{{}}"
AUDIO = b"X-RequestId:1\r\nContent-Type:audio/mpeg\r\nX-StreamId:2\r\nPath:audio\r\n"
METADATA = (
    '{"Metadata":[{"Type":"SentenceBoundary","Data":{"Offset":1000000,"Duration":5000000,'
    '"text":{"Text":"Hello.","Length":6,"BoundaryType":"SentenceBoundary"}}}]}'
)


def mp3(seconds: float) -> bytes:
    """A tone, as the service would send it."""
    file = io.BytesIO()
    import_module("soundfile").write(file, tone.hum(seconds).resampled(24_000).floats(), 24_000, format="MP3")
    return file.getvalue()


async def say_bytes(spoken: Spoken, sound: bytes) -> None:
    """A binary message of sound."""
    spoken.protocol.send_binary(len(AUDIO).to_bytes(2, "big") + AUDIO + sound)
    await spoken.flush()


async def begun(spoken: Spoken) -> str:
    """Take the two messages of a request, and begin to answer. Returns what is to be said, as SSML."""
    config, ssml = str(await spoken.hear()), str(await spoken.hear())
    assert "Path:speech.config" in config
    assert "audio-24khz-48kbitrate-mono-mp3" in config
    assert "Path:ssml" in ssml
    for path in ("turn.start", "response"):
        await spoken.say(HEAD.format(path))
    return ssml.partition("\r\n\r\n")[2]


def speaking(sound: Callable[[str], bytes]) -> Speaking:
    """Answer with the sound of the SSML, in pieces."""

    @accepted
    async def answer(spoken: Spoken) -> None:
        whole = sound(await begun(spoken))
        for at in range(0, len(whole), 1_440):
            await say_bytes(spoken, whole[at : at + 1_440])
        await spoken.say(HEAD.format("audio.metadata").removesuffix("{}") + METADATA)
        await spoken.say(HEAD.format("turn.end"))

    return answer


@asynccontextmanager
async def pointed_at(service: WebSocketService, **settings: object) -> AsyncIterator[Tts]:
    """The adapter, with the library's service at the stand-in."""
    library = import_module("edge_tts.communicate")
    config = configure("tts", "edge_tts", settings, environment=Environment(Path(), {}, 10))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(library, "WSS_URL", f"{service.url}/edge/v1?TrustedClientToken=x")
        async with open_engine(config) as tts:
            yield tts


@asynccontextmanager
async def open_edge() -> AsyncIterator[Tts]:
    """The adapter, and a service that hums."""
    hum = speaking(lambda ssml: mp3(len(ssml) / 1000))
    async with open_websocket_service(hum) as service, pointed_at(service) as tts:
        yield tts
