"""Language models behind an OpenAI-compatible server: Ollama, LM Studio, and most providers."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from ...errors import SettingsError
from ..chat_service import ChatSettings
from ..facts import EngineFacts
from ..open_chat import open_chat
from ..openai.completions import ChatConfig
from ..openai.configs import Endpoint, Provider, check_key, checked_url, find_key
from ..settings import Environment, between, for_header, read_settings

_OLLAMA = "http://localhost:11434/v1"

_PROVIDERS = (
    Provider("openai_compatible_llm", _OLLAMA),
    Provider(
        "openai_llm",
        "https://api.openai.com/v1",
        ("OPENAI_API_KEY",),
        needs_key=True,
        counts_if_asked=True,
    ),
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

WITHOUT_EFFECT = {
    "keep_alive": "Ollama keeps a model as long as OLLAMA_KEEP_ALIVE of its own environment says",
    "unload_at_exit": "Ollama may serve others, too; it unloads what nobody has asked for in a while",
    "interrupt_method": "what was not heard of an interrupted reply is left out of the conversation",
}

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
class OpenAiLlmSettings(ChatSettings):
    """The settings of a model behind OpenAI's interface, in chats or in completions."""

    base_url: str = ""
    llm_api_key: str = ""
    organization_id: str = attrs.field(default="", validator=for_header)
    project_id: str = attrs.field(default="", validator=for_header)
    model: str = ""
    temperature: float | None = attrs.field(default=None, validator=attrs.validators.optional(between(0, 2)))
    max_tokens: int | None = attrs.field(
        default=None, validator=attrs.validators.optional(between(1, 10_000_000))
    )


def configure(name: str, settings: Mapping[str, object], environment: Environment) -> ChatConfig:
    """The settings are the fields of `OpenAiLlmSettings`; ``model`` is the one that must be there."""
    provider = next(provider for provider in _PROVIDERS if provider.name == name)
    given = read_settings(OpenAiLlmSettings, settings, ignored=WITHOUT_EFFECT)
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
        endpoint=check_key(endpoint),
        temperature=given.temperature,
        max_tokens=given.max_tokens,
        organization=given.organization_id.strip(),
        project=given.project_id.strip(),
        **given.timeouts,
    )


open = open_chat
