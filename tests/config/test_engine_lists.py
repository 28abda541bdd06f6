"""Lists of engines in a configuration: what is read, and what is told of it with its line."""

from __future__ import annotations

from pathlib import Path

import pytest
from loguru import logger

from tests.config.conftest import BASE, Write
from trio_backend.check import check
from trio_backend.config.load import load_config
from trio_backend.conversation.character import engine_config
from trio_backend.engines.fallback_engines import FallbackSettings
from trio_backend.engines.settings import Environment
from trio_backend.errors import ConfigError

LISTS = """\
  agent_config:
    agent_settings: {basic_memory_agent: {llm_provider: [echo_llm, scripted_llm]}}
    llm_configs:
      echo_llm: {token_delay: 0.5}
  asr_config: {asr_model: [scripted_asr, pocketsphinx_asr]}
  tts_config:
    tts_model: [tone_tts, Espeak_TTS,
                none_tts]
    espeak_tts:
      speed: 120
"""


def found(path: Path) -> list[tuple[str, int, str, str]]:
    """What `check` says of engines: severity, line, key and message."""
    return [
        (one.severity, one.line, one.key.removeprefix("character_config."), one.message)
        for one in check(path, {})
    ]


def test_a_list_is_the_first_and_what_follows_it(write: Write) -> None:
    """Each with the settings under its own name, and the place where it is named."""
    character = load_config(write({"conf.yaml": BASE + LISTS}), environ={}).config.character
    assert [one.name for one in (character.tts, *character.tts.then)] == [
        "tone_tts",
        "Espeak_TTS",
        "none_tts",
    ]
    assert character.tts.then[0].settings == {"speed": 120}
    assert (character.llm.settings, [one.name for one in character.llm.then]) == (
        {"token_delay": 0.5},
        ["scripted_llm"],
    )
    assert character.asr
    assert [one.name for one in character.asr.then] == ["pocketsphinx_asr"]
    places = [one.where() for one in (character.tts, *character.tts.then)]
    assert [place.line for place in places] == [11, 13, 12]


def test_one_name_is_one_engine(write: Write) -> None:
    """As text or as a list of one, and nothing follows it."""
    for chosen in ("tone_tts", "[tone_tts]"):
        path = write({"conf.yaml": f"{BASE}  tts_config: {{tts_model: {chosen}}}\n"})
        tts = load_config(path, environ={}).config.character.tts
        assert (tts.name, tts.then) == ("tone_tts", ())


@pytest.mark.parametrize(
    ("chosen", "told"),
    [
        ("[]", "must be a name, or a list of names such as [edge_tts, espeak_tts]"),
        ("[tone_tts, 5]", "must be a name, or a list of names"),
        ("[tone_tts, '']", "must be a name, or a list of names"),
        ("[tone_tts, tone_tts]", "names an engine twice"),
        ("5", "must be text"),
    ],
)
def test_what_is_no_list_of_names_is_told(write: Write, chosen: str, told: str) -> None:
    """With its line."""
    path = write({"conf.yaml": f"{BASE}  tts_config:\n    tts_model: {chosen}\n"})
    with pytest.raises(ConfigError, match=r"conf.yaml:6: character_config.tts_config.tts_model: ") as caught:
        load_config(path, environ={})
    assert told in str(caught.value)


def test_check_looks_at_each_engine_of_a_list(write: Write) -> None:
    """Names that are unknown, with what is used instead; settings that are wrong or do nothing."""
    path = write(
        {
            "conf.yaml": BASE
            + """\
  asr_config:
    asr_model: [scripted_asr, whisper_cpp, none_such]
    scripted_asr: {dely: 1}
    whisper_cpp:
      print_progress: false
  tts_config:
    tts_model:
      - tons_tts
      - none_tts
      - elevenlabs_tts
"""
        }
    )
    assert [(severity, line, key) for severity, line, key, _ in found(path)] == [
        ("warning", 6, "asr_config.asr_model[2]"),
        ("error", 7, "asr_config.scripted_asr.dely"),
        ("note", 9, "asr_config.whisper_cpp.print_progress"),
        ("warning", 12, "tts_config.tts_model[0]"),
        ("error", 14, "tts_config.elevenlabs_tts.api_key"),
    ]


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["nosuch_tts", "none_tts"], ["none_tts is used instead"]),
        (["none_tts", "nosuch_tts", "tone_tts"], ["tone_tts is used instead"]),
        (["none_tts", "nosuch_tts"], ["it is left out"]),
        (["nosuch_tts", "nowhere_tts"], ["espeak_tts is used instead"] * 2),
        (["nosuch_tts", "nowhere_tts", "tone_tts"], ["tone_tts is used instead"] * 2),
        (["nosuch_tts"], ["espeak_tts is used instead"]),
    ],
)
def test_an_unknown_engine_is_left_out(write: Write, names: list[str], told: list[str]) -> None:
    """The next of the list stands in for it, and for the last of all the embedded one."""
    path = write({"conf.yaml": f"{BASE}  tts_config:\n    tts_model: [{', '.join(names)}]\n"})
    assert [severity for severity, *_ in found(path)] == ["warning"] * len(told)
    assert all(text in message for text, (*_, message) in zip(told, found(path), strict=True))
    lines: list[str] = []
    sink = logger.add(lambda message: lines.append(message.record["message"]), level="WARNING")
    config = engine_config(load_config(path, environ={}).config.character.tts, Environment(path.parent, {}))
    logger.remove(sink)
    assert [text in line for text, line in zip(told, lines, strict=True)] == [True] * len(told)
    known = [name for name in names if name in ("none_tts", "tone_tts")] or ["espeak_tts"]
    assert config.name == ", ".join(known)
    assert isinstance(config.settings, FallbackSettings) == (len(known) > 1)


def test_for_how_long_an_engine_is_left_is_set(write: Write) -> None:
    """For the whole server."""
    path = write({"conf.yaml": f"system_config: {{fallback_for: 5}}\n{BASE}{LISTS}"})
    config = load_config(path, environ={}).config
    settings = engine_config(config.character.llm, Environment.of(config, {})).settings
    assert isinstance(settings, FallbackSettings)
    assert settings.seconds == 5


def test_a_wrong_setting_of_any_of_them_is_told_when_the_character_is_loaded(write: Write) -> None:
    """It is a slip of the pen, and no failure: to mend it is better than to speak with another voice."""
    path = write({"conf.yaml": f"{BASE}{LISTS}    none_tts: {{colour: red}}\n"})
    choice = load_config(path, environ={}).config.character.tts
    with pytest.raises(ConfigError, match=r"conf.yaml:15: character_config.tts_config.none_tts.colour: "):
        engine_config(choice, Environment(path.parent, {}))
