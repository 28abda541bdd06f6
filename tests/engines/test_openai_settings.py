"""What configurations say about OpenAI-compatible servers, as the old backend's files have it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from trio_backend.config.character import EngineKind
from trio_backend.engines.openai.completions import ChatConfig
from trio_backend.engines.registry import configure
from trio_backend.engines.settings import Environment
from trio_backend.engines.tts.openai_speech import OpenAiSpeech
from trio_backend.errors import SettingsError

CLOUD = {
    "openai_llm": ("OPENAI_API_KEY", "api.openai.com:443"),
    "deepseek_llm": ("DEEPSEEK_API_KEY", "api.deepseek.com:443"),
    "groq_llm": ("GROQ_API_KEY", "api.groq.com:443"),
    "gemini_llm": ("GEMINI_API_KEY", "generativelanguage.googleapis.com:443"),
    "mistral_llm": ("MISTRAL_API_KEY", "api.mistral.ai:443"),
    "zhipu_llm": ("ZHIPUAI_API_KEY", "open.bigmodel.cn:443"),
}


def read(kind: EngineKind, name: str, settings: Mapping[str, object], **environ: str) -> object:
    """As a configuration file would have it."""
    return configure(kind, name, settings, environment=Environment(Path(), environ)).settings


def chat(name: str, settings: Mapping[str, object], **environ: str) -> ChatConfig:
    """The configuration of a language model."""
    config = read("llm", name, settings, **environ)
    assert isinstance(config, ChatConfig)
    return config


def speech(settings: Mapping[str, object], **environ: str) -> OpenAiSpeech:
    """The configuration of a speech synthesis."""
    config = read("tts", "openai_tts", settings, **environ)
    assert isinstance(config, OpenAiSpeech)
    return config


@pytest.mark.parametrize("name", CLOUD)
def test_a_provider_has_its_address_and_its_key_from_the_environment(name: str) -> None:
    """Naming provider and model is enough."""
    variable, address = CLOUD[name]
    config = chat(name, {"model": "m"}, **{variable: "sk-123"})
    assert config.endpoint.address == address
    assert config.endpoint.api_key == "sk-123"
    assert config.provider == name


@pytest.mark.parametrize("name", CLOUD)
@pytest.mark.parametrize(
    "placeholder", [None, "", "Your Open AI API key", "Your Gemini API Key", "not-needed"]
)
def test_a_missing_key_is_told_with_where_to_set_it(name: str, placeholder: str | None) -> None:
    """What the templates of configurations have in place of a key counts as missing."""
    with pytest.raises(SettingsError, match=CLOUD[name][0]) as caught:
        chat(name, {"model": "m", "llm_api_key": placeholder})
    assert caught.value.key == "llm_api_key"


@pytest.mark.parametrize("name", ["ollama_llm", "lmstudio_llm", "openai_compatible_llm"])
def test_a_local_server_needs_no_key(name: str) -> None:
    """And no environment variable of a provider is sent to it."""
    assert chat(name, {"model": "m"}, OPENAI_API_KEY="sk-123").endpoint.api_key == ""


def test_settings_of_the_old_backend_load_unchanged() -> None:
    """Those without meaning here are accepted."""
    settings = {
        "base_url": "http://localhost:11434/v1/",
        "llm_api_key": "somethingelse",
        "organization_id": None,
        "project_id": "p",
        "model": "qwen2.5:latest",
        "temperature": 1.0,
        "keep_alive": -1,
        "unload_at_exit": True,
        "interrupt_method": "user",
    }
    config = chat("ollama_llm", settings)
    assert config.endpoint.base_url == "http://localhost:11434/v1"
    assert config.temperature == 1.0


def test_a_key_never_shows() -> None:
    """Neither in the representation of a configuration, nor in an error about it."""
    assert "sk-123" not in repr(chat("openai_llm", {"model": "m", "llm_api_key": "sk-123"}))
    with pytest.raises(SettingsError) as caught:
        chat("openai_llm", {"model": "m", "llm_api_key": 5551234})
    assert "5551234" not in str(caught.value)
    with pytest.raises(SettingsError, match="no key has"):
        chat("openai_llm", {"model": "m", "llm_api_key": "sk\n123"})


@pytest.mark.parametrize(
    "url", ["localhost:11434", "ftp://host/v1", "http://", "http://host:99999", "http://[::1"]
)
def test_a_wrong_address_is_told_with_an_example(url: str) -> None:
    """Before anything is opened."""
    with pytest.raises(SettingsError, match="base_url: must be a URL such as http://"):
        chat("ollama_llm", {"model": "m", "base_url": url})


def test_a_model_must_be_named() -> None:
    """No default would be right for long."""
    with pytest.raises(SettingsError, match="model: is missing"):
        chat("ollama_llm", {"temperature": 1})


def test_a_temperature_out_of_range_is_told() -> None:
    """With the range."""
    with pytest.raises(SettingsError, match=r"temperature: must be a number from 0 to 2$"):
        chat("ollama_llm", {"model": "m", "temperature": 3})


def test_a_voice_server_of_the_old_backend_loads_unchanged() -> None:
    """`not-needed` is no key, and is not sent as one."""
    settings = {
        "model": "kokoro",
        "voice": "af_sky+af_bella",
        "api_key": "not-needed",
        "base_url": "http://localhost:8880/v1",
        "file_extension": "mp3",
    }
    config = speech(settings, OPENAI_API_KEY="sk-123")
    assert (config.endpoint.api_key, config.file_extension) == ("", "mp3")


def test_the_environments_key_goes_to_openai_only() -> None:
    """A host whose name only begins like OpenAI's gets nothing."""
    for host, key in {"api.openai.com": "sk-123", "api.openai.com.example.org": ""}.items():
        config = speech({"base_url": f"https://{host}/v1"}, OPENAI_API_KEY="sk-123")
        assert config.endpoint.api_key == key
    with pytest.raises(SettingsError, match="OPENAI_API_KEY in the environment"):
        speech({"base_url": "https://api.openai.com/v1"})


def test_a_format_that_nobody_can_read_is_told() -> None:
    """With those that can be."""
    with pytest.raises(SettingsError, match=r"file_extension: must be one of wav, mp3, pcm$"):
        speech({"file_extension": "ogg"})
