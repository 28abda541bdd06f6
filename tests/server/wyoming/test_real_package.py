"""A client of the real package `wyoming`, as Home Assistant uses it, against a whole server."""

from __future__ import annotations

import json
import sys
from importlib.util import find_spec
from pathlib import Path

import attrs
import pytest
import trio
from loguru import logger

from tests.serving.servers import configured, open_server
from trio_backend.config.character import EngineChoice
from trio_backend.config.wyoming import WyomingSettings
from trio_backend.engines.asr.scripted import write

CLIENT = Path(__file__).with_name("real_client.py")


@pytest.mark.skipif(find_spec("wyoming") is None, reason="the package wyoming is not installed")
async def test_home_assistant_uses_all_of_it(tmp_path: Path) -> None:
    """Voice, recognition and the character; each request on a connection of its own."""
    config = configured(
        tmp_path,
        llm=EngineChoice("llm", "echo_llm"),
        tts=EngineChoice("tts", "tone_tts", {"seconds_per_character": 0.01}),
        wyoming=WyomingSettings(port=0, languages=("en", "de-DE")),
        access_token="needed elsewhere",
        host="0.0.0.0",
    )
    config = attrs.evolve(
        config, character=attrs.evolve(config.character, asr=EngineChoice("asr", "scripted_asr"))
    )
    lines: list[str] = []
    sink = logger.add(lambda message: lines.append(message), format="{message}")
    try:
        async with open_server(config):
            # With a token for all others, it is served to this machine alone.
            (line,) = [one for one in lines if "Wyoming" in one]
            host, _, port = line.partition("is at ")[2].split(";")[0].split()
            assert host == "127.0.0.1"
            sound = write("turn on the light", seconds=0.5).samples
            with trio.fail_after(60):
                client = await trio.run_process(
                    [sys.executable, str(CLIENT), port], stdin=sound, capture_stdout=True
                )
    finally:
        logger.remove(sink)
    heard = json.loads(client.stdout)
    assert heard.pop("spoken") == pytest.approx(0.23, abs=0.02)
    assert heard.pop("streamed") == pytest.approx(0.23, abs=0.02)
    assert heard == {
        "programs": ["scripted_asr", "tone_tts", config.character.character_name],
        "streams": [True, True, True],
        "languages": ["en", "de-DE"],
        "transcript": "turn on the light",
        "stopped": True,
        "handled": ["One. Two.", "Three."],
        "context": {"conversation_id": "a"},
        "chunks": ["One.", " Two."],
        "problems": [False, False],
        "refused": "bad-event",
    }
