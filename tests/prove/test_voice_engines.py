"""The engine server of `prove voice`, as the server's own adapters see it. In a process of its own."""

from __future__ import annotations

import shutil
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

from trio_backend.audio.pcm import Pcm
from trio_backend.audio.utterance import RATE
from trio_backend.engines.base import Message, Prompt, Tts
from trio_backend.engines.registry import configure, known, open_engine
from trio_backend.engines.settings import Environment
from trio_backend.engines.whole import transcribed
from trio_backend.prove.engines import EngineServerAddress
from trio_backend.prove.own_server import open_engine_server
from trio_backend.prove.plan import small
from trio_backend.prove.runner import ProgressListener, ProofRun, run_scenarios
from trio_backend.prove.stand_ins import STREAMING_ASR
from trio_backend.prove.voice_corpus import Corpus, make_corpus, room
from trio_backend.prove.voice_engine_log import EngineLog
from trio_backend.prove.voice_engine_times import FIRST_SOUND, REPLY, TIMES
from trio_backend.prove.voice_waveform import mark_of

pytestmark = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng makes the speech")
MORE = {"api_key": "none", "model": "stand-in"}


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    """Made once: it takes a second."""
    return make_corpus()


@asynccontextmanager
async def opened(kind: Any, name: str, server: EngineServerAddress, **settings: object) -> AsyncIterator[Any]:
    """An engine of ours that asks ``server``."""
    url = {"base_url": f"http://127.0.0.1:{server.port}/v1"}
    config = configure(kind, name, {**url, **settings}, environment=Environment(Path(), {}))
    async with open_engine(config) as engine:
        yield engine


