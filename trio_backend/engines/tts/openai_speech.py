"""`openai_tts`: speech synthesis behind an OpenAI-compatible server, local ones such as Kokoro among them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib import import_module
from urllib.parse import urlsplit

import attrs
import trio

from ..base import Tts
from ..openai.configs import Endpoint, Provider, SpeechConfig, check_key, checked_url, find_key
from ..settings import Environment, between, one_of, read_settings

NAMES = ("openai_tts",)

_LOCAL = Provider("openai_tts", "http://localhost:8880/v1")
_OPENAI = Provider("openai_tts", "https://api.openai.com/v1", ("OPENAI_API_KEY",), needs_key=True)


@attrs.frozen
class _OpenAiTtsSettings:
    base_url: str = _LOCAL.base_url
    api_key: str = ""
    model: str = "kokoro"
    voice: str = "af_sky"
    file_extension: str = attrs.field(default="wav", validator=one_of("wav", "mp3", "pcm"))
    response_format: str = attrs.field(default="", validator=one_of("", "wav", "mp3", "pcm"))
    # What OpenAI sends, and Kokoro; only the format ``pcm`` does not say it itself.
    sample_rate: int = attrs.field(default=24_000, validator=between(8_000, 192_000, "Hz"))
    speed: float | None = attrs.field(default=None, validator=attrs.validators.optional(between(0.25, 4)))
    connect_timeout: float = attrs.field(default=5.0, validator=between(0.1, 600))
    timeout: float = attrs.field(default=60.0, validator=between(0.1, 3600))


def configure(name: str, settings: Mapping[str, object], environment: Environment) -> SpeechConfig:
    """Its settings are the fields of `_OpenAiTtsSettings`; ``response_format`` also means ``file_extension``.

    With ``file_extension: pcm`` the sound is handed out as it comes, else once it is whole. The environment's
    OPENAI_API_KEY is for OpenAI's own server only.
    """
    del name
    given = read_settings(_OpenAiTtsSettings, settings)
    url = checked_url(given.base_url)
    provider = _OPENAI if urlsplit(url).hostname == "api.openai.com" else _LOCAL
    key = find_key(given.api_key, provider.key_variables, environment.environ)
    return SpeechConfig(
        endpoint=check_key(Endpoint(provider, url, given.model, "api_key", key)),
        voice=given.voice,
        file_extension=given.response_format or given.file_extension,
        speed=given.speed,
        connect_timeout=given.connect_timeout,
        timeout=given.timeout,
        max_sound=environment.max_sentence_sound,
        sample_rate=given.sample_rate,
    )


@asynccontextmanager
async def open(config: SpeechConfig) -> AsyncIterator[Tts]:
    """Ready at once: the server is asked with the first sentence."""
    # The HTTP library takes 75 ms to import, too long for the event loop.
    await trio.to_thread.run_sync(import_module, "..openai.speech", __package__)
    from ..openai.speech import open_speech

    async with open_speech(config) as speech:
        yield speech
