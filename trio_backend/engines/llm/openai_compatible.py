"""Language models behind an OpenAI-compatible server: Ollama, LM Studio, and most providers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib import import_module

import attrs
import trio

from ...errors import SettingsError
from ..base import Llm
from ..facts import EngineFacts
from ..openai.configs import ChatConfig, Endpoint, Provider, check_key, checked_url, find_key
from ..settings import Environment, between, read_settings

_OLLAMA = "http://localhost:11434/v1"

_PROVIDERS = (
    Provider("openai_compatible_llm", _OLLAMA),
    Provider("openai_llm", "https://api.openai.com/v1", ("OPENAI_API_KEY",), needs_key=True),
    Provider(
        "ollama_llm",
        _OLLAMA,
        start="start Ollama (`ollama serve`), or check base_url",
        find_model="get it with `ollama pull {model}`; `ollama list` has those that are there",
    ),
    Provider(
        "lmstudio_llm",
        "http://localhost:1234/v1",
        start="start the server in LM Studio (`lms server start`), or check base_url",
        find_model="load it in LM Studio (`lms load {model}`)",
    ),
    Provider("deepseek_llm", "https://api.deepseek.com/v1", ("DEEPSEEK_API_KEY",), needs_key=True),
    Provider("groq_llm", "https://api.groq.com/openai/v1", ("GROQ_API_KEY",), needs_key=True),
    Provider(
        "gemini_llm",
        "https://generativelanguage.googleapis.com/v1beta/openai",
        ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
        needs_key=True,
    ),
    Provider("mistral_llm", "https://api.mistral.ai/v1", ("MISTRAL_API_KEY",), needs_key=True),
    Provider(
        "zhipu_llm",
        "https://open.bigmodel.cn/api/paas/v4",
        ("ZHIPUAI_API_KEY", "ZAI_API_KEY"),
        needs_key=True,
    ),
)

NAMES = tuple(provider.name for provider in _PROVIDERS)

# Settings of existing configurations that have no meaning here: accounts of a single provider, what
# an Ollama server does with its memory, and how the old backend wrote interruptions down.
_OLD = ("organization_id", "project_id", "keep_alive", "unload_at_exit", "interrupt_method")

FACTS = {
    provider.name: EngineFacts(
        streams="yes",
        cancel="closes the connection",
        tried="a stand-in by its reference",
        needs="an account there" if provider.needs_key else "a server, and a model on it",
        keys=provider.key_variables,
    )
    for provider in _PROVIDERS
}


@attrs.frozen
class _OpenAiLlmSettings:
    base_url: str = ""
    llm_api_key: str = ""
    model: str = ""
    temperature: float | None = attrs.field(default=None, validator=attrs.validators.optional(between(0, 2)))
    max_tokens: int | None = attrs.field(
        default=None, validator=attrs.validators.optional(between(1, 10_000_000))
    )
    connect_timeout: float = attrs.field(default=5.0, validator=between(0.1, 600))
    first_token_timeout: float = attrs.field(default=60.0, validator=between(0.1, 3600))
    token_timeout: float = attrs.field(default=30.0, validator=between(0.1, 3600))


def configure(name: str, settings: Mapping[str, object], environment: Environment) -> ChatConfig:
    """The settings are the fields of `_OpenAiLlmSettings`; ``model`` is the one that must be there."""
    provider = next(provider for provider in _PROVIDERS if provider.name == name)
    given = read_settings(_OpenAiLlmSettings, settings, ignored=_OLD)
    if not given.model.strip():
        raise SettingsError("model", "is missing: which model of the server should speak?")
    endpoint = Endpoint(
        provider=provider,
        base_url=checked_url(given.base_url or provider.base_url),
        model=given.model.strip(),
        key_setting="llm_api_key",
        api_key=find_key(given.llm_api_key, provider.key_variables, environment.environ),
    )
    return ChatConfig(
        check_key(endpoint),
        given.temperature,
        given.max_tokens,
        given.connect_timeout,
        given.first_token_timeout,
        given.token_timeout,
    )


@asynccontextmanager
async def open(config: ChatConfig) -> AsyncIterator[Llm]:
    """Ready at once: the server is asked with the first reply, so one that starts later serves too."""
    # The HTTP library takes 75 ms to import, too long for the event loop.
    await trio.to_thread.run_sync(import_module, "..openai.chat", __package__)
    from ..openai.chat import open_chat

    async with open_chat(config) as chat:
        yield chat
