"""The registry: names, settings, and what a person is told when one of them is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from trio_backend.engines.llm.echo import EchoConfig
from trio_backend.engines.registry import DEFAULTS, configure, known, label, open_engine
from trio_backend.engines.settings import Surroundings
from trio_backend.errors import SettingsError, UnknownEngine

SURROUNDINGS = Surroundings(folder=Path(), environ={})


def test_every_default_is_known() -> None:
    """What stands in for an unknown engine exists."""
    assert DEFAULTS["llm"] in known("llm")
    assert DEFAULTS["tts"] in known("tts")


def test_equal_settings_give_one_engine() -> None:
    """Configurations are values: equal ones share a lease."""
    one = configure("llm", "echo_llm", {"load": 1}, surroundings=SURROUNDINGS)
    other = configure("llm", "echo_llm", {"load": "1.0", "token_delay": None}, surroundings=SURROUNDINGS)
    assert one == other == EchoConfig(load=1.0)
    assert hash(one) == hash(other)
    assert str(label(one)) == "llm/echo"


async def test_a_config_opens_the_engine_of_its_module() -> None:
    """`open_engine` needs no table: the class of the configuration says it."""
    async with open_engine(EchoConfig(load=0)) as engine:
        assert engine.config == EchoConfig()


def test_an_unknown_engine_is_told_with_what_stands_in_for_it() -> None:
    """The error has the names that exist, the likely one, and the default."""
    with pytest.raises(UnknownEngine, match=r"did you mean tone_tts.*espeak_tts is used instead") as caught:
        configure("tts", "tones_tts", {}, surroundings=SURROUNDINGS)
    assert caught.value.instead == "espeak_tts"
    assert "none_tts" in str(caught.value)


@pytest.mark.parametrize("name", ["edge_tts", "azure_tts", "piper_tts", "gpt_sovits_tts"])
def test_a_voice_of_the_old_backend_is_no_slip_of_the_pen(name: str) -> None:
    """It is known what is used instead, and no name is guessed that only ends alike."""
    with pytest.raises(UnknownEngine) as caught:
        configure("tts", name, {"voice": "x"}, surroundings=SURROUNDINGS)
    assert str(caught.value).startswith(f"no voice is called '{name}'; espeak_tts is used instead.")


def test_all_wrong_settings_are_told_at_once() -> None:
    """The first is the error, the others come with it."""
    settings = {"token_dely": 1, "load": "soon", "fail": 5, "first_token_delay": 1}
    with pytest.raises(SettingsError) as caught:
        configure("llm", "echo_llm", settings, surroundings=SURROUNDINGS)
    told = {error.key: error.message for error in (caught.value, *caught.value.others)}
    assert "did you mean token_delay" in told["token_dely"]
    assert told["load"] == "must be a number"
    assert told["fail"] == "must be text; put it in quotes"
    assert len(told) == 3


def test_a_value_out_of_range_is_told_with_the_range() -> None:
    """What is allowed is part of the message."""
    with pytest.raises(SettingsError, match="load: must be between 0 and 3600, not -1"):
        configure("llm", "echo_llm", {"load": -1}, surroundings=SURROUNDINGS)
    with pytest.raises(SettingsError, match="serial: must be true or false"):
        configure("tts", "tone_tts", {"serial": "often"}, surroundings=SURROUNDINGS)
