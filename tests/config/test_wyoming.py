"""``system_config.wyoming``: its engines, and what `check` finds wrong with it."""

from __future__ import annotations

import pytest

from trio_backend.check import check
from trio_backend.config.load import load_config
from trio_backend.config.wyoming import WyomingSettings, listens_at

from .conftest import BASE, Write

ENGINES = """\
  asr_config:
    asr_model: scripted_asr
    faster_whisper: {model_path: small}
  tts_config:
    tts_model: tone_tts
"""


def test_without_a_port_nothing_is_served(write: Write) -> None:
    """As it is by default."""
    config = load_config(write({"conf.yaml": BASE}), environ={}).config
    assert config.wyoming is None
    assert config.system.wyoming == WyomingSettings()


def test_engines_are_the_characters_or_those_that_are_named(write: Write) -> None:
    """With the settings under their names."""
    text = f"system_config:\n  wyoming: {{port: 10700, asr: faster_whisper}}\n{BASE}{ENGINES}"
    config = load_config(write({"conf.yaml": text}), environ={}).config
    assert config.wyoming is not None
    assert config.wyoming.tts == config.character.tts
    assert config.wyoming.asr is not None
    assert config.wyoming.asr.name == "faster_whisper"
    assert config.wyoming.asr.settings == {"model_path": "small"}


@pytest.mark.parametrize(
    ("lines", "severity", "line", "key", "message"),
    [
        (["port: 1", "asr: whisperer"], "warning", 4, "asr", "no speech recognition is called"),
        (["port: 1", "tts: none_tts", "colour: red"], "warning", 5, "colour", "not known"),
        (["port: 70000"], "error", 3, "port", "from 0 to 65 535"),
        (["port: 12393"], "error", 3, "port", "is the port of the server itself"),
        (["port: 1", "languages: [English]"], "error", 4, "languages", "'English' must be a language"),
        (["port: 1", "max_connections: 0"], "error", 4, "max_connections", "from 1 to"),
        (["port: 1"], "warning", 3, "port", "to this machine alone"),
        (["port: 1", "host: 0.0.0.0"], "warning", 4, "host", "needs no access_token"),
    ],
)
def test_what_is_wrong_is_found_where_it_stands(
    write: Write, lines: list[str], severity: str, line: int, key: str, message: str
) -> None:
    """File, line, key."""
    section = "\n".join(f"    {one}" for one in lines)
    text = f"system_config:\n  wyoming:\n{section}\n  access_token: secret\n{BASE}"
    found = {
        (str(one.severity), one.line, one.key): str(one) for one in check(write({"conf.yaml": text}), {})
    }
    assert message in found[severity, line, f"system_config.wyoming.{key}"]


def test_settings_of_a_named_engine_are_checked(write: Write) -> None:
    """Though no character uses it."""
    text = f"system_config:\n  wyoming: {{port: 1, asr: faster_whisper}}\n{BASE}{ENGINES}".replace(
        "small", "small, nonsense: 1"
    )
    found = [(one.severity, one.line, one.key) for one in check(write({"conf.yaml": text}), {})]
    assert ("error", 9, "character_config.asr_config.faster_whisper.nonsense") in found


@pytest.mark.parametrize(
    ("host", "restricted", "there"),
    [("", False, "0.0.0.0"), ("", True, "127.0.0.1"), ("10.0.0.1", True, "10.0.0.1")],
)
def test_with_a_login_it_is_for_this_machine(host: str, restricted: bool, there: str) -> None:
    """Unless the operator says where."""
    assert listens_at(WyomingSettings(host=host), "0.0.0.0", restricted=restricted) == there
