"""A backend inside another program, with nothing but what the package exports."""

from __future__ import annotations

import ast
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from types import MappingProxyType

import attrs
import pytest
from trio.abc import ReceiveChannel
from trio.testing import MockClock

import trio_backend
from trio_backend import (
    BackendOptions,
    CharacterConfig,
    EngineChoice,
    MemoryCatalog,
    MemoryHistory,
    Prompt,
    SystemConfig,
    Text,
    adapter_of,
    channel_of,
    open_backend,
    open_in_memory,
    register_engine,
)
from trio_backend.engines import registry
from trio_backend.engines.base import ReplyPart
from trio_backend.errors import SettingsError

ECHO, SILENT = EngineChoice("llm", "echo_llm"), EngineChoice("tts", "none_tts")


async def greeted_with(character: CharacterConfig) -> Mapping[str, object]:
    """The model that a client is told to show on arrival."""
    options = BackendOptions(SystemConfig(), MemoryCatalog(character), MemoryHistory())
    async with open_backend(options) as backend, open_in_memory(backend.serve_client) as wire:
        while True:
            message = json.loads(await wire.receive())
            if message["type"] == "set-model-and-conf":
                model: Mapping[str, object] = message["model_info"]
                return model


async def test_a_character_needs_no_model(autojump_clock: MockClock) -> None:
    """Its client is greeted, and told of no model."""
    assert await greeted_with(CharacterConfig("a.yaml", "Ann", "ann_001", ECHO, SILENT)) == {}


async def test_a_model_may_be_any_mapping(autojump_clock: MockClock) -> None:
    """JSON knows dicts only; a character may be given what else is a mapping."""
    model = MappingProxyType({"name": "mao"})
    character = CharacterConfig("a.yaml", "Ann", "ann_001", ECHO, SILENT, model_info=model)
    assert await greeted_with(character) == {"name": "mao"}


@pytest.mark.parametrize("name", trio_backend.__all__)
def test_every_exported_name_exists(name: str) -> None:
    """The table of names is of what the modules hold; none is a module's too, which would hide it."""
    assert getattr(trio_backend, name).__name__ == name
    assert not Path(trio_backend.__file__).with_name(name).exists()
    assert not Path(trio_backend.__file__).with_name(f"{name}.py").exists()


def test_type_checkers_are_told_of_the_same_names() -> None:
    """What is imported when it is first used is imported for type checkers, from the same module."""
    tree = ast.parse(Path(trio_backend.__file__).read_text("utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level == 1]
    told = {alias.asname: node.module for node in imports for alias in node.names}
    assert told == trio_backend._MODULES


@attrs.frozen
class Parrot:
    """A language model that repeats."""

    def reply(self, prompt: Prompt) -> AbstractAsyncContextManager[ReceiveChannel[ReplyPart]]:
        return channel_of(self._parts(prompt))

    async def _parts(self, prompt: Prompt) -> AsyncGenerator[ReplyPart, None]:
        yield Text(prompt.messages[-1].content)


def test_an_engine_that_is_there_takes_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is found by its name, and a setting under that name is an error."""
    monkeypatch.setitem(registry._registered, "llm", [])
    register_engine("llm", adapter_of("parrot_llm", Parrot()))
    environment = trio_backend.Environment(Path(), {})

    assert registry.configure("llm", "parrot_llm", {}, environment=environment).name == "parrot_llm"
    with pytest.raises(SettingsError, match="pitch"):
        registry.configure("llm", "parrot_llm", {"pitch": 2}, environment=environment)


async def test_an_engine_that_is_there_is_shared_and_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each block yields the engine itself; leaving one does nothing to it."""
    monkeypatch.setitem(registry._registered, "llm", [])
    parrot = Parrot()
    register_engine("llm", adapter_of("parrot_llm", parrot))
    environment = trio_backend.Environment(Path(), {})
    config = registry.configure("llm", "parrot_llm", {}, environment=environment)
    for _ in range(2):
        async with registry.open_engine(config) as engine:
            assert engine is parrot
