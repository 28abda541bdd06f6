"""The adapter for speech servers: formats, and what goes wrong."""

from __future__ import annotations

import importlib.util
import io
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib import import_module
from importlib.machinery import ModuleSpec
from pathlib import Path

import numpy as np
import pytest
import trio

from tests.promptness import PROMPTLY
from trio_backend.audio.pcm import Pcm
from trio_backend.engines.base import Tts
from trio_backend.engines.registry import configure, open_engine
from trio_backend.engines.settings import Environment
from trio_backend.engines.sound_file import decode
from trio_backend.engines.tts.tone import hum
from trio_backend.engines.whole import joined, spoken
from trio_backend.errors import EngineError

from .model_server import Answering, Behaviour, ModelServer, body, hanging, open_model_server, page, refusing

TONE = hum(1.0)


def mp3() -> bytes:
    """The tone, compressed."""
    file = io.BytesIO()
    import_module("soundfile").write(file, TONE.floats(), TONE.rate, format="MP3")
    return file.getvalue()


@pytest.fixture
async def server() -> AsyncIterator[ModelServer]:
    """A speech server of our own."""
    async with open_model_server() as server:
        yield server


@asynccontextmanager
async def open_speech(
    server: ModelServer, *, max_sentence_sound: float = 120, **settings: object
) -> AsyncIterator[Tts]:
    """The adapter."""
    given = {"base_url": server.url, "model": "kokoro", "voice": "af_sky", **settings}
    environment = Environment(Path(), {}, max_sentence_sound)
    config = configure("tts", "openai_tts", given, environment=environment)
    async with open_engine(config) as tts:
        yield tts


async def test_the_request_says_what_was_configured(server: ModelServer) -> None:
    """And a WAV file comes back as the samples that are in it."""
    server.behaviour = body(TONE.to_wav(), "audio/wav")
    async with open_speech(server, speed=1.5) as tts:
        assert await spoken(tts, "Hello.") == TONE
    assert server.asked[0].path == "/v1/audio/speech"
    assert server.asked[0].body == {
        "model": "kokoro",
        "voice": "af_sky",
        "input": "Hello.",
        "response_format": "wav",
        "speed": 1.5,
    }


async def test_mp3_is_decoded(server: ModelServer) -> None:
    """As long and as loud as before, within what the format does to it."""
    server.behaviour = body(mp3(), "audio/mpeg")
    async with open_speech(server, file_extension="mp3") as tts:
        pcm = await spoken(tts, "Hello.")
    assert math.isclose(pcm.seconds, TONE.seconds, abs_tol=0.15)
    loudness = [float(np.sqrt(np.mean(sound.floats() ** 2))) for sound in (pcm, TONE)]
    assert math.isclose(*loudness, rel_tol=0.1)


@pytest.mark.parametrize("asked_for", ["wav", "mp3", "pcm"])
async def test_the_bytes_say_what_they_are(server: ModelServer, asked_for: str) -> None:
    """Many servers send WAV, whatever they are asked for."""
    server.behaviour = body(TONE.to_wav(), "audio/wav")
    async with open_speech(server, file_extension=asked_for) as tts:
        assert await spoken(tts, "Hello.") == TONE


@pytest.mark.parametrize(
    ("data", "words"), [(b"RIFFoops", "WAV"), (b"oops", "neither WAV nor MP3"), (b"", "neither WAV nor MP3")]
)
async def test_what_is_no_sound_is_told(server: ModelServer, data: bytes, words: str) -> None:
    """As an error of the engine, not as noise."""
    server.behaviour = body(data, "audio/wav")
    async with open_speech(server) as tts:
        with pytest.raises(EngineError, match=words):
            await spoken(tts, "Hello.")


