"""docs/synthesis.md: its examples are understood, and its table has what the code has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from trio_backend.engines.registry import configure, known
from trio_backend.engines.settings import Environment

from .voice_services import VOICES

TEXT = (Path(__file__).parents[2] / "docs" / "synthesis.md").read_text("utf-8")
ROWS = [line.split("|") for line in TEXT.splitlines() if line.startswith("| `")]


def test_the_table_has_every_name() -> None:
    """And no other."""
    assert sorted(name for row in ROWS for name in re.findall(r"`(\w+)`", row[1])) == list(known("tts"))


@pytest.mark.parametrize("name", sorted({voice.name for voice in VOICES.values()}))
def test_the_table_says_which_streams_and_where_its_key_may_be(name: str) -> None:
    """As its stand-in has it, and as its adapter reads it."""
    (row,) = [row for row in ROWS if f"`{name}`" in row[1]]
    assert (row[2].strip() != "no") == any(voice.streams for voice in VOICES.values() if voice.name == name)
    variables = re.findall(r"`(\w+)`", row[3])
    settings = {key: value for key, value in VOICES[name].settings.items() if key != "api_key"}
    configure("tts", name, settings, environment=Environment(Path(), dict.fromkeys(variables, "k")))


@pytest.mark.parametrize("example", re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL))
def test_the_examples_are_understood(example: str) -> None:
    """What is commented out, too, line by line."""
    ((name, settings),) = yaml.safe_load(example).items()
    for line in ("", *re.findall(r"^  # (\w+: [^#\n]*)", example, re.MULTILINE)):
        given = {**settings, **(yaml.safe_load(line) or {})}
        configure("tts", name, given, environment=Environment(Path(), {}))
