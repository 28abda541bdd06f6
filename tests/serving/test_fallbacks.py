"""A server whose voice dies: what is heard, and what its operator sees."""

from __future__ import annotations

import json
from pathlib import Path

import attrs
import httpx2

from tests.serving.servers import configured, open_client, open_server
from trio_backend.config.character import EngineChoice

ECHO = EngineChoice("llm", "echo_llm", {})
DEAD = EngineChoice("tts", "openai_tts", {"base_url": "http://127.0.0.1:9/v1", "file_extension": "pcm"})
TONE = EngineChoice("tts", "tone_tts", {"seconds_per_character": 0.01})


async def test_a_voice_that_nobody_serves_is_replaced_and_seen(tmp_path: Path) -> None:
    """Each sentence is heard; the page, `/metrics` and the data of `/status` say which voice it was."""
    tts = attrs.evolve(DEAD, then=(TONE,))
    async with (
        open_server(configured(tmp_path, llm=ECHO, tts=tts)) as address,
        open_client(address) as client,
        httpx2.AsyncClient() as operator,
    ):
        heard = await client.turn("One two three. Four five six.")
        assert all(message["audio"] for message in heard if message["type"] == "audio")
        (told,) = (message for message in heard if message["type"] == "error")
        assert told["code"] == "engine-replaced"
        assert "openai_tts: nothing listens at 127.0.0.1:9" in told["message"]
        assert told["message"].endswith("tone_tts is used instead, for 60 s")
        metrics = (await operator.get(f"{address}/metrics")).text
        line = 'trio_backend_engine_in_use{kind="tts",list="openai_tts, tone_tts",name="%s"} %d.0'
        assert line % ("openai_tts", 0) in metrics
        assert line % ("tone_tts", 1) in metrics
        engines = json.loads((await operator.get(f"{address}/debug/tasks")).text)["engines"]
        (members,) = (one["members"] for one in engines if one["members"])
        assert [(one["name"], one["state"]) for one in members] == [
            ("openai_tts", "left"),
            ("tone_tts", "in use"),
        ]
        assert 0 < members[0]["left"] <= 60
        assert members[1]["left"] == 0
