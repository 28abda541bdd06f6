"""Broken or hostile speech synthesis: endless output, none, or output that grows when it is decoded.

Each costs a turn its sound and one message that says why; the texts come, and the session lives on.
"""

from __future__ import annotations

import io
import os
import shutil
import struct
import sys
import zlib
from collections.abc import AsyncIterator, Callable
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import trio

from tests.engines.model_server import Answering, Behaviour, ModelServer, body, open_model_server
from trio_backend.audio.pcm import Pcm
from trio_backend.config.character import EngineChoice
from trio_backend.engines.tts import espeak
from trio_backend.engines.tts.tone import hum

from .conversing import MIB, audible, bounded_memory, errors, open_talk, shown

ESPEAK = EngineChoice("tts", "espeak_tts", {"voice": "en"})
SAID = "One is here. Two is here. Three is here."
TONE = hum(0.2)
Fake = Callable[[str], None]

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a shell script")


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    """Puts a program in the place of espeak-ng, which does as it is told as soon as it has a text."""

    def put(script: str) -> None:
        folder = tmp_path / "bin"
        folder.mkdir()
        program = folder / "espeak-ng"
        program.write_text(f'#!/bin/sh\ntext=$(cat)\n[ -z "$text" ] && exit 0\n{script}\n')
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")

    return put


