"""The language models of the older backend: each name and key of its templates is read, or has a reason."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from trio_backend.config.load import survey
from trio_backend.engines.registry import configure, known, without_effect
from trio_backend.engines.settings import Environment
from trio_backend.errors import SettingsError

# `llm_configs` of its conf.default.yaml; those of conf.ZH.default.yaml are the same. What its classes know
# besides is there, too: `interrupt_method` of all, the key and the accounts of those on OpenAI's interface.
_OPENAI = {"organization_id": None, "project_id": None, "interrupt_method": "user"}
OLD: Mapping[str, Mapping[str, object]] = {
    "stateless_llm_with_template": {
        "base_url": "http://localhost:8080/v1",
        "llm_api_key": "somethingelse",
        "model": "qwen2.5:latest",
        "template": "CHATML",
        "temperature": 1.0,
        **_OPENAI,
    },
    "openai_compatible_llm": {
        "base_url": "http://localhost:11434/v1",
        "llm_api_key": "somethingelse",
        "model": "qwen2.5:latest",
        "temperature": 1.0,
        **_OPENAI,
    },
    "claude_llm": {
        "base_url": "https://api.anthropic.com",
        "llm_api_key": "YOUR API KEY HERE",
        "model": "claude-3-haiku-20240307",
        "interrupt_method": "user",
    },
    "llama_cpp_llm": {
        "model_path": "<path-to-gguf-model-file>",
        "verbose": False,
        "interrupt_method": "system",
    },
    "ollama_llm": {
        "base_url": "http://localhost:11434/v1",
        "llm_api_key": "default_api_key",
        "model": "qwen2.5:latest",
        "temperature": 1.0,
        "keep_alive": -1,
        "unload_at_exit": True,
        **_OPENAI,
    },
    "lmstudio_llm": {
        "base_url": "http://localhost:1234/v1",
        "llm_api_key": "default_api_key",
        "model": "qwen2.5:latest",
        "temperature": 1.0,
        **_OPENAI,
    },
    "openai_llm": {"llm_api_key": "Your Open AI API key", "model": "gpt-4o", "temperature": 1.0, **_OPENAI},
    "gemini_llm": {
        "llm_api_key": "Your Gemini API Key",
        "model": "gemini-2.0-flash-exp",
        "temperature": 1.0,
        **_OPENAI,
    },
    "zhipu_llm": {
        "llm_api_key": "Your ZhiPu AI API key",
        "model": "glm-4-flash",
        "temperature": 1.0,
        **_OPENAI,
    },
    "deepseek_llm": {
        "llm_api_key": "Your DeepSeek API key",
        "model": "deepseek-chat",
        "temperature": 0.7,
        **_OPENAI,
    },
    "mistral_llm": {
        "llm_api_key": "Your Mistral API key",
        "model": "pixtral-large-latest",
        "temperature": 1.0,
        **_OPENAI,
    },
    "groq_llm": {
        "llm_api_key": "your groq API key",
        "model": "llama-3.3-70b-versatile",
        "temperature": 1.0,
        **_OPENAI,
    },
}
# What its users have to fill in.
MISSING = {
    "llama_cpp_llm": {"model_path": "model.gguf"},
    **{
        name: {"llm_api_key": "k"}
        for name in (
            "claude_llm",
            "openai_llm",
            "gemini_llm",
            "zhipu_llm",
            "deepseek_llm",
            "mistral_llm",
            "groq_llm",
        )
    },
}


@pytest.mark.parametrize("name", OLD)
def test_each_name_and_key_is_understood(name: str) -> None:
    """What its template leaves out is said when the character is loaded; what has no effect has a reason."""
    environment = Environment(Path(), {})
    assert name in known("llm")
    settings = dict(OLD[name])
    for key, value in MISSING.get(name, {}).items():
        with pytest.raises(SettingsError, match="is missing: ") as caught:
            configure("llm", name, settings, environment=environment)
        assert caught.value.key == key
        settings[key] = value
    configure("llm", name, settings, environment=environment)
    named = dict(without_effect("llm", name, settings))
    assert named.keys() == settings.keys() & {"interrupt_method", "keep_alive", "unload_at_exit"}
    assert all(named.values())


AGENTS = {
    "letta_agent": "{host: localhost, port: 8283, id: xxx, faster_first_response: true}",
    "hume_ai_agent": "{api_key: '', host: api.hume.ai, config_id: '', idle_timeout: 15}",
    "mem0_agent": (
        "{vector_store: {provider: qdrant, config: {}}, llm: {provider: x, config: {}}, "
        "embedder: {provider: x, config: {}}}"
    ),
}


@pytest.mark.parametrize("agent", AGENTS)
def test_an_agent_that_is_not_here_is_answered_for(agent: str, tmp_path: Path) -> None:
    """`check` says by which agent, and by which model; its section is read without a word."""
    path = tmp_path / "conf.yaml"
    path.write_text(
        f"""\
character_config:
  conf_name: a
  conf_uid: b
  persona_prompt: You are a.
  agent_config:
    conversation_agent_choice: {agent}
    agent_settings:
      basic_memory_agent: {{llm_provider: ollama_llm}}
      {agent}: {AGENTS[agent]}
    llm_configs:
      ollama_llm: {{model: m}}
""",
        "utf-8",
    )
    seen = survey(path, {})
    assert [(one.severity, one.line, one.message, one.remedy) for one in seen.findings if one.line] == [
        (
            "warning",
            6,
            f"there is no agent '{agent}' here, and its settings are not used",
            "basic_memory_agent answers, with its llm_provider ollama_llm",
        )
    ]
    (character,) = seen.characters
    assert character.llm.name == "ollama_llm"
