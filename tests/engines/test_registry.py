"""The registry: names, settings, and what a person is told when one of them is wrong."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import attrs
import pytest
import trio

from trio_backend.engines import registry
from trio_backend.engines.leases import Leases
from trio_backend.engines.llm.echo import EchoConfig
from trio_backend.engines.registry import (
    DEFAULTS,
    Adapter,
    configure,
    known,
    label,
    open_engine,
    register_engine,
)
from trio_backend.engines.settings import Environment
from trio_backend.errors import SettingsError, UnknownEngine

ENVIRONMENT = Environment(folder=Path(), environ={})


def test_every_default_is_known() -> None:
    """What stands in for an unknown engine exists."""
    assert DEFAULTS["llm"] in known("llm")
    assert DEFAULTS["tts"] in known("tts")


def test_equal_settings_give_one_engine() -> None:
    """Configurations are values: equal ones share a lease."""
    one = configure("llm", "echo_llm", {"load": 1}, environment=ENVIRONMENT)
    other = configure("llm", "echo_llm", {"load": "1.0", "token_delay": None}, environment=ENVIRONMENT)
    assert one == other
    assert hash(one) == hash(other)
    assert one.settings == EchoConfig(load=1.0)
    assert label(one) == "llm/echo_llm"
    assert one != configure("llm", "echo_llm", {"load": 2}, environment=ENVIRONMENT)


async def test_a_config_opens_its_engine() -> None:
    """It knows its adapter; the class of its settings may stand anywhere."""
    async with open_engine(configure("llm", "echo_llm", {}, environment=ENVIRONMENT)) as engine:
        assert engine.config == EchoConfig()


def test_a_config_shows_no_setting() -> None:
    """Keys are among them."""
    config = configure("llm", "echo_llm", {"fail": "sk-123"}, environment=ENVIRONMENT)
    assert "sk-123" not in repr(config)


@attrs.define
class Choir:
    """An adapter that is an object, and cannot be hashed; it makes engines of two names."""

    NAMES: tuple[str, ...] = ("alto_tts", "bass_tts")

    def configure(self, name: str, settings: Mapping[str, object], environment: Environment) -> str:
        """Its settings are its name."""
        del settings, environment
        return name

    @asynccontextmanager
    async def open(self, settings: str) -> AsyncIterator[str]:
        """An engine that is its name."""
        yield f"voice of {settings}"


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a test registers is gone after it."""
    monkeypatch.setattr(registry, "_registered", {kind: [] for kind in registry.DEFAULTS})


@pytest.mark.usefixtures("registered")
async def test_a_program_may_bring_engines_of_its_own() -> None:
    """They are configured, shared, and guessed at, as those that come with the package are."""
    choir = Choir()
    for _ in range(2):
        register_engine("tts", choir)
    alto, bass = (configure("tts", name, {}, environment=ENVIRONMENT) for name in ("alto_tts", "bass_tts"))
    async with trio.open_nursery() as nursery:
        leases = Leases(nursery)
        async with leases.lease(alto) as one, leases.lease(bass) as other:
            assert (one, other) == ("voice of alto_tts", "voice of bass_tts")
            assert {engine.name for engine in leases.statistics().engines} == set(choir.NAMES)
    with pytest.raises(UnknownEngine, match=r"did you mean 'alto_tts'"):
        configure("tts", "alto_ts", {}, environment=ENVIRONMENT)
    with pytest.raises(UnknownEngine):
        configure("llm", "alto_tts", {}, environment=ENVIRONMENT)


@pytest.mark.usefixtures("registered")
def test_a_name_belongs_to_one_engine() -> None:
    """Neither one of ours nor one of theirs is replaced in silence; what is no adapter is told."""
    register_engine("tts", Choir())
    with pytest.raises(ValueError, match="a speech synthesis called 'alto_tts' already"):
        register_engine("tts", Choir())
    with pytest.raises(ValueError, match="a speech synthesis called 'tone_tts' already"):
        register_engine("tts", Choir(("tone_tts",)))
    with pytest.raises(TypeError, match="needs NAMES"):
        register_engine("tts", cast(Adapter, object()))
    with pytest.raises(TypeError, match="needs NAMES"):
        register_engine("tts", Choir(cast(tuple[str, ...], "tenor_tts")))


def test_an_unknown_engine_is_told_with_what_stands_in_for_it() -> None:
    """The error has the names that exist, the likely one, and the default."""
    with pytest.raises(UnknownEngine, match=r"did you mean 'tone_tts'.*espeak_tts is used instead") as caught:
        configure("tts", "tones_tts", {}, environment=ENVIRONMENT)
    assert caught.value.instead == "espeak_tts"
    assert "none_tts" in str(caught.value)


@pytest.mark.parametrize("name", ["kokoro_tts", "voicevox_tts", "styletts_tts", "vits_tts"])
def test_a_voice_of_another_backend_is_no_slip_of_the_pen(name: str) -> None:
    """It is known what is used instead, and no name is guessed that only ends alike."""
    with pytest.raises(UnknownEngine) as caught:
        configure("tts", name, {"voice": "x"}, environment=ENVIRONMENT)
    assert str(caught.value).startswith(
        f"no speech synthesis is called '{name}'; espeak_tts is used instead."
    )


