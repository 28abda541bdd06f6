"""ASR behind an OpenAI-compatible server: speaches, whisper.cpp, LocalAI, and most providers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib import import_module

import attrs
import trio

from ..base import Asr
from ..facts import EngineFacts
from ..openai.configs import Endpoint, Provider, TranscriptionConfig, check_key, checked_url, find_key
from ..settings import Environment, between, read_settings

_PROVIDERS = {
    Provider("openai_compatible_asr", "http://localhost:8000/v1"): "whisper-1",
    Provider(
        "openai_whisper_asr", "https://api.openai.com/v1", ("OPENAI_API_KEY",), needs_key=True
    ): "gpt-4o-mini-transcribe",
    Provider(
        "groq_whisper_asr", "https://api.groq.com/openai/v1", ("GROQ_API_KEY",), needs_key=True
    ): "whisper-large-v3-turbo",
}

NAMES = tuple(provider.name for provider in _PROVIDERS)

FACTS = {
    provider.name: EngineFacts(
        streams="no",
        cancel="closes the connection",
        tried="a stand-in by its reference",
        needs="any `/v1/audio/transcriptions`" if not provider.needs_key else "an account there",
        keys=provider.key_variables,
    )
    for provider in _PROVIDERS
}


@attrs.frozen
class _OpenAiAsrSettings:
    base_url: str = ""
    api_key: str = ""
    model: str = ""
    language: str = ""
    lang: str = ""
    prompt: str = ""
    temperature: float = attrs.field(default=0.0, validator=between(0, 1))
    connect_timeout: float = attrs.field(default=5.0, validator=between(0.1, 600))
    timeout: float = attrs.field(default=60.0, validator=between(0.1, 3600))


def configure(name: str, settings: Mapping[str, object], environment: Environment) -> TranscriptionConfig:
    """The settings are the fields of `_OpenAiAsrSettings`; ``lang`` is another word for ``language``."""
    provider, model = next(pair for pair in _PROVIDERS.items() if pair[0].name == name)
    given = read_settings(_OpenAiAsrSettings, settings)
    endpoint = Endpoint(
        provider=provider,
        base_url=checked_url(given.base_url or provider.base_url),
        model=given.model.strip() or model,
        key_setting="api_key",
        api_key=find_key(given.api_key, provider.key_variables, environment.environ),
    )
    return TranscriptionConfig(
        endpoint=check_key(endpoint),
        language=given.language or given.lang,
        prompt=given.prompt,
        temperature=given.temperature,
        connect_timeout=given.connect_timeout,
        timeout=given.timeout,
    )


@asynccontextmanager
async def open(config: TranscriptionConfig) -> AsyncIterator[Asr]:
    """Ready at once: the server is asked with the first utterance."""
    # The HTTP library takes 75 ms to import, too long for the event loop.
    await trio.to_thread.run_sync(import_module, "..openai.transcription", __package__)
    from ..openai.transcription import open_transcription

    async with open_transcription(config) as asr:
        yield asr
