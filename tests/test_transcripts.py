"""Whole dialogues on the virtual clock, from ``transcripts/*.jsonl``.

Each line is one event. ``client`` is what the client says, ``server`` what it must hear next (the
fields given; ``"*"`` is any value but null), ``silence`` how many seconds nothing may come, ``clock`` the
time since the connection, in seconds. ``remember`` keeps a field of what was heard, by its dotted path,
as ``$name``. ``microphone`` is a message of sound, ``bytes`` a binary frame of it, in which the recogniser
hears what it ``says``: so many ``seconds`` of a voice, and ``quiet`` ones. ``server_sound`` is a binary
frame of the server: its header, and how many ``seconds`` of sound it has. ``seconds`` beside a ``server``
message is how long its WAV file lasts. ``voice``, in the first line, are settings of `tone_tts`, and
``tool`` says that the character has a clock, which takes a second; its model asks for it once in each turn.
"""

from __future__ import annotations

import json
import math
from base64 import b64decode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import attrs
import pytest
import trio
import trio.testing

from tests.client import Client
from tests.conftest import GREETING, with_voice
from tests.conversation.test_tools import ASK, AskingFirst, Clock
from tests.memory_wire import MemoryWire, memory_wire_pair
from trio_backend.audio.pcm import Pcm
from trio_backend.backend import Backend, BackendOptions, open_backend
from trio_backend.config.character import CharacterConfig
from trio_backend.conversation.character import Character
from trio_backend.engines.asr.scripted import write
from trio_backend.protocol import decode_frame

TRANSCRIPTS = sorted((Path(__file__).parent / "transcripts").glob("*.jsonl"))


@attrs.define
class Play:
    """One transcript being played."""

    wire: MemoryWire
    began: float
    known: dict[str, str] = attrs.field(factory=dict)

    async def line(self, line: dict[str, Any]) -> None:
        """Do, or expect, what one line says."""
        client = Client(self.wire)
        match line:
            case {"greeting": True}:
                assert [(await client.hear())["type"] for _ in GREETING] == GREETING
            case {"client": message}:
                await client.say(**self.filled(message))
            case {"client_text": text}:
                await self.wire.send(text.encode())
            case {"client_binary": text}:
                await self.wire.send_binary(text.encode())
            case {"microphone": kind}:
                voice = write(line.get("says", ""), seconds=line.get("seconds", 0))
                sound = Pcm(voice.samples + bytes(2 * round(16_000 * line.get("quiet", 0))), 16_000)
                if kind == "bytes":
                    await self.wire.send_binary(sound.samples)
                else:
                    await client.say(kind, audio=sound.floats().tolist())
            case {"server": expected}:
                heard = await client.hear()
                assert fits(heard, self.filled(expected)), f"expected {expected}\nheard    {heard}"
                for name, field in line.get("remember", {}).items():
                    self.known[name] = dug(heard, field)
                if "seconds" in line:
                    wav = Pcm.from_wav(b64decode(heard["audio"]))
                    assert wav.seconds == pytest.approx(line["seconds"], abs=0.02)
                    assert len(heard["volumes"]) == math.ceil(round(wav.seconds / 0.02, 3))
            case {"server_sound": expected}:
                with trio.fail_after(3600):
                    frame = decode_frame(cast("bytes", await self.wire.receive()))
                told = attrs.asdict(frame) | {"seconds": len(frame.samples) / 2 / frame.rate}
                del told["samples"]
                assert told == expected | {"seconds": pytest.approx(expected["seconds"], abs=0.02)}
            case {"silence": seconds}:
                await client.silence(seconds)
            case {"clock": seconds}:
                assert trio.current_time() - self.began == pytest.approx(seconds)
            case {"note": _} | {"voice": _} | {"tool": _}:
                pass
            case _:
                raise AssertionError(f"a transcript has no such line: {line}")

    def filled(self, message: Any) -> Any:
        """``message`` with ``$name`` replaced by what was remembered."""
        text = json.dumps(message)
        for name, value in self.known.items():
            text = text.replace(f'"${name}"', json.dumps(value))
        return json.loads(text)


def dug(heard: Any, path: str) -> str:
    """The value at a dotted path: ``histories.0.uid``."""
    for part in path.split("."):
        heard = heard[int(part)] if isinstance(heard, list) else heard[part]
    return str(heard)


def fits(heard: Any, expected: Any, *, whole: bool = False) -> bool:
    """Whether ``heard`` is as expected; below the top, objects have exactly the fields given."""
    if expected == "*":
        return heard is not None
    if isinstance(expected, dict) and isinstance(heard, dict):
        same_fields = not whole or expected.keys() == heard.keys()
        return same_fields and all(k in heard and fits(heard[k], v, whole=True) for k, v in expected.items())
    if isinstance(expected, list) and isinstance(heard, list):
        return len(expected) == len(heard) and all(map(_fits_whole, heard, expected))
    return bool(heard == expected)


def _fits_whole(heard: Any, expected: Any) -> bool:
    return fits(heard, expected, whole=True)


def give_tools(backend: Backend) -> None:
    """Let each character have a clock, and a model that asks for it before it answers."""
    open_character = backend.services.open_character

    @asynccontextmanager
    async def open_with_clock(config: CharacterConfig) -> AsyncIterator[Character]:
        async with open_character(config) as character:
            model = AskingFirst(ASK, "It is noon.")
            yield attrs.evolve(character, llm=model, tools=Clock())

    backend.services = attrs.evolve(backend.services, open_character=open_with_clock)


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
async def test_transcript(
    autojump_clock: trio.testing.MockClock, options: BackendOptions, path: Path
) -> None:
    """The dialogue goes as it is written down, and the client's leaving ends everything."""
    lines = path.read_text("utf-8").splitlines()
    first = json.loads(lines[0])
    options = with_voice(options, first.get("voice"))
    async with open_backend(options) as backend, trio.open_nursery() as nursery:
        if "tool" in first:
            give_tools(backend)
        ours, theirs = memory_wire_pair()
        nursery.start_soon(backend.serve_client, theirs)
        play = Play(ours, trio.current_time())
        for number, text in enumerate(lines, start=1):
            try:
                await play.line(json.loads(text))
            except Exception as error:
                error.add_note(f"at {path.name}:{number}")
                raise
        await ours.close()
        await trio.testing.wait_all_tasks_blocked()
        assert not nursery.child_tasks
        assert not backend.leases.statistics().engines