async def log_of(server: EngineServerAddress) -> EngineLog:
    """What it was asked."""
    async with await trio.open_tcp_stream("127.0.0.1", server.port) as stream:
        await stream.send_all(b"GET /log HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
        data = b""
        while b"\r\n\r\n" not in data or not data.endswith(b"}"):
            data += await stream.receive_some()
    return EngineLog.parse(data.partition(b"\r\n\r\n")[2])


async def test_a_turn_of_its_engines(corpus: Corpus) -> None:
    """Each is as slow as it says, not slower by much, and its answers are what the scenario counts on."""
    said = corpus.of("finished")[0]
    async with open_engine_server(voice=True) as server:
        async with opened("asr", "openai_compatible_asr", server, **MORE) as asr:
            began = trio.current_time()
            assert await transcribed(asr, Pcm(room(0.4, said.room) + said.samples, RATE)) == said.text
            assert trio.current_time() - began >= TIMES.transcription
        async with opened("llm", "openai_compatible_llm", server, llm_api_key="none", model="m") as llm:
            began, text = trio.current_time(), ""
            async with llm.reply(Prompt("", [Message("user", said.text)])) as parts:
                async for part in parts:
                    if not text:
                        assert trio.current_time() - began >= TIMES.first_token - 0.01
                    text += part.text
            assert text == REPLY
        async with opened("tts", "openai_tts", server, file_extension="pcm", **MORE) as tts:
            began, chunks = trio.current_time(), list[Pcm]()
            async with tts.speak("A sentence to be spoken.") as sounds:
                async for chunk in sounds:
                    if not chunks:
                        assert trio.current_time() - began >= TIMES.speech - 0.01
                    chunks.append(chunk)
        log = await log_of(server)
        assert (log.transcriptions, log.transcribed, log.replies, log.whole_replies) == (1, 1, 1, 1)
        (speech,) = log.speeches
        sound = Pcm(b"".join(chunk.samples for chunk in chunks), chunks[0].rate)
        assert mark_of(sound) == speech.number
        assert speech.whole
        assert speech.seconds == pytest.approx(sound.seconds)
        assert chunks[0].seconds <= FIRST_SOUND + 0.01
        assert speech.begun is not None
        assert TIMES.speech - 0.01 <= speech.begun - speech.asked
        assert speech.begun < time.monotonic()


async def test_what_is_cancelled_is_not_finished(corpus: Corpus) -> None:
    """It is counted as asked, and the work for it ends: nothing more of it is sent."""

    async def speak(tts: Tts) -> None:
        async with tts.speak("A sentence to be spoken.") as sounds:
            async for _ in sounds:
                pass

    async def asked(count: Callable[[EngineLog], int]) -> None:
        with trio.fail_after(30):
            while not count(await log_of(server)):
                await trio.sleep(0.001)

    async with open_engine_server(voice=True) as server:
        async with opened("tts", "openai_tts", server, file_extension="pcm", **MORE) as tts:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(speak, tts)
                await asked(lambda log: len(log.speeches))
                nursery.cancel_scope.cancel()
            cancelled = time.monotonic()
        async with opened("asr", "openai_compatible_asr", server, **MORE) as asr:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(transcribed, asr, Pcm(corpus.utterances[0].samples, RATE))
                await asked(lambda log: log.transcriptions)
                nursery.cancel_scope.cancel()
            prompt = time.monotonic() - cancelled < TIMES.transcription
        await trio.sleep(TIMES.speech + TIMES.transcription)
        log = await log_of(server)
        assert (log.transcriptions, log.transcribed) == (1, 0) or not prompt
        (speech,) = log.speeches
        assert not speech.whole
        assert speech.begun is None or speech.begun < cancelled


@pytest.mark.skipif(STREAMING_ASR not in known("asr"), reason="there is no adapter for it yet")
@pytest.mark.parametrize("rate", [16_000, 24_000])
async def test_a_recogniser_streams(corpus: Corpus, rate: int) -> None:
    """Partial transcripts that grow, its judgement once the speaker has finished, and the final one."""
    said = corpus.of("paused")[3]
    settings = {**MORE, "sample_rate": rate, "turn_detection": "semantic_vad"}
    send, sound = trio.open_memory_channel[Pcm](0)

    async def speak() -> None:
        samples = room(0.3, said.room) + said.samples + room(0.6, said.room)
        async with send:
            for at in range(0, len(samples), 3200):
                await send.send(Pcm(samples[at : at + 3200], RATE))
                await trio.sleep(0.02)

    async with (
        open_engine_server(voice=True) as server,
        opened("asr", STREAMING_ASR, server, **settings) as asr,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(speak)
        async with asr.listen(sound) as transcripts:
            heard = [transcript async for transcript in transcripts]
    partial = [transcript.text for transcript in heard if not transcript.final]
    assert len(set(partial)) >= 3
    assert all(later.startswith(earlier) for earlier, later in pairwise(partial))
    assert [transcript.text for transcript in heard if transcript.final] == [said.text]
    assert [transcript.end_of_turn for transcript in heard if transcript.end_of_turn] == ["final"]


async def test_the_scenario_measures_our_server() -> None:
    """In a tiny size, in real time: every utterance is answered and understood, and nothing is left."""
    tiny = attrs.evolve(
        small(), voice_turns=0, voice_talkers=2, voice_crowd_turns=1, voice_interrupters=1,
        voice_interjections=1, voice_microphones=2, voice_mic_seconds=2.0, voice_discards=5,
        voice_discarders=1,
    )  # fmt: skip
    with trio.fail_after(120):
        found, discarded = await run_scenarios(
            ProofRun(("voice", "discard"), tiny), ProgressListener(lambda *_: None, lambda _: None)
        )
    assert discarded.verdict == "passed"
    assert not found.problem
    assert not found.skipped
    told = {check.what: check.value for check in found.checks}
    for what, value in told.items():
        if what.startswith(("utterances without a reply", "utterances understood wrongly")):
            assert value == 0, what
        if what.endswith("more than before"):
            assert value == 0, what
    assert told["wait, whole recognition, 2 talking (p50)"] >= 1000 * TIMES.reply
    assert told["silent after a meant interruption, 2 talking (p50)"] > 0
    assert "heartbeat of another, 2 microphones (p99)" in told
    assert found.client_share > 0