@posix_only
@pytest.mark.parametrize(
    "script",
    ["exec head -c 300000000 /dev/zero", "exec cat /dev/zero 1>&2", "while :; do echo; done"],
    ids=["300 MB", "complaints without end", "lines without end"],
)
async def test_a_child_that_never_stops_writing_is_stopped(
    fake: Fake, tmp_path: Path, script: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is heard of once, and what it wrote is not kept."""
    monkeypatch.setattr(espeak, "SENTENCE_TIMEOUT", 1.0)
    fake(script)
    with bounded_memory(100 * MIB):
        async with open_talk(tmp_path, tts=ESPEAK) as client:
            with trio.fail_after(30):
                turn = await client.turn(SAID)
                assert shown(turn) == SAID
                (error,) = errors(turn)
                assert "max_sentence_sound" in error or "more than 1 s" in error
                assert shown(await client.turn("Again.")) == "Again."


@posix_only
async def test_stuck_children_cost_one_deadline(
    fake: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three sentences queue for one processor; the second and third do not wait anew."""
    monkeypatch.setattr(espeak, "SENTENCE_TIMEOUT", 4.0)
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    fake("exec sleep 600")
    async with open_talk(tmp_path, tts=ESPEAK) as client:
        with trio.fail_after(11):
            turn = await client.turn(SAID)
    assert shown(turn) == SAID
    assert len(errors(turn)) == 1


def wav(seconds: float, rate: int) -> bytes:
    """Digital silence."""
    return Pcm(bytes(2 * int(seconds * rate)), rate).to_wav()


def lying_wav(**fields: int) -> bytes:
    """A tone, whose header says something else."""
    told = {"format": 1, "channels": 1, "rate": 22_050, "bits": 16, "size": len(TONE.samples), **fields}
    form = struct.pack("<HHIIHH", told["format"], told["channels"], told["rate"], 0, 0, told["bits"])
    head = b"RIFF" + struct.pack("<I", 0xFFFFFFFF) + b"WAVEfmt " + struct.pack("<I", 16) + form
    return head + b"data" + struct.pack("<I", told["size"]) + TONE.samples


def compressed(seconds: float, kind: str, rate: int = 8_000) -> bytes:
    """Silence in a file that is far smaller than its samples."""
    file = io.BytesIO()
    import_module("soundfile").write(file, np.zeros(int(seconds * rate), np.float32), rate, format=kind)
    return file.getvalue()


def lying_flac() -> bytes:
    """A second of silence whose header promises 2^36 - 1 samples."""
    data = bytearray(compressed(1, "FLAC"))
    data[21] |= 0x0F
    data[22:26] = b"\xff" * 4
    return bytes(data)


def coded(coding: str, data: bytes) -> Behaviour:
    """An answer with a content coding that was not asked for."""

    async def answer(answering: Answering) -> None:
        await answering.whole(200, data, "Content-Type: audio/wav", f"Content-Encoding: {coding}")

    return answer


def bomb() -> bytes:
    """200 MiB of zeros by gzip."""
    packer = zlib.compressobj(9, wbits=31)
    return b"".join([*(packer.compress(bytes(MIB)) for _ in range(200)), packer.flush()])


async def endless(answering: Answering) -> None:
    """A WAV file that never ends."""
    await answering.head(200, ["Content-Type: audio/wav", "Connection: close"])
    await answering.stream.send_all(lying_wav(size=0xFFFFFFFF))
    while True:
        await answering.stream.send_all(bytes(65_536))


async def endless_chunks(answering: Answering) -> None:
    """The same, in chunks."""
    await answering.head(200, ["Content-Type: audio/mpeg", "Transfer-Encoding: chunked"])
    while True:
        await answering.chunk(bytes(65_536))


async def endless_refusal(answering: Answering) -> None:
    """An error whose text has no end."""
    await answering.head(400, ["Content-Type: text/plain", "Connection: close"])
    while True:
        await answering.stream.send_all(b"no " * 20_000)


SOUND = "audio/wav"
HOSTILE: dict[str, Callable[[], Behaviour]] = {
    "25 minutes": lambda: body(wav(1_500, 24_000), SOUND),
    "20 000 s of 1 kHz": lambda: body(wav(20_000, 1_000), SOUND),
    "121 s": lambda: body(wav(121, 8_000), SOUND),
    "60 s of 384 kHz": lambda: body(wav(60, 384_000), SOUND),
    "10 minutes of MP3": lambda: body(compressed(600, "MP3"), "audio/mpeg"),
    "an hour of FLAC": lambda: body(compressed(3_600, "FLAC"), "audio/flac"),
    "a gzip bomb": lambda: coded("gzip", bomb()),
    "some brotli": lambda: coded("br", b"\x0b\x02\x80garbage"),
    "two codings": lambda: coded("gzip, gzip", bomb()),
    "an endless file": lambda: endless,
    "endless chunks": lambda: endless_chunks,
    "an endless refusal": lambda: endless_refusal,
    "no channels": lambda: body(lying_wav(channels=0), SOUND),
    "65 535 channels": lambda: body(lying_wav(channels=65_535), SOUND),
    "no rate": lambda: body(lying_wav(rate=0), SOUND),
    "4 GHz": lambda: body(lying_wav(rate=0xFFFFFFFF), SOUND),
    "no bits": lambda: body(lying_wav(bits=0), SOUND),
    "an unknown format": lambda: body(lying_wav(format=0x1234), SOUND),
    "RIFF without end": lambda: body(b"RIFF\xff\xff\xff\xffWAVE" + b"junk\0\0\0\0" * 100_000, SOUND),
    "broken MP3": lambda: body(compressed(1, "MP3")[:40] + bytes(range(256)) * 1_000, "audio/mpeg"),
    "2^36 samples, it says": lambda: body(lying_flac(), "audio/flac"),
    "nothing": lambda: body(b"", SOUND),
}


@pytest.fixture
async def server() -> AsyncIterator[ModelServer]:
    """A speech server of our own."""
    async with open_model_server() as server:
        yield server


def openai_tts(server: ModelServer) -> EngineChoice:
    """The adapter for it."""
    return EngineChoice("tts", "openai_tts", {"base_url": server.url, "file_extension": "mp3"})


@pytest.mark.parametrize("what", HOSTILE)
async def test_a_hostile_voice_server_costs_the_sound(server: ModelServer, tmp_path: Path, what: str) -> None:
    """One message says why; the memory that it takes is bounded; the next sentence is heard."""
    server.behaviour = HOSTILE[what]()
    async with open_talk(tmp_path, tts=openai_tts(server)) as client:
        with bounded_memory(160 * MIB), trio.fail_after(30):
            turn = await client.turn("Hello there.")
        assert (shown(turn), audible(turn), len(errors(turn))) == ("Hello there.", 0, 1)
        assert "openai_tts" in errors(turn)[0]
        server.behaviour = body(TONE.to_wav(), SOUND)
        assert audible(await client.turn("Again.")) == 1


async def test_the_bound_is_the_operators(server: ModelServer, tmp_path: Path) -> None:
    """`max_sentence_sound` reaches speech synthesis: what is longer is told with the bound's name."""
    server.behaviour = body(wav(1.5, 8_000), SOUND)
    async with open_talk(tmp_path, tts=openai_tts(server), max_sentence_sound=1) as client:
        turn = await client.turn("Hello there.")
    assert audible(turn) == 0
    assert "longer than 1 s (max_sentence_sound)" in errors(turn)[0]


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")
async def test_the_bound_holds_for_the_embedded_voice(tmp_path: Path) -> None:
    """The same, for a real espeak-ng that has much to say."""
    async with open_talk(tmp_path, tts=ESPEAK, max_sentence_sound=1) as client:
        turn = await client.turn("Hello " * 30)
    assert audible(turn) == 0
    assert "more than 1 s of sound for one sentence (max_sentence_sound)" in errors(turn)[0]


@pytest.mark.parametrize(
    "file", [lying_wav(size=0xFFFFFFFF), lying_wav(size=0)], ids=["without end", "nothing"]
)
async def test_sizes_in_headers_are_not_believed(server: ModelServer, tmp_path: Path, file: bytes) -> None:
    """What there is is heard, whatever was promised."""
    server.behaviour = body(file, SOUND)
    async with open_talk(tmp_path, tts=openai_tts(server)) as client:
        with bounded_memory(100 * MIB):
            turn = await client.turn("Hello there.")
    assert (audible(turn), errors(turn)) == (1, [])
