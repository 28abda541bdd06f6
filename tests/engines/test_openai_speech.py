"""The adapter for voice servers: formats, and what goes wrong."""

from __future__ import annotations

import importlib.util
import io
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from importlib.machinery import ModuleSpec
from pathlib import Path

import numpy as np
import pytest
import trio

from tests.promptness import PROMPTLY
from trio_backend.engines.base import Tts
from trio_backend.engines.openai.speech import PCM_RATE, decode
from trio_backend.engines.registry import configure, open_engine
from trio_backend.engines.settings import Environment
from trio_backend.engines.tts.tone import hum
from trio_backend.engines.whole import spoken
from trio_backend.errors import EngineError

from .model_server import ModelServer, body, hanging, open_model_server, page, refusing

TONE = hum(1.0)


def mp3() -> bytes:
    """The tone, compressed."""
    file = io.BytesIO()
    import_module("soundfile").write(file, TONE.floats(), TONE.rate, format="MP3")
    return file.getvalue()


@pytest.fixture
async def server() -> AsyncIterator[ModelServer]:
    """A voice server of our own."""
    async with open_model_server() as server:
        yield server


@asynccontextmanager
async def open_speech(server: ModelServer, **settings: object) -> AsyncIterator[Tts]:
    """The adapter."""
    given = {"base_url": server.url, "model": "kokoro", "voice": "af_sky", **settings}
    config = configure("tts", "openai_tts", given, environment=Environment(Path(), {}))
    async with open_engine(config) as tts:
        yield tts


async def test_the_request_says_what_was_configured(server: ModelServer) -> None:
    """And a WAV file comes back as the samples that are in it."""
    server.behaviour = body(TONE.to_wav(), "audio/wav")
    async with open_speech(server, speed=1.5) as tts:
        assert await spoken(tts, "Hello.") == TONE
    assert server.asked[0].path == "/v1/audio/speech"
    assert server.asked[0].body == {
        "model": "kokoro",
        "voice": "af_sky",
        "input": "Hello.",
        "response_format": "wav",
        "speed": 1.5,
    }


async def test_mp3_is_decoded(server: ModelServer) -> None:
    """As long and as loud as before, within what the format does to it."""
    server.behaviour = body(mp3(), "audio/mpeg")
    async with open_speech(server, file_extension="mp3") as tts:
        pcm = await spoken(tts, "Hello.")
    assert math.isclose(pcm.seconds, TONE.seconds, abs_tol=0.15)
    loudness = [float(np.sqrt(np.mean(sound.floats() ** 2))) for sound in (pcm, TONE)]
    assert math.isclose(*loudness, rel_tol=0.1)


def test_raw_samples_are_believed() -> None:
    """The format has no header; half a sample at the end is dropped."""
    pcm = decode(b"\1\0\2\0\3", "pcm", longest=9)
    assert (pcm.samples, pcm.rate) == (b"\1\0\2\0", PCM_RATE)


def test_the_bytes_say_what_they_are() -> None:
    """Many servers send WAV, whatever they are asked for."""
    assert decode(TONE.to_wav(), "pcm", longest=9) == decode(TONE.to_wav(), "mp3", longest=9) == TONE


@pytest.mark.parametrize(
    ("data", "words"), [(b"RIFFoops", "WAV"), (b"oops", "neither WAV nor MP3"), (b"", "neither WAV nor MP3")]
)
async def test_what_is_no_sound_is_told(server: ModelServer, data: bytes, words: str) -> None:
    """As an error of the engine, not as noise."""
    server.behaviour = body(data, "audio/wav")
    async with open_speech(server) as tts:
        with pytest.raises(EngineError, match=words):
            await spoken(tts, "Hello.")


async def test_a_missing_decoder_is_told_at_once(
    server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the character is loaded, not with its first sentence."""
    find = importlib.util.find_spec

    def find_all_but(name: str, package: str | None = None) -> ModuleSpec | None:
        return None if name == "soundfile" else find(name, package)

    monkeypatch.setattr("trio_backend.engines.openai.speech.find_spec", find_all_but)
    with pytest.raises(EngineError, match=r"the extra `voice`.*file_extension: wav"):
        async with open_speech(server, file_extension="mp3"):
            raise AssertionError("it cannot be opened")
    with pytest.raises(ValueError, match="the extra `voice`"):
        decode(b"\xff\xfb", "mp3", longest=9)


async def test_a_barge_in_closes_the_connection(server: ModelServer) -> None:
    """The server sees it at once."""
    server.behaviour = hanging()
    async with open_speech(server) as tts:
        with trio.move_on_after(0.1) as scope:
            await spoken(tts, "Hello.")
        with trio.fail_after(1):
            await server.asked[0].left.wait()
    assert server.asked[0].left_at - scope.deadline < PROMPTLY


async def test_errors_are_told_as_those_of_models_are(server: ModelServer) -> None:
    """A page, a wrong voice, silence."""
    server.script = [page(), refusing(400, {"code": "invalid_voice"}), hanging()]
    async with open_speech(server, timeout=0.2) as tts:
        for words in ("a web page", r"refused the request \(400, invalid_voice\)", "no sound within 0.2 s"):
            with pytest.raises(EngineError, match=f"openai_tts.*{words}"):
                await spoken(tts, "Hello.")
