"""sherpa-onnx's streaming models: the real library on a tiny one, and many utterances in one process."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import trio

from tests.children import Children
from tests.engines.speech_sounds import noise, opened
from tests.promptness import PROMPTLY
from trio_backend.audio.pcm import Pcm
from trio_backend.engines.asr.sherpa_onnx import MODEL_TYPES
from trio_backend.engines.base import Asr, AsrTranscript
from trio_backend.engines.whole import transcribed
from trio_backend.errors import EngineError, SettingsError

needs_library = pytest.mark.skipif(
    find_spec("sherpa_onnx") is None or find_spec("onnx") is None,
    reason="the extra sherpa, or onnx, is not installed",
)

FILES = {name: f"{name}.onnx" for name in ("encoder", "decoder", "joiner")}
SETTINGS = {"model_type": "online_transducer", **FILES, "tokens": "tokens.txt"}

# Counts the seconds of each stream; `load` is what one second of sound takes it.
STAND_IN = """
import os, time

class Stream:
    text, ready, ended = "", 0.0, False
    def accept_waveform(self, rate, samples):
        if len(samples) and abs(samples).max() > 0.99: os._exit(7)
        if not self.ended and abs(samples).sum(): self.seconds += len(samples) / rate
        self.ready += len(samples) / rate
    seconds = 0.0
    def input_finished(self): self.ended = True

class OnlineRecognizer:
    alive = 0
    @classmethod
    def from_transducer(cls, **options): return cls()
    def create_stream(self): return Stream()
    def is_ready(self, stream): return stream.ready > 0
    def decode_stream(self, stream):
        time.sleep(min(stream.ready, 0.5) / 20)
        stream.ready = 0
    def get_result(self, stream): return f"{stream.seconds:.1f} s" if stream.seconds else ""
"""

COUNT = """
    seconds, alive = 0.0, 0
    def __init__(self): Stream.alive += 1
    def __del__(self): Stream.alive -= 1
"""


@pytest.fixture
def real(tmp_path: Path) -> Path:
    """The folder of the tiny model."""
    from tests.engines.tiny_sherpa import write_model

    write_model(tmp_path)
    return tmp_path


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of files that no library reads: one takes its place that counts seconds."""
    (tmp_path / "sherpa_onnx.py").write_text(STAND_IN)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    for name in (*FILES.values(), "tokens.txt"):
        (tmp_path / name).touch()
    return tmp_path


async def heard(asr: Asr, *chunks: Pcm) -> list[AsrTranscript]:
    """All transcripts of ``chunks``, each given when the one before was taken."""
    send, sound = trio.open_memory_channel[Pcm](0)

    async def talk() -> None:
        async with send:
            for chunk in chunks:
                await send.send(chunk)

    got: list[AsrTranscript] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(talk)
        async with sound, asr.listen(sound) as transcripts:
            got += [transcript async for transcript in transcripts]
    return got


@needs_library
async def test_the_real_library_says_words_while_one_speaks(real: Path) -> None:
    """Each is there as soon as its sound was given; of any rate."""
    async with opened("sherpa_onnx_asr", SETTINGS, real)() as asr:
        assert asr.streams
        with trio.fail_after(30):
            got = await heard(asr, *[noise(0.04)] * 20)
            assert [one.text for one in got] == [
                "hello",
                "hello there",
                "hello there friend",
                "hello there friend",
            ]
            assert [one.final for one in got] == [False, False, False, True]
            assert await transcribed(asr, noise(1).resampled(44_100)) == "hello there friend"
            assert await transcribed(asr, Pcm(b"", 16_000)) == ""


@needs_library
async def test_a_file_that_is_no_model_is_told(real: Path) -> None:
    """By the library, while it loads; where that crashes over it, the crash is told."""
    (real / "joiner.onnx").write_bytes(b"<html>")
    with pytest.raises(EngineError, match=r"sherpa_onnx_asr: (the model cannot be loaded|its process ended)"):
        async with opened("sherpa_onnx_asr", SETTINGS, real)():
            raise AssertionError("never ready")


async def test_utterances_share_the_process_and_nothing_else(stand_in: Path) -> None:
    """Three sessions at once, each with its own sound, in any order."""
    children = Children()
    results: dict[float, str] = {}

    async def listen(asr: Asr, seconds: float) -> None:
        chunks = [noise(0.1)] * round(seconds * 10)
        results[seconds] = (await heard(asr, *chunks))[-1].text

    async with opened("sherpa_onnx_asr", SETTINGS, stand_in)() as asr:
        assert len(children.direct()) == 1
        with trio.fail_after(30):
            async with trio.open_nursery() as nursery:
                for seconds in (0.5, 1.0, 1.5):
                    nursery.start_soon(listen, asr, seconds)
    assert results == {seconds: f"{seconds:.1f} s" for seconds in (0.5, 1.0, 1.5)}


