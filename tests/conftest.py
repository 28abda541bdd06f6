"""One fixture is one running backend; clients talk to it over memory wires, on the virtual clock."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeAlias

import attrs
import pytest
import trio
from hypothesis import HealthCheck, settings

from tests.client import Client
from tests.memory_wire import memory_wire_pair
from trio_backend.backend import Backend, BackendOptions, open_backend
from trio_backend.config.catalog import MemoryCatalog
from trio_backend.config.character import CharacterConfig, EngineChoice, WakeWordConfig
from trio_backend.config.system import SystemConfig
from trio_backend.engines.settings import Environment
from trio_backend.history.memory import MemoryHistory

# How fast an example is on a busy machine says nothing about the code: speed is shown in benchmarks. And a
# change is not to fail by an example that it has nothing to do with: others are looked for with
# `--hypothesis-profile=explore`.
settings.register_profile(
    "busy", deadline=None, derandomize=True, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("explore", settings.get_profile("busy"), derandomize=False)
settings.load_profile("busy")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The page's tests come last, in whatever order: the browser that they share goes on beside others."""
    web = Path(__file__).parent / "web"
    items.sort(key=lambda item: item.path.is_relative_to(web))


Connect: TypeAlias = Callable[[], Awaitable[Client]]

GREETING = ["group-update", "full-text", "set-model-and-conf", "group-update", "control"]

# Ten tokens a second, and a voice that takes as long as it speaks.
TOKEN = 0.1
# What the recogniser takes for an utterance.
HEARING = 0.5


WAKE_WORDS = WakeWordConfig(
    enabled=True,
    wake_words={"en": ("hey iris",)},
    end_words={"en": ("thanks", "stop")},
    greeting="Yes?",
    farewell="Bye.",
    idle_timeout=30,
)


def character(name: str, *, load: float = 0.0, voice: str = "tone_tts") -> CharacterConfig:
    """A test character: the echo model, a tone for a voice, ``load`` seconds to load."""
    return CharacterConfig(
        file=f"{name}.yaml",
        conf_name=name,
        conf_uid=f"{name}_001",
        character_name=name.title(),
        avatar=f"{name}.svg",
        llm=EngineChoice("llm", "echo_llm", {"token_delay": TOKEN, "load": load}),
        tts=EngineChoice("tts", voice, {"seconds_per_character": 0.01} if voice == "tone_tts" else {}),
        asr=EngineChoice("asr", "scripted_asr", {"delay": HEARING}),
        vad=EngineChoice("vad", "loudness_vad", {"required_misses": 10}),
        model_info={"name": name, "emotionMap": {"joy": 3, "Anger": "angry"}},
        emotions={"joy": 3, "anger": "angry"},
        system_prompt=f"You are {name}.",
        nudge_prompt="Say something.",
    )


@pytest.fixture
def system() -> SystemConfig:
    """The limits of the backend; a test module may have its own."""
    return SystemConfig(preload=False)


@pytest.fixture
def options(system: SystemConfig) -> BackendOptions:
    """A backend without disk and network: mao is the base; ann takes 5 s to load, slow takes 60 s."""

    async def backgrounds() -> Sequence[str]:
        await trio.lowlevel.checkpoint()
        return ["beach.jpg", "night.png"]

    iris = attrs.evolve(character("iris"), wake_word=WAKE_WORDS)
    others = [iris, character("ann", load=5), character("slow", load=60), character("mute", voice="none_tts")]
    catalog = MemoryCatalog(
        attrs.evolve(character("mao"), file="conf.yaml"), {other.file: other for other in others}
    )
    return BackendOptions(system, catalog, MemoryHistory(), Environment(Path(), {}), backgrounds)


def with_voice(options: BackendOptions, settings: dict[str, object] | None) -> BackendOptions:
    """The base character has a voice of these ``settings``, if there are any."""
    if settings is None:
        return options
    catalog = options.catalog
    assert isinstance(catalog, MemoryCatalog)
    base = attrs.evolve(catalog.base, tts=EngineChoice("tts", "tone_tts", settings))
    return attrs.evolve(options, catalog=MemoryCatalog(base, {}))


@pytest.fixture
async def backend(options: BackendOptions) -> AsyncIterator[Backend]:
    """A running backend."""
    async with open_backend(options) as backend:
        yield backend


@pytest.fixture
def connect(backend: Backend, nursery: trio.Nursery) -> Connect:
    """Connects a client and reads the greeting."""

    async def connect() -> Client:
        ours, theirs = memory_wire_pair()
        nursery.start_soon(backend.serve_client, theirs)
        client = Client(ours)
        assert [(await client.hear())["type"] for _ in GREETING] == GREETING
        return client

    return connect
