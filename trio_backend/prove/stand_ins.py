"""Stand-in characters: their engines are slow in a known way, in the server or behind HTTP."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import attrs

from ..engines.registry import known
from .plan import Plan

# Ten sentences of ten words, which the echo model says again.
SENTENCE = "Now this is one sentence that has ten words altogether."
QUESTION = " ".join([SENTENCE] * 10)
# Three sentences of twenty words: a turn of 60 tokens.
_TWENTY = "This is a sentence of twenty words of the kind that people say when they are asked for some thing."
THREE_SENTENCES = " ".join([_TWENTY] * 3)

_ROLES = ("human", "ai", "human", "ai")

FIRST_CLAUSE = "When you ask me,"
"""Worth a sound of its own: with it the reply begins to be spoken."""
_REST = "I say a sentence of twenty words, which is as long as such sentences often are."
REPLY = f"{FIRST_CLAUSE} {_REST} {_TWENTY} {_TWENTY}"
"""What the engine server's models say, a word at a time: three sentences of twenty words."""

# Its models: 50 ms to the first of 60 tokens, 5 ms to each other; the same at once; a token each 10 ms.
STEADY, INSTANT, ENDLESS = "steady", "instant", "endless"

QUICK_FIRST_TOKEN, QUICK_TOKEN = 0.05, 0.005


@attrs.frozen
class StandInCharacter:
    """A character: the settings and names of its LLM and of its TTS."""

    model: Mapping[str, float | str]
    voice: Mapping[str, float | bool | str]
    llm: str = "echo_llm"
    tts: str = "tone_tts"
    hearing: Mapping[str, object] = attrs.field(factory=dict)
    """Its ``asr_config`` and ``vad_config``, as they are in a file; without, the embedded engines."""


def stand_ins(plan: Plan) -> Mapping[str, StandInCharacter]:
    """The characters by their files; a client starts with that of ``conf.yaml``."""
    instant = {"token_delay": 0.0, "first_token_delay": 0.0}
    # Whatever a character's file leaves out is as in conf.yaml: so nothing is.
    sound = {"seconds_per_character": 0.02, "serial": False, "delay": 0.0}
    brief = {**sound, "seconds_per_character": 0.005}
    real = StandInCharacter(_model(ENDLESS, plan), {}, "openai_compatible_llm", "espeak_tts")
    if plan.engines in ("voice", "eager"):
        return _with_speech(plan)
    if plan.engines == "http":
        return {
            "conf.yaml": _behind_http(STEADY, plan),
            "instant.yaml": _behind_http(INSTANT, plan),
            LONG_WINDED: _behind_http(ENDLESS, plan),
            # Of the engines that are delivered, the one that needs nothing else; its typing costs only time.
            COMPANION: StandInCharacter({"token_delay": 0.0}, brief, "scripted_llm"),
            REAL: real,
        }
    token = {"token_delay": 0.03 * plan.scale, "first_token_delay": 0.03 * plan.scale}
    quick = {"first_token_delay": QUICK_FIRST_TOKEN, "token_delay": QUICK_TOKEN}
    heavy = {
        f"heavy-{name}.yaml": StandInCharacter({**quick, "load": 2 * plan.scale + number / 1000}, sound)
        for number, name in enumerate("abc")
    }
    return {
        "conf.yaml": StandInCharacter(token, {**sound, "serial": True, "delay": plan.scale}),
        "quick.yaml": StandInCharacter(quick, sound),
        "instant.yaml": StandInCharacter(instant, brief),
        LOUD: StandInCharacter(instant, {**sound, "seconds_per_character": 1.0}),
        REAL: real,
        **heavy,
    }


def _behind_http(model: str, plan: Plan) -> StandInCharacter:
    voice = {"base_url": _engine_url(plan), "api_key": "none", "model": "stand-in", "file_extension": "wav"}
    return StandInCharacter(_model(model, plan), voice, "openai_compatible_llm", "openai_tts")


def _with_speech(plan: Plan) -> Mapping[str, StandInCharacter]:
    """Those who listen, one with a recogniser for whole utterances, one with one that streams."""
    whole = {"base_url": _engine_url(plan), "api_key": "none", "model": "stand-in"}
    # The rate of microphones, so that nothing has to be resampled; and its own judgement of the turn's end.
    stream = {**whole, "sample_rate": 16_000, "turn_detection": "semantic_vad"}
    recognisers = {"conf.yaml": ("openai_compatible_asr", whole), STREAMING: (STREAMING_ASR, stream)}
    voice = {"base_url": _engine_url(plan), "api_key": "none", "model": "stand-in", "file_extension": "pcm"}
    characters = {}
    for file, (name, settings) in recognisers.items():
        if name not in known("asr"):
            continue
        for windows in (0, *plan.voice_silences):
            vad = {"required_misses": windows} if windows else {}
            hearing = {
                "asr_config": {"asr_model": name, name: settings},
                "vad_config": {"vad_model": "silero_vad", "silero_vad": vad},
            }
            characters[with_silence(file, windows)] = StandInCharacter(
                _model("stand-in", plan), voice, "openai_compatible_llm", "openai_tts", hearing
            )
    return characters


def with_silence(file: str, windows: int) -> str:
    """The character that is like ``file``, but that so many windows of silence end a turn; 0 is ``file``."""
    return f"{file.removesuffix('.yaml')}-{windows}.yaml" if windows else file


def _model(model: str, plan: Plan) -> Mapping[str, str]:
    return {"base_url": _engine_url(plan), "llm_api_key": "none", "model": model}


def _engine_url(plan: Plan) -> str:
    return f"http://127.0.0.1:{plan.engine_port}/v1"


STREAMING, STREAMING_ASR = "streaming.yaml", "openai_realtime_asr"
"""The character whose recogniser streams."""
EAGER = {"speculation": "eager", "speculation_waste": 1.0}
"""A turn is begun in each pause, however many of them are not wanted."""
LOUD = "loud.yaml"
"""Each of its sentences is 2.4 MB of sound."""
REAL = "real.yaml"
"""An LLM at the other end of a connection, and the embedded TTS, which is a child process."""
LONG_WINDED = "long-winded.yaml"
"""Its model and its TTS are behind HTTP, and its replies have no end."""
COMPANION = "companion.yaml"
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
            **(EAGER if plan.engines == "eager" else {}),
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


def _character(file: str, stand_in: StandInCharacter) -> Mapping[str, object]:
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
            **stand_in.hearing,
        }
    }


def write_conversations(folder: Path, count: int) -> Path:
    """Write ``count`` conversations of the character ``conf.yaml``, to be imported; the folder of them all.

    They are as Open-LLM-VTuber keeps them, which every version of the program can import.
    """
    conversations = folder / "chat_history" / "conf"
    conversations.mkdir(parents=True)
    for number in range(count):
        moment = datetime(2025, 1, 1, tzinfo=UTC) + timedelta(minutes=number)
        said = [{"role": role, "content": SENTENCE, "timestamp": moment.isoformat()} for role in _ROLES]
        name = f"{moment:%Y-%m-%d_%H-%M-%S}_{number:032x}.json"
        (conversations / name).write_text(
            json.dumps([{"role": "metadata", "timestamp": moment.isoformat()}, *said])
        )
    return conversations.parent
