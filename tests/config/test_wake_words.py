"""``wake_word_config`` in a character's file."""

from __future__ import annotations

from pathlib import Path

import pytest

from trio_backend.config.character import WakeWordConfig
from trio_backend.config.load import load_config
from trio_backend.errors import ConfigError

BASE = """
character_config:
  conf_name: Iris in the evening
  conf_uid: iris_001
  character_name: Iris
  persona_prompt: You are Iris.
"""


def loaded(folder: Path, section: str) -> WakeWordConfig:
    """What the base character has, with this section."""
    path = folder / "conf.yaml"
    path.write_text(BASE + section, "utf-8")
    return load_config(path, environ={}).config.character.wake_word


def test_it_is_off_by_default(tmp_path: Path) -> None:
    """Without the section nothing changes."""
    assert loaded(tmp_path, "") == WakeWordConfig()
    assert not WakeWordConfig().enabled


def test_phrases_are_by_language(tmp_path: Path) -> None:
    """With all that belongs to them."""
    section = """
  wake_word_config:
    enabled: true
    wake_words: {en: [hey iris, iris], zh: [你好小星]}
    end_words: {en: [go to sleep]}
    greeting: Here I am.
    farewell: Bye.
    idle_timeout: 30
"""
    assert loaded(tmp_path, section) == WakeWordConfig(
        enabled=True,
        wake_words={"en": ("hey iris", "iris"), "zh": ("你好小星",)},
        end_words={"en": ("go to sleep",)},
        greeting="Here I am.",
        farewell="Bye.",
        idle_timeout=30,
    )


def test_a_character_without_words_listens_for_its_name(tmp_path: Path) -> None:
    """So that it can be switched on with one line."""
    config = loaded(tmp_path, "  wake_word_config:\n    enabled: true\n")
    assert config.wake_words == {"": ("Iris",)}


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("wake_words: [iris]", "must be a section with keys of its own"),
        ("wake_words: {en: iris}", "must be a list"),
        ("end_words: {en: ['?!']}", "must have letters"),
        ("idle_timeout: 0", "must be a number from 1 to 86 400 s"),
    ],
)
def test_mistakes_are_named_where_they_stand(tmp_path: Path, line: str, told: str) -> None:
    """With file, line and key."""
    with pytest.raises(ConfigError, match=rf"conf\.yaml:8: .*wake_word_config.*{told}"):
        loaded(tmp_path, f"  wake_word_config:\n    {line}\n")
