"""A spoken dialogue, and nothing is stood in for: espeak-ng speaks, pocketsphinx hears, on real sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import httpx2
import pytest
import trio

from tests.audio.sounds import chunk, form, riff
from tests.children import Children
from tests.client import Client, Heard
from tests.engines.speech_sounds import needs_espeak, noise, silence, spoken
from tests.serving.servers import SocketWire, configured, open_client, open_server
from trio_backend.audio.pcm import Pcm
from trio_backend.audio.utterance import RATE
from trio_backend.config.character import EngineChoice, WakeWordConfig
from trio_backend.config.folder import Config
from trio_backend.engines.asr.scripted import write

PHRASES = ["okay iris", "tell me a story", "turn on the light", "go to sleep"]
ECHO = EngineChoice("llm", "echo_llm", {})
ESPEAK = EngineChoice("tts", "espeak_tts", {"voice": "en"})
ASR = EngineChoice("asr", "pocketsphinx_asr", {"phrases": PHRASES})
CHUNK = 0.1  # seconds


def with_asr(folder: Path, **character: object) -> Config:
    """A configuration whose character listens with the embedded ASR."""
    config = configured(folder, llm=ECHO, tts=ESPEAK)
    changed = attrs.evolve(config.character, asr=ASR, **character)  # type: ignore[arg-type]
    return attrs.evolve(config, character=changed)


@asynccontextmanager
async def talking(folder: Path, **character: object) -> AsyncIterator[Client]:
    """A client of a server with such a character."""
    async with open_server(with_asr(folder, **character)) as address, open_client(address) as client:
        yield client


async def stream(client: Client, sound: Pcm, *, kind: str) -> None:
    """Send ``sound`` as a microphone does: a piece each 100 ms."""
    size = 2 * round(CHUNK * RATE)
    for at in range(0, len(sound.samples), size):
        piece = Pcm(sound.samples[at : at + size], RATE)
        if kind == "bytes":
            assert isinstance(client.wire, SocketWire)
            await client.wire.connection.send_message(piece.samples)
        else:
            await client.say(kind, audio=piece.floats().tolist())
        await trio.sleep(CHUNK)


async def the_turn(client: Client) -> list[Heard]:
    """All up to the end of the turn, with the sound played in no time."""
    heard = await client.until("backend-synth-complete")
    await client.say("frontend-playback-complete")
    return heard + await client.until("control", text="conversation-chain-end")


def transcript(heard: list[Heard]) -> str:
    """What was understood."""
    (message,) = [message for message in heard if message["type"] == "user-input-transcription"]
    return str(message["text"])


def answers(heard: list[Heard]) -> list[str]:
    """The sentences that came with sound."""
    sounds = [message for message in heard if message["type"] == "audio"]
    assert all(len(message["audio"]) > 1000 for message in sounds)
    return [message["display_text"]["text"] for message in sounds]


@needs_espeak
@pytest.mark.parametrize("kind", ["mic-audio-data", "bytes"])
async def test_an_utterance_is_understood_and_answered(tmp_path: Path, kind: str) -> None:
    """The client says where it ends; as floats in JSON, and as bytes."""
    with trio.fail_after(20):
        async with talking(tmp_path) as client:
            if kind == "bytes":
                await client.say("mic-format", format="pcm16")
                await client.until("mic-format")
            await stream(client, spoken("tell me a story"), kind=kind)
            await client.say("mic-audio-end")
            heard = await the_turn(client)
    assert transcript(heard) == "tell me a story"
    assert answers(heard) == ["tell me a story"]


@needs_espeak
async def test_the_server_finds_the_utterance_in_the_stream(tmp_path: Path) -> None:
    """Between two seconds of noise and two more; and the next one cuts into the reply."""
    before, after = noise(2, level=100).samples, noise(2, level=100).samples
    with trio.fail_after(120):
        async with talking(tmp_path) as client, trio.open_nursery() as nursery:
            sound = Pcm(before + spoken("turn on the light").samples + after, RATE)
            nursery.start_soon(lambda: stream(client, sound, kind="raw-audio-data"))
            assert [message["type"] for message in await client.until("control", text="interrupt")] == [
                "control"
            ]
            await client.until("control", text="mic-audio-end")
            await client.say("mic-audio-end")
            heard = await client.until("backend-synth-complete")
            assert transcript(heard) == "turn on the light"

            # Nobody has said yet that it was played: the turn still runs.
            await stream(client, Pcm(spoken("go to sleep").samples + after, RATE), kind="raw-audio-data")
            await client.until("control", text="interrupt")
            await client.say("interrupt-signal", text="turn")
            await client.until("control", text="mic-audio-end")
            await client.say("mic-audio-end")
            heard = await the_turn(client)
    assert transcript(heard) == "go to sleep"
    assert answers(heard) == ["go to sleep"]


@needs_espeak
async def test_a_wake_word_is_heard_and_what_follows_it_is_handled(tmp_path: Path) -> None:
    """In one breath: greeted without a model, then answered."""
    wake = WakeWordConfig(enabled=True, wake_words={"en": ("okay Iris",)}, greeting="Yes?")
    with trio.fail_after(120):
        async with talking(tmp_path, wake_word=wake) as client:
            await stream(client, spoken("turn on the light"), kind="mic-audio-data")
            await client.say("mic-audio-end")
            heard = await client.until("control", text="conversation-chain-end")
            assert answers(heard) == []
            await stream(client, spoken("okay iris, tell me a story"), kind="mic-audio-data")
            await client.say("mic-audio-end")
            heard = await the_turn(client)
    assert transcript(heard) == "okay iris tell me a story"
    assert answers(heard) == ["Yes?", "tell me a story"]


@needs_espeak
async def test_a_sound_file_is_understood(tmp_path: Path) -> None:
    """Of any rate, in stereo, and in 24 bits; what is none is told with a reason."""
    speech = spoken("turn on the light").resampled(44_100)
    with trio.fail_after(20):
        async with open_server(with_asr(tmp_path)) as address, httpx2.AsyncClient() as browser:

            async def post(data: bytes, field: str = "file") -> httpx2.Response:
                return await browser.post(f"{address}/asr", files={field: ("speech.wav", data)}, timeout=20)

            good = await post(speech.to_wav())
            stereo = await post(as_stereo_of_24_bits(speech))
            bad, wrong, empty, long = (
                await post(b"ID3 this is an MP3"),
                await post(speech.to_wav(), field="sound"),
                await post(Pcm(b"", RATE).to_wav()),
                await post(Pcm(bytes(2 * 8000 * 61), 8000).to_wav()),
            )
            plain = await browser.post(f"{address}/asr", content=speech.to_wav())
            huge = await post(bytes(9 * 2**20))
            foreign = await browser.post(f"{address}/asr", headers={"Origin": "https://evil.example"})
    assert (good.status_code, good.json()) == (200, {"text": "turn on the light"})
    assert stereo.json() == good.json()
    assert (bad.status_code, bad.json()["error"][:22]) == (400, "this is no WAV file: i")
    for answer, told in (
        (wrong, "field 'file'"),
        (plain, "field 'file'"),
        (empty, "no sound"),
        (long, "60 s"),
    ):
        assert answer.status_code == 400
        assert told in answer.json()["error"]
    assert huge.status_code == 413
    assert foreign.status_code == 403


def as_stereo_of_24_bits(pcm: Pcm) -> bytes:
    """A WAV file with the sound in both channels."""
    frames = b"".join(2 * (b"\0" + pcm.samples[at : at + 2]) for at in range(0, len(pcm.samples), 2))
    return riff(form(1, 24, channels=2, rate=pcm.rate), chunk(b"data", frames))


async def test_a_client_that_leaves_stops_the_recognition(tmp_path: Path) -> None:
    """A request that is given up leaves no decoding behind, and the next one is answered."""
    busy, children = noise(55).to_wav(), Children()
    with trio.fail_after(120):
        async with open_server(with_asr(tmp_path)) as address, httpx2.AsyncClient() as browser:

            async def post(data: bytes) -> httpx2.Response:
                return await browser.post(f"{address}/asr", files={"file": ("a.wav", data)}, timeout=20)

            assert (await post(silence(1).to_wav())).json() == {"text": ""}
            (recogniser,) = [child for child in children.direct() if "pocketsphinx" in str(child.cmdline())]
            with trio.move_on_after(0.4) as scope:
                await post(busy)
            assert scope.cancelled_caught
            await trio.sleep(0.1)
            assert not recogniser.is_running()
            assert (await post(silence(1).to_wav())).json() == {"text": ""}


async def test_what_stops_the_character_and_what_does_not(tmp_path: Path) -> None:
    """On a real socket: a noise stops it, and it goes on; "uh-huh" changes nothing; a word ends it."""
    config = configured(
        tmp_path, llm=ECHO, tts=EngineChoice("tts", "tone_tts", {"seconds_per_character": 0.2})
    )
    scripted = EngineChoice("asr", "scripted_asr", {"partial": True})
    loudness = EngineChoice("vad", "loudness_vad", {"required_misses": 10})
    config = attrs.evolve(config, character=attrs.evolve(config.character, asr=scripted, vad=loudness))
    async with open_server(config) as address, open_client(address) as client:
        with trio.fail_after(120):
            await stream(client, silence(0.3), kind="raw-audio-data")
            await client.say("text-input", text="One two threes. Four five sixes.")
            await client.until("backend-synth-complete")

            await stream(client, write("Uh-huh.", seconds=0.5), kind="raw-audio-data")
            await stream(client, silence(0.6), kind="raw-audio-data")
            await stream(client, write("", seconds=0.5), kind="raw-audio-data")
            assert len(await client.until("control", text="interrupt")) == 1
            await client.say("interrupt-signal", text="One")
            await stream(client, silence(0.6), kind="raw-audio-data")
            heard = await client.until("backend-synth-complete")
            assert [one["type"] for one in heard] == ["control", "audio", "audio", "backend-synth-complete"]
            assert answers(heard) == ["One two threes.", "Four five sixes."]

            await stream(client, write("Stop.", seconds=0.5), kind="raw-audio-data")
            assert len(await client.until("control", text="interrupt")) == 1
            await client.say("interrupt-signal", text="One two")
            await stream(client, silence(0.6), kind="raw-audio-data")
            await client.until("control", text="mic-audio-end")
            await client.say("mic-audio-end")
            heard = await the_turn(client)
    assert transcript(heard) == "Stop."