@pytest.mark.parametrize("after", [0.0, 0.01, 0.2])
async def test_a_cancel_is_prompt_and_harms_no_other_utterance(stand_in: Path, after: float) -> None:
    """The process lives on, with the other sessions' sound in it."""
    children = Children()
    async with opened("sherpa_onnx_asr", SETTINGS, stand_in)() as asr:
        (child,) = children.direct()
        send, sound = trio.open_memory_channel[Pcm](1)
        async with send, sound, asr.listen(sound) as transcripts:
            await send.send(noise(0.5))
            assert (await transcripts.receive()).text == "0.5 s"
            with trio.move_on_after(after) as scope:
                await transcribed(asr, noise(59))
            assert scope.cancelled_caught
            assert trio.current_time() - scope.deadline < PROMPTLY
            await send.send(noise(0.5))
            send.close()
            with trio.fail_after(10):
                assert [one.text async for one in transcripts][-1] == "1.0 s"
        assert children.direct() == [child]


async def test_no_utterance_that_was_given_up_stays_in_the_process(stand_in: Path) -> None:
    """However it was given up; the next one finds only itself there."""
    counting = STAND_IN.replace("    seconds = 0.0\n", COUNT).replace("{stream.seconds", "{Stream.alive")
    (stand_in / "sherpa_onnx.py").write_text(counting)
    async with opened("sherpa_onnx_asr", SETTINGS, stand_in)() as asr:
        for after in (0.0, 0.01, 0.03, 0.1):
            with trio.move_on_after(after):
                await transcribed(asr, noise(59))
            send, sound = trio.open_memory_channel[Pcm](1)
            async with send, sound, asr.listen(sound) as transcripts:
                await send.send(noise(0.1))
                await transcripts.receive()
        assert await transcribed(asr, noise(0.3)) == "1.0 s"


async def test_a_process_that_dies_fails_those_who_speak_and_nobody_after(stand_in: Path) -> None:
    """Their sound was in it; the next utterance gets another process."""
    loud = Pcm(b"\xff\x7f" * 1600, 16_000)
    async with opened("sherpa_onnx_asr", SETTINGS, stand_in)() as asr:
        send, sound = trio.open_memory_channel[Pcm](1)
        async with send, sound, asr.listen(sound) as transcripts:
            await send.send(noise(0.5))
            await transcripts.receive()
            with pytest.raises(EngineError, match=r"process ended unexpectedly \(exit code 7\)"):
                await transcribed(asr, loud)
            await send.send(noise(0.5))
            with trio.fail_after(10), pytest.raises(EngineError, match="replaced amid an utterance"):
                await transcripts.receive()
        with trio.fail_after(10):
            assert await transcribed(asr, noise(1)) == "1.0 s"


async def test_the_rate_may_not_change(stand_in: Path) -> None:
    """In the middle of an utterance."""
    send, sound = trio.open_memory_channel[Pcm](2)
    async with opened("sherpa_onnx_asr", SETTINGS, stand_in)() as asr, send, sound:
        for rate in (16_000, 48_000):
            send.send_nowait(Pcm(bytes(3200), rate))
        async with asr.listen(sound) as transcripts:
            with pytest.raises(EngineError, match="sample rate"):
                await transcripts.receive()


def test_what_is_given_up_is_forgotten(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With the next request of anybody; so the process does not grow."""
    (tmp_path / "sherpa_onnx.py").write_text(STAND_IN)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "sherpa_onnx", raising=False)
    from trio_backend.engines.asr.sherpa_onnx_stream_process import NUMBER, REQUEST, Step, load

    settings: dict[str, object] = {"constructor": "from_transducer", "options": {}, "files": {}}
    settings |= {"num_threads": 1, "provider": "cpu"}
    recognise = load(settings)
    sys.modules.pop("sherpa_onnx")
    for number in range(5):
        recognise(REQUEST.pack(Step.BEGIN, number, 16_000, 0) + noise(0.1).samples)
    numbers = b"".join(map(NUMBER.pack, range(4)))
    assert recognise(REQUEST.pack(Step.GO_ON, 4, 16_000, 4) + numbers + noise(0.1).samples) == "0.2 s"
    with pytest.raises(EngineError, match="replaced"):
        recognise(REQUEST.pack(Step.GO_ON, 3, 16_000, 0))
    assert recognise(REQUEST.pack(Step.END, 4, 16_000, 0)) == "0.2 s"
    with pytest.raises(EngineError, match="replaced"):
        recognise(REQUEST.pack(Step.GO_ON, 4, 16_000, 0))


def test_each_streaming_type_says_what_it_needs() -> None:
    """As those that take whole utterances do."""
    streaming = {name for name, kind in MODEL_TYPES.items() if kind.streams}
    assert streaming == {name for name in MODEL_TYPES if name.startswith("online_")}
    for name in streaming:
        with pytest.raises(SettingsError, match=f"is missing: {name} needs that file"):
            opened("sherpa_onnx_asr", {"model_type": name, "tokens": "t"})
