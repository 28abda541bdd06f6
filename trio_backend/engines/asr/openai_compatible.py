"""Ears behind an OpenAI-compatible server: speaches, whisper.cpp, LocalAI, and most providers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib import import_module
from typing import TYPE_CHECKING

import attrs
import trio

from ..openai.endpoint import Endpoint, Provider, check_key, checked_url, find_key
from ..settings import Surroundings, between, read_settings

if TYPE_CHECKING:
    from ..openai.transcription import Transcription

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


@attrs.frozen
class TranscriptionConfig:
    """``language`` is a code such as ``en``, or empty: the server finds out.

    Timeouts are in seconds: to connect, and for a whole transcript.
    """

    endpoint: Endpoint
    language: str
    prompt: str = attrs.field(repr=False)
    temperature: float
    connect_timeout: float
    timeout: float

    @property
    def provider(self) -> str:
        """The name that configurations use."""
        return self.endpoint.provider.name

    @property
    def fields(self) -> dict[str, str]:
        """The fields of the request besides the sound; what is not set is left to the server."""
        fields = {
            "model": self.endpoint.model,
            "response_format": "json",
            "temperature": f"{self.temperature:g}",
            "language": self.language,
            "prompt": self.prompt,
        }
        return {name: value for name, value in fields.items() if value}


@attrs.frozen
class _Settings:
    base_url: str = ""
    api_key: str = ""
    model: str = ""
    language: str = ""
    lang: str = ""
    prompt: str = ""
    temperature: float = attrs.field(default=0.0, validator=between(0, 1))
    connect_timeout: float = attrs.field(default=5.0, validator=between(0.1, 600))
    timeout: float = attrs.field(default=60.0, validator=between(0.1, 3600))


def configure(name: str, settings: Mapping[str, object], surroundings: Surroundings) -> TranscriptionConfig:
    """The settings are the fields of `_Settings`; ``lang`` is another word for ``language``."""
    provider, model = next(pair for pair in _PROVIDERS.items() if pair[0].name == name)
    given = read_settings(_Settings, settings)
    endpoint = Endpoint(
        provider=provider,
        base_url=checked_url(given.base_url or provider.base_url),
        model=given.model.strip() or model,
        key_setting="api_key",
        api_key=find_key(given.api_key, provider.key_variables, surroundings.environ),
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
async def open(config: TranscriptionConfig) -> AsyncIterator[Transcription]:
    """Ready at once: the server is asked with the first utterance."""
    # The HTTP library takes 75 ms to import, too long for the event loop.
    await trio.to_thread.run_sync(import_module, "..openai.transcription", __package__)
    from ..openai.transcription import open_transcription

    async with open_transcription(config) as ear:
        yield ear
