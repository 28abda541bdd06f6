"""Speech recognition behind an OpenAI-compatible server: requests, and errors that say what to do."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from tests.engines.model_server import body, hanging, open_model_server, page, refusing
from tests.engines.speech_sounds import opened, silence
from tests.promptness import PROMPTLY
from trio_backend.audio.pcm import Pcm
from trio_backend.engines.openai.configs import TranscriptionConfig
from trio_backend.engines.registry import configure
from trio_backend.engines.settings import Environment
from trio_backend.engines.whole import transcribed
from trio_backend.errors import EngineError, SettingsError


async def test_a_server_is_sent_the_sound_as_a_file() -> None:
    """With the model's name and what else is set, as a form."""
    async with open_model_server() as server:
        server.behaviour = body(b'{"text": " Hello there. "}', "application/json")
        settings = {"base_url": server.url, "model": "w", "language": "en", "api_key": "k"}
        async with opened("openai_compatible_asr", settings)() as asr:
            assert await transcribed(asr, silence(1)) == "Hello there."
            assert await transcribed(asr, Pcm(b"", 16_000)) == ""
    (asked,) = server.asked
    assert asked.path == "/v1/audio/transcriptions"
    assert asked.headers["authorization"] == "Bearer k"
    boundary = asked.headers["content-type"].partition("boundary=")[2].encode()
    parts = [part.partition(b"\r\n\r\n") for part in asked.raw.split(b"--" + boundary)]
    content = {head.partition(b'name="')[2].partition(b'"')[0]: tail for head, _, tail in parts}
    assert content[b"model"] == b"w\r\n"
    assert content[b"language"] == b"en\r\n"
    assert b"prompt" not in content
    assert Pcm.from_wav(content[b"file"].removesuffix(b"\r\n")) == silence(1)


@pytest.mark.parametrize(
    ("behaviour", "told"),
    [
        (refusing(401), "does not accept the API key|wants an API key"),
        (page(), "a web page; check base_url"),
        (body(b"[]", "application/json"), "sent no transcript"),
        (hanging(), r"no transcript within 0\.3 s"),
    ],
)
async def test_a_server_in_trouble_is_told_in_words(behaviour: object, told: str) -> None:
    """What to do about it, and nothing of what was said."""
    async with open_model_server() as server:
        assert callable(behaviour)
        server.behaviour = behaviour
        settings = {"base_url": server.url, "timeout": 0.3}
        async with opened("openai_compatible_asr", settings)() as asr:
            with pytest.raises(EngineError, match=told):
                await transcribed(asr, silence(1))


async def test_a_cancelled_request_leaves_its_server() -> None:
    """The connection is closed at once."""
    async with open_model_server() as server:
        server.behaviour = hanging()
        async with opened("openai_compatible_asr", {"base_url": server.url})() as asr:
            with trio.move_on_after(0.2) as scope:
                await transcribed(asr, silence(1))
            with trio.fail_after(PROMPTLY):
                await server.asked[0].left.wait()
    assert server.asked[0].left_at - scope.deadline < PROMPTLY


def test_keys_of_existing_files_are_understood() -> None:
    """`lang` is the language, and a provider without its key is refused."""
    config = configure(
        "asr",
        "groq_whisper_asr",
        {"api_key": "k", "model": "m", "lang": "de"},
        environment=Environment(Path(), {}),
    )
    assert isinstance(config.settings, TranscriptionConfig)
    assert config.settings.language == "de"
    with pytest.raises(SettingsError, match="api_key: is missing"):
        opened("groq_whisper_asr", {"model": "m"})
