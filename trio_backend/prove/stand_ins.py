"""The characters of a server that is to be measured: engines whose slowness is known."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import attrs

from .plan import Plan

# Ten sentences of ten words, which the echo model says again.
SENTENCE = "Now this is one sentence that has ten words altogether."
QUESTION = " ".join([SENTENCE] * 10)
# Three sentences of twenty words: a turn of 60 tokens.
_TWENTY = "This is a sentence of twenty words of the kind that people say when they are asked for some thing."
THREE = " ".join([_TWENTY] * 3)

QUICK_FIRST_TOKEN, QUICK_TOKEN = 0.05, 0.005


@attrs.frozen
class StandIn:
    """A character: its model and its voice, by name and settings."""

    model: Mapping[str, float | str]
    voice: Mapping[str, float | bool]
    llm: str = "echo_llm"
    tts: str = "tone_tts"


def stand_ins(plan: Plan) -> Mapping[str, StandIn]:
    """The characters by their files; ``conf.yaml`` is who everybody meets."""
    token = {"token_delay": 0.03 * plan.scale, "first_token_delay": 0.03 * plan.scale}
    quick = {"first_token_delay": QUICK_FIRST_TOKEN, "token_delay": QUICK_TOKEN}
    # Whatever a character's file leaves out is as in conf.yaml: so nothing is.
    sound = {"seconds_per_character": 0.02, "serial": False, "delay": 0.0}
    heavy = {
        f"heavy-{name}.yaml": StandIn({**quick, "load": 2 * plan.scale + number / 1000}, sound)
        for number, name in enumerate("abc")
    }
    return {
        "conf.yaml": StandIn(token, {**sound, "serial": True, "delay": plan.scale}),
        "quick.yaml": StandIn(quick, sound),
        "instant.yaml": StandIn(
            {"token_delay": 0.0, "first_token_delay": 0.0}, {**sound, "seconds_per_character": 0.005}
        ),
        LOUD: StandIn(
            {"token_delay": 0.0, "first_token_delay": 0.0}, {**sound, "seconds_per_character": 1.0}
        ),
        REAL: StandIn(
            {"base_url": f"http://127.0.0.1:{plan.model_port}/v1", "llm_api_key": "none", "model": "babble"},
            {},
            "openai_compatible_llm",
            "espeak_tts",
        ),
        **heavy,
    }


LOUD = "loud.yaml"
"""Each of its sentences is 2.4 MB of sound."""
REAL = "real.yaml"
"""A model at the other end of a connection, and the embedded voice, which is a child process."""
HEAVY = ("heavy-a.yaml", "heavy-b.yaml", "heavy-c.yaml")


def write_stand_ins(folder: Path, plan: Plan) -> Path:
    """Write the configuration of a server with these characters; the path of its ``conf.yaml``.

    The limits are those that everybody has, except where the load itself would run into them.
    """
    system = {
        "system_config": {
            "port": 0,
            "config_alts_dir": "characters",
            "history_file": str(folder / "history.sqlite3"),
            "cache_dir": str(folder / "cache"),
            "max_connections": 10_000,
            "messages_per_second": 100_000,
            "message_burst": 100_000,
            "enable_proxy": True,
        }
    }
    (folder / "characters").mkdir()
    for file, stand_in in stand_ins(plan).items():
        # JSON is YAML.
        if file == "conf.yaml":
            (folder / file).write_text(json.dumps({**system, **_character(file, stand_in)}))
        else:
            (folder / "characters" / file).write_text(json.dumps(_character(file, stand_in)))
    return folder / "conf.yaml"


def _character(file: str, stand_in: StandIn) -> Mapping[str, object]:
    name = file.removesuffix(".yaml")
    return {
        "character_config": {
            "conf_name": name,
            "conf_uid": name,
            "character_name": name.title(),
            "persona_prompt": "You say again what you hear.",
            "agent_config": {
                "conversation_agent_choice": "basic_memory_agent",
                "agent_settings": {"basic_memory_agent": {"llm_provider": stand_in.llm}},
                "llm_configs": {stand_in.llm: stand_in.model},
            },
            "tts_config": {"tts_model": stand_in.tts, stand_in.tts: stand_in.voice},
        }
    }