async def test_a_missing_decoder_is_told_at_once(
    server: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the character is loaded, not with its first sentence."""
    find = importlib.util.find_spec

    def find_all_but(name: str, package: str | None = None) -> ModuleSpec | None:
        return None if name == "soundfile" else find(name, package)

    monkeypatch.setattr("trio_backend.engines.sound_file.find_spec", find_all_but)
    with pytest.raises(EngineError, match=r"the extra `voice`.*file_extension: wav"):
        async with open_speech(server, file_extension="mp3"):
            raise AssertionError("it cannot be opened")
    with pytest.raises(ValueError, match="the extra `voice`"):
        decode(b"\xff\xfb", longest=9)


async def test_a_barge_in_closes_the_connection(server: ModelServer) -> None:
    """The server sees it at once."""
    server.behaviour = hanging()
    async with open_speech(server) as tts:
        with trio.move_on_after(0.1) as scope:
            await spoken(tts, "Hello.")
        with trio.fail_after(PROMPTLY):
            await server.asked[0].left.wait()
    assert server.asked[0].left_at - scope.deadline < PROMPTLY


async def test_errors_are_told_as_those_of_models_are(server: ModelServer) -> None:
    """A page, a wrong voice, silence."""
    server.script = [page(), refusing(400, {"code": "invalid_voice"}), hanging()]
    async with open_speech(server, timeout=0.2) as tts:
        for words in ("a web page", r"refused the request \(400, invalid_voice\)", "no sound within 0.2 s"):
            with pytest.raises(EngineError, match=f"openai_tts.*{words}"):
                await spoken(tts, "Hello.")


RATE = 24_000
SECOND = bytes(range(256)) * (RATE * 2 // 256)


def samples(*pieces: bytes, ends: Callable[[Answering], Awaitable[None]] | None = None) -> Behaviour:
    """Send each piece by itself; then the end of the answer, or what ``ends`` does."""

    async def answer(answering: Answering) -> None:
        await answering.head(200, ["Content-Type: audio/pcm", "Transfer-Encoding: chunked"])
        for piece in pieces:
            await answering.chunk(piece)
        if ends is None:
            await answering.stream.send_all(b"0\r\n\r\n")
        else:
            await ends(answering)

    return answer


async def silent(_answering: Answering) -> None:
    """Nothing more comes, and the connection stays open."""
    await trio.sleep_forever()


async def broken_off(answering: Answering) -> None:
    """The server dies."""
    await answering.stream.aclose()


async def received(tts: Tts) -> list[Pcm]:
    """All chunks of a sentence."""
    async with tts.speak("Hello.") as chunks:
        return [chunk async for chunk in chunks]


async def until_it_fails(chunks: trio.abc.ReceiveChannel[Pcm], words: str) -> bytes:
    """The samples up to an error, which says ``words``."""
    sound = bytearray()

    async def collect() -> None:
        async for chunk in chunks:
            sound.extend(chunk.samples)

    with pytest.raises(EngineError, match=words):
        await collect()
    return bytes(sound)


async def test_raw_samples_are_handed_out_as_they_come(server: ModelServer) -> None:
    """The server goes on only when its first chunk has been received."""
    first_is_here = trio.Event()

    async def go_on(answering: Answering) -> None:
        await first_is_here.wait()
        await answering.chunk(SECOND)
        await answering.stream.send_all(b"0\r\n\r\n")

    server.behaviour = samples(SECOND, ends=go_on)
    with trio.fail_after(10):
        async with open_speech(server, file_extension="pcm") as tts, tts.speak("Hello.") as chunks:
            sound = [await chunks.receive()]
            while sum(len(chunk.samples) for chunk in sound) < len(SECOND):
                sound.append(await chunks.receive())
            first_is_here.set()
            sound += [chunk async for chunk in chunks]
    assert joined(sound) == Pcm(SECOND * 2, RATE)
    assert server.asked[0].body["response_format"] == "pcm"


async def test_the_rate_of_raw_samples_is_as_configured(server: ModelServer) -> None:
    """They have no header to say it."""
    server.behaviour = samples(SECOND)
    async with open_speech(server, file_extension="pcm", sample_rate=16_000) as tts:
        assert await spoken(tts, "Hello.") == Pcm(SECOND, 16_000)


@pytest.mark.parametrize("sizes", [(1, 2, 3), (4801,), (2399, 4802, 1), (3,)])
async def test_samples_are_whole_wherever_the_stream_is_cut(
    server: ModelServer, sizes: tuple[int, ...]
) -> None:
    """A sample whose bytes come in two chunks is one; half a sample at the end is dropped."""
    pieces: list[bytes] = []
    at = 0
    while at < len(SECOND) - 1:
        size = sizes[len(pieces) % len(sizes)] if len(pieces) < 2_000 else len(SECOND)
        pieces.append(SECOND[at : at + size][: len(SECOND) - 1 - at])
        at += len(pieces[-1])
    server.behaviour = samples(*pieces)
    async with open_speech(server, file_extension="pcm") as tts:
        sound = await received(tts)
    assert all(chunk.samples and len(chunk.samples) % 2 == 0 for chunk in sound)
    assert joined(sound) == Pcm(SECOND[:-2], RATE)


async def test_samples_that_come_one_by_one_are_put_together(server: ModelServer) -> None:
    """No chunk but the last is shorter than 50 ms."""
    server.behaviour = samples(*[SECOND[at : at + 20] for at in range(0, len(SECOND), 20)])
    async with open_speech(server, file_extension="pcm") as tts:
        sound = await received(tts)
    assert joined(sound).samples == SECOND
    assert min(chunk.seconds for chunk in sound[:-1]) >= 0.05


@pytest.mark.parametrize("at", range(4))
async def test_a_cancelled_receive_closes_the_connection(server: ModelServer, at: int) -> None:
    """Whichever receive it is: the server sees it at once."""
    server.behaviour = samples(*[SECOND] * at, ends=silent)
    async with open_speech(server, file_extension="pcm") as tts:
        taken = 0
        with trio.CancelScope() as scope:
            async with tts.speak("Hello.") as chunks:
                while taken < at * len(SECOND):
                    taken += len((await chunks.receive()).samples)
                scope.deadline = trio.current_time() + 0.05
                await chunks.receive()
        assert scope.cancelled_caught
        with trio.fail_after(PROMPTLY):
            await server.asked[0].left.wait()
    assert server.asked[0].left_at - scope.deadline < PROMPTLY


async def test_leaving_the_block_early_closes_the_connection(server: ModelServer) -> None:
    """A sentence that is not played to its end is not made to its end."""
    server.behaviour = samples(SECOND, ends=silent)
    async with open_speech(server, file_extension="pcm") as tts:
        async with tts.speak("Hello.") as chunks:
            await chunks.receive()
        with trio.fail_after(PROMPTLY):
            await server.asked[0].left.wait()


async def test_what_came_before_an_error_is_handed_out(server: ModelServer) -> None:
    """To the last sample; then the error says what happened. Nothing is asked again."""
    server.behaviour = samples(SECOND, b"\1\2\3", ends=broken_off)
    async with open_speech(server, file_extension="pcm") as tts, tts.speak("Hello.") as chunks:
        sound = await until_it_fails(chunks, r"openai_tts.*broke off")
    assert sound == SECOND + b"\1\2"
    assert len(server.asked) == 1


async def test_a_stream_without_end_is_stopped(server: ModelServer) -> None:
    """Where a sentence may be no longer; what came before stands."""

    async def without_end(answering: Answering) -> None:
        while True:
            await answering.chunk(SECOND)

    server.behaviour = samples(ends=without_end)
    with trio.fail_after(10):
        async with open_speech(server, file_extension="pcm", max_sentence_sound=2) as tts:
            async with tts.speak("Hello.") as chunks:
                sound = await until_it_fails(chunks, r"more sound than 2 s.*max_sentence_sound")
            assert len(sound) == RATE * 4
            with trio.fail_after(PROMPTLY):
                await server.asked[0].left.wait()


async def test_a_stream_that_stops_is_given_up(server: ModelServer) -> None:
    """The server's time for a sentence is over; the listener's own, while it plays, does not count."""
    server.behaviour = samples(SECOND, ends=silent)
    async with open_speech(server, file_extension="pcm", timeout=2) as tts, tts.speak("Hello.") as chunks:
        first = await chunks.receive()
        await trio.sleep(2.2)
        sound = await until_it_fails(chunks, r"the sound is not whole within 2 s")
    assert first.samples + sound == SECOND


async def test_the_time_for_a_sentence_is_one_for_all_its_chunks(server: ModelServer) -> None:
    """A server that is slower than its sound is given up, too, though it never falls silent."""

    async def slowly(answering: Answering) -> None:
        while True:
            await trio.sleep(0.05)
            await answering.chunk(SECOND[:2400])

    server.behaviour = samples(ends=slowly)
    async with open_speech(server, file_extension="pcm", timeout=1) as tts, tts.speak("Hello.") as chunks:
        with trio.fail_after(30):
            assert await until_it_fails(chunks, r"the sound is not whole within 1 s")


async def test_a_page_is_no_sound(server: ModelServer) -> None:
    """Raw samples cannot be told from noise, but the server says that this is none."""
    server.behaviour = page()
    async with open_speech(server, file_extension="pcm") as tts:
        with pytest.raises(EngineError, match="a web page"):
            await spoken(tts, "Hello.")


async def test_a_file_comes_in_one_piece(server: ModelServer) -> None:
    """WAV is not handed out before it is whole, whatever its head says of its length."""
    server.behaviour = body(TONE.to_wav(), "audio/wav")
    async with open_speech(server) as tts:
        assert await received(tts) == [TONE]
