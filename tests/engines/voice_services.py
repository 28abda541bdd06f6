"""Stand-ins of services that speak, each in the format that its documentation has.

`VOICES` has them by the names of their adapters, for the tests that all of them have to pass.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import trio
import trio.lowlevel

from trio_backend.audio.pcm import Pcm
from trio_backend.engines.base import Tts
from trio_backend.engines.registry import configure, open_engine
from trio_backend.engines.settings import Environment
from trio_backend.engines.tts.tone import hum

from .model_server import Answering, Asked, Behaviour, ModelServer, open_model_server

KEY = {"api_key": "sk-secret"}
PIECE = 4_801
"""Bytes that come at once: an odd number, so that samples are torn."""


@attrs.frozen(kw_only=True)
class VoiceService:
    """A voice behind HTTP: the name of its adapter, its settings, and how its service answers.

    ``path``, ``headers`` and ``body`` are what a request for the sound of “Hello.” is. ``says`` finds the
    text in a request. ``wrapped`` makes an answer's pieces of a sound's samples.
    """

    name: str
    path: str
    body: Mapping[str, Any] | bytes
    headers: Mapping[str, str]
    settings: Mapping[str, object] = KEY
    url: Callable[[ModelServer], str] = lambda server: f"http://127.0.0.1:{server.port}"
    url_setting: str = "base_url"
    rate: int = 24_000
    kind: str = "audio/pcm"
    says: Callable[[Asked], str] = lambda asked: str(asked.body["text"])
    pieces: Callable[[Pcm], list[bytes]] = lambda pcm: [
        pcm.samples[at : at + PIECE] for at in range(0, len(pcm.samples), PIECE)
    ]

    def configured(self, url: str, **more: object) -> dict[str, object]:
        """The settings for a service at ``url``."""
        return {**self.settings, self.url_setting: url, **more}

    @asynccontextmanager
    async def opens(self, server: ModelServer, **more: object) -> AsyncIterator[Tts]:
        """The engine, for ``server``."""
        environment = Environment(Path(), {}, max_sentence_sound=10)
        config = configure(
            "tts", self.name, self.configured(self.url(server), **more), environment=environment
        )
        async with open_engine(config) as tts:
            yield tts

    def speaking(self, pcm: Callable[[str], Pcm] | None = None) -> Behaviour:
        """Answer with the sound of the text, piece by piece."""
        sound = pcm or self.sound

        async def answer(answering: Answering) -> None:
            await answering.head(200, [f"Content-Type: {self.kind}", "Transfer-Encoding: chunked"])
            for piece in self.pieces(sound(self.says(answering.asked))):
                await answering.chunk(piece)
                await trio.lowlevel.checkpoint()
            await answering.stream.send_all(b"0\r\n\r\n")

        return answer

    def sound(self, text: str) -> Pcm:
        """A tone, the longer the more is said."""
        return hum(0.01 * len(text)).resampled(self.rate)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Tts]:
        """The engine, and a service that hums."""
        async with open_model_server() as server:
            server.behaviour = self.speaking(lambda text: self.sound(text[:400]))
            async with self.opens(server) as tts:
                yield tts


VOICES: Mapping[str, VoiceService] = {voice.name: voice for voice in list[VoiceService]()}
