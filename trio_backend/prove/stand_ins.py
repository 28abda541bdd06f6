"""Stand-ins: characters whose engines are slow in a known way, and a language model behind HTTP."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import attrs
import trio

from .plan import Plan

# Ten sentences of ten words, which the echo model says again.
SENTENCE = "Now this is one sentence that has ten words altogether."
QUESTION = " ".join([SENTENCE] * 10)
# Three sentences of twenty words: a turn of 60 tokens.
_TWENTY = "This is a sentence of twenty words of the kind that people say when they are asked for some thing."
THREE_SENTENCES = " ".join([_TWENTY] * 3)

# So fast that the TTS is never without work.
MODEL_TOKEN = 0.01
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"

QUICK_FIRST_TOKEN, QUICK_TOKEN = 0.05, 0.005


@attrs.frozen
class StandInCharacter:
    """A character: the settings and names of its LLM and of its TTS."""

    model: Mapping[str, float | str]
    voice: Mapping[str, float | bool]
    llm: str = "echo_llm"
    tts: str = "tone_tts"


def stand_ins(plan: Plan) -> Mapping[str, StandInCharacter]:
    """The characters by their files; a client starts with that of ``conf.yaml``."""
    token = {"token_delay": 0.03 * plan.scale, "first_token_delay": 0.03 * plan.scale}
    quick = {"first_token_delay": QUICK_FIRST_TOKEN, "token_delay": QUICK_TOKEN}
    # Whatever a character's file leaves out is as in conf.yaml: so nothing is.
    sound = {"seconds_per_character": 0.02, "serial": False, "delay": 0.0}
    heavy = {
        f"heavy-{name}.yaml": StandInCharacter({**quick, "load": 2 * plan.scale + number / 1000}, sound)
        for number, name in enumerate("abc")
    }
    return {
        "conf.yaml": StandInCharacter(token, {**sound, "serial": True, "delay": plan.scale}),
        "quick.yaml": StandInCharacter(quick, sound),
        "instant.yaml": StandInCharacter(
            {"token_delay": 0.0, "first_token_delay": 0.0}, {**sound, "seconds_per_character": 0.005}
        ),
        LOUD: StandInCharacter(
            {"token_delay": 0.0, "first_token_delay": 0.0}, {**sound, "seconds_per_character": 1.0}
        ),
        REAL: StandInCharacter(
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
"""An LLM at the other end of a connection, and the embedded TTS, which is a child process."""
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
        }
    }


@attrs.define(eq=False)
class StandInModel:
    """A language model behind HTTP: it streams OpenAI's format, without end, to every request.

    It sees when a connection is closed.
    """

    open: int = 0
    """Connections to it that are open."""

    async def serve(self, stream: trio.SocketStream) -> None:
        """One request; ends at once when the other side closes its connection."""
        self.open += 1
        try:
            async with stream, trio.open_nursery() as nursery:
                request = b""
                while b"\r\n\r\n" not in request:
                    request += (data := await stream.receive_some())
                    if not data:
                        return
                nursery.start_soon(_stream_tokens, stream)
                while await stream.receive_some():
                    pass
                nursery.cancel_scope.cancel("the connection is closed")
        except* (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # a connection that was reset is closed too
        finally:
            self.open -= 1


async def _stream_tokens(stream: trio.SocketStream) -> None:
    """The same sentence again and again, a word at a time."""
    with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
        await stream.send_all(_HEAD)
        while True:
            for word in SENTENCE.split():
                await stream.send_all(
                    b'data: {"choices":[{"index":0,"delta":{"content":"%s "}}]}\n\n' % word.encode()
                )
                await trio.sleep(MODEL_TOKEN)


@asynccontextmanager
async def open_model(port: int) -> AsyncIterator[StandInModel]:
    """Such a model on ``port`` of this machine."""
    model = StandInModel()
    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(port, host="127.0.0.1")
        nursery.start_soon(trio.serve_listeners, model.serve, listeners)
        yield model
        nursery.cancel_scope.cancel("the model is not needed any more")
