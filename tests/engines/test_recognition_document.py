"""docs/recognition.md: its examples are understood, and its table says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tests.engines.speech_sounds import opened
from trio_backend.engines.registry import configure, known
from trio_backend.engines.settings import Environment

TEXT = (Path(__file__).parents[2] / "docs" / "recognition.md").read_text("utf-8")
EXAMPLES = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)]
ROWS = [line.split("|")[1:-1] for line in TEXT.splitlines() if line.startswith("| `")]
KEYS = {f"{name}_API_KEY": "k" for name in ("OPENAI", "DEEPGRAM", "GROQ")} | {"AZURE_SPEECH_KEY": "k"}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: next(iter(example)))
def test_an_example_is_understood(example: dict[str, dict[str, object]]) -> None:
    """As a section of a configuration."""
    ((name, settings),) = example.items()
    configure("asr", name, settings, environment=Environment(Path(), KEYS))


def test_all_recognisers_are_in_the_table() -> None:
    """But the one for tests."""
    named = {name for row in ROWS for name in re.findall(r"`(\w+)`", row[0])}
    assert named == set(known("asr")) - {"scripted_asr"}


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("openai_realtime_asr", {"api_key": "k"}),
        ("vllm_realtime_asr", {"model": "m"}),
        ("deepgram_asr", {"api_key": "k"}),
        ("fun_asr", {"base_url": "ws://127.0.0.1:1"}),
        ("wyoming_asr", {"streams": True}),
        ("command_asr", {"command": "true"}),
        ("azure_asr", {"api_key": "k"}),
        ("openai_compatible_asr", {}),
    ],
)
async def test_the_table_says_who_listens_while_one_speaks(name: str, settings: dict[str, object]) -> None:
    """As the engine itself says it, once it is open."""
    (said,) = [row[1].strip() for row in ROWS if f"`{name}`" in row[0]]
    async with opened(name, settings)() as asr:
        assert asr.streams == (said != "no")