def test_all_wrong_settings_are_told_at_once() -> None:
    """The first is the error, the others come with it."""
    settings = {"token_dely": 1, "load": "soon", "fail": 5, "first_token_delay": 1}
    with pytest.raises(SettingsError) as caught:
        configure("llm", "echo_llm", settings, environment=ENVIRONMENT)
    told = {error.key: error.message for error in (caught.value, *caught.value.others)}
    assert "this key is not known; did you mean 'token_delay'?" in told["token_dely"]
    assert told["load"] == "must be a number"
    assert told["fail"] == "must be text, in quotes if it looks like something else"
    assert len(told) == 3


def test_a_value_out_of_range_is_told_with_the_range() -> None:
    """What is allowed is part of the message."""
    with pytest.raises(SettingsError, match=r"load: must be a number from 0 to 3 600$"):
        configure("llm", "echo_llm", {"load": -1}, environment=ENVIRONMENT)
    with pytest.raises(SettingsError, match="serial: must be true or false"):
        configure("tts", "tone_tts", {"serial": "often"}, environment=ENVIRONMENT)


@pytest.mark.parametrize(
    ("written", "value"), [(True, True), ("yes", True), ("off", False), ("False", False), (None, False)]
)
def test_a_setting_is_read_as_in_the_rest_of_the_file(written: object, value: bool) -> None:
    """What is true in ``system_config`` is true under an engine's name; null means the default."""
    config = configure("tts", "tone_tts", {"serial": written}, environment=ENVIRONMENT)
    assert getattr(config.settings, "serial") is value  # noqa: B009


@pytest.mark.parametrize(("written", "value"), [(3, 3), (3.0, 3), ("3", 3), (" +3 ", 3)])
def test_a_whole_number_may_be_written_in_any_way(written: object, value: int) -> None:
    """A variable is always text."""
    config = configure("llm", "echo_llm", {"fail_at": written}, environment=ENVIRONMENT)
    assert getattr(config.settings, "fail_at") == value  # noqa: B009


@pytest.mark.parametrize("written", [3.5, "3.5", True, "", "1e3", "٣", float("nan"), float("inf"), [3], "-1"])
def test_what_is_no_whole_number_is_refused(written: object) -> None:
    """Nothing is taken for what it is not, and the value is not repeated: it may be a key."""
    with pytest.raises(SettingsError, match=r"^fail_at: must be a (whole )?number[^\[]*$"):
        configure("llm", "echo_llm", {"fail_at": written}, environment=ENVIRONMENT)


def test_a_list_is_not_a_text_and_its_wrong_items_are_named() -> None:
    """A text was taken for the list of its letters."""
    settings = {"phrases": "hello"}
    with pytest.raises(SettingsError, match=r"^phrases: must be a list, such as \[a, b\]$"):
        configure("asr", "pocketsphinx_asr", settings, environment=ENVIRONMENT)
    with pytest.raises(SettingsError, match=r"^phrases\[1\]: must be text"):
        configure("asr", "pocketsphinx_asr", {"phrases": ["hello", 5]}, environment=ENVIRONMENT)


def test_a_choice_that_may_be_empty_says_so() -> None:
    """And not `one of , wav`."""
    with pytest.raises(SettingsError, match=r"^response_format: must be empty, or one of wav, mp3, pcm$"):
        configure("tts", "openai_tts", {"response_format": "ogg"}, environment=ENVIRONMENT)


def test_no_file_sets_what_the_adapter_fills_in() -> None:
    """The longest sound of a sentence is the server's to say."""
    with pytest.raises(SettingsError, match=r"^max_sound: this key is not known"):
        configure("tts", "espeak_tts", {"max_sound": 5}, environment=ENVIRONMENT)


def test_a_start_imports_no_clients_that_nobody_needs() -> None:
    """With the embedded engines: other adapters, and clients of other servers, take 40 ms of a start."""
    code = (
        "import sys, pathlib, trio_backend.serving\n"
        "from trio_backend.engines import registry, settings\n"
        "environment = settings.Environment(pathlib.Path(), {})\n"
        "for kind, name in registry.DEFAULTS.items():\n"
        # A model of the turn's end is the user's, so its default is not used by a start.
        "    if kind != 'turn': registry.configure(kind, name, {}, environment=environment)\n"
        "unused = {'httpx2', 'trio_websocket', 'trio_backend.engines.llm.openai_compatible'}\n"
        "print(*unused & set(sys.modules))\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)

    assert not ran.stdout.strip()


def test_edge_without_its_library_is_another_voice(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the default of the older backend's folders, whose characters are to speak; what to do is said."""
    monkeypatch.setattr("trio_backend.engines.tts.edge.find_spec", lambda _name: None)
    with pytest.raises(UnknownEngine, match=r"the extra `edge`.*espeak_tts is used instead") as told:
        configure("tts", "edge_tts", {}, environment=Environment(Path(), {}))
    assert told.value.instead == "espeak_tts"
