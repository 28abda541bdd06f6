"""Speech recognition: what is understood, what is said where it cannot be, and how promptly it stops."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
import trio

from tests.children import Children
from tests.engines.model_server import Answering, open_model_server
from tests.engines.speech_sounds import OpenAsr, needs_espeak, noise, opened, silence, spoken
from tests.promptness import promptly
from trio_backend.audio.pcm import Pcm
from trio_backend.engines.asr.pocketsphinx_process import MARGIN, in_a_quiet_room, pink_noise
from trio_backend.engines.asr.scripted import ScriptedAsrConfig, write
from trio_backend.engines.base import Asr
from trio_backend.engines.registry import configure
from trio_backend.engines.settings import Environment
from trio_backend.engines.whole import transcribed
from trio_backend.errors import EngineError, SettingsError

PHRASES = ["turn on the light", "tell me a story", "good morning"]

EMPTY_SHERPA = """
import time

class OfflineRecognizer:
    class result:
        text = ""
    @classmethod
    def from_sense_voice(cls, **options): return cls()
    def create_stream(self): return self
    def accept_waveform(self, rate, samples): self.seconds = len(samples) / rate
    def decode_stream(self, stream): time.sleep(self.seconds / 50)
"""

EMPTY_WHISPER = """
import time

class WhisperModel:
    def __init__(self, path, **options): pass
    def transcribe(self, samples, **options):
        time.sleep(len(samples) / 16000 / 50)
        return [], None
"""


@pytest.fixture
def pretend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Puts a library of that name and text where child processes find it first."""
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}")

    def pretend(name: str, text: str) -> None:
        (tmp_path / f"{name}.py").write_text(text)

    return pretend


@asynccontextmanager
async def open_served() -> AsyncIterator[Asr]:
    """The adapter for servers, and one that takes its time to hear nothing."""

    async def nothing(answering: Answering) -> None:
        await trio.sleep(0.05)
        await answering.whole(200, b'{"text": ""}', "Content-Type: application/json")

    async with open_model_server() as server:
        server.behaviour = nothing
        async with opened("openai_compatible_asr", {"base_url": server.url})() as asr:
            yield asr


@pytest.fixture(
    params=["pocketsphinx_asr", "scripted_asr", "openai_compatible_asr", "sherpa_onnx_asr", "faster_whisper"]
)
def open_asr(request: pytest.FixtureRequest, tmp_path: Path, pretend: Callable[[str, str], None]) -> object:
    """Each speech recognition in turn; where one needs a model, its library only pretends to have it."""
    pretend("sherpa_onnx", EMPTY_SHERPA)
    pretend("faster_whisper", EMPTY_WHISPER)
    (tmp_path / "m").touch()
    return {
        "pocketsphinx_asr": opened("pocketsphinx_asr", {"phrases": PHRASES}),
        "scripted_asr": opened("scripted_asr", {"delay": 0.05, "serial": True}),
        "openai_compatible_asr": open_served,
        "sherpa_onnx_asr": opened("sherpa_onnx_asr", {"sense_voice": "m", "tokens": "m"}, tmp_path),
        "faster_whisper": opened("faster_whisper", {}),
    }[request.param]


@needs_espeak
async def test_the_embedded_ear_hears_its_phrases() -> None:
    """From any rate, one or two of them in an utterance."""
    async with opened("pocketsphinx_asr", {"phrases": PHRASES})() as asr:
        for phrase in PHRASES:
            assert await transcribed(asr, spoken(phrase).resampled(44_100)) == phrase
        both = Pcm(spoken(PHRASES[1]).samples + spoken(PHRASES[0]).samples, 16_000)
        assert await transcribed(asr, both) == f"{PHRASES[1]} {PHRASES[0]}"


async def test_nothing_is_heard_in_nothing(open_asr: OpenAsr) -> None:
    """Of no sound, of a blink, and of silence, the transcript is empty."""
    async with open_asr() as asr:
        for sound in (Pcm(b"", 16_000), Pcm(b"\0\0", 48_000), silence(0.05), silence(2)):
            assert await transcribed(asr, sound) == ""


async def test_no_phrase_is_heard_in_noise() -> None:
    """A fan says nothing."""
    async with opened("pocketsphinx_asr", {"phrases": PHRASES})() as asr:
        assert await transcribed(asr, noise(2)) == ""


async def test_utterances_may_overlap(open_asr: OpenAsr) -> None:
    """Three sessions at once, and each gets its own."""
    async with open_asr() as asr, trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(transcribed, asr, silence(1))


@pytest.mark.parametrize("after", [0.0, 0.01, 0.04])
async def test_a_cancelled_utterance_ends_promptly(open_asr: OpenAsr, after: float) -> None:
    """Back at once, and the next one is heard; in the end no process is left."""
    children = Children()
    async with open_asr() as asr:

        async def attempt() -> float:
            with trio.move_on_after(after) as scope:
                await transcribed(asr, noise(59))
            took = trio.current_time() - scope.deadline
            assert await transcribed(asr, silence(1)) == ""
            return took

        await promptly(attempt)
    assert children.all() == []


@needs_espeak
async def test_without_phrases_any_english_is_heard() -> None:
    """Poorly, as it says; but words."""
    async with opened("pocketsphinx_asr", {})() as asr:
        assert "story" in await transcribed(asr, spoken("do tell me a story"))


async def test_a_word_that_the_dictionary_lacks_is_named() -> None:
    """With what to do about it; said how it sounds, it is heard."""
    with pytest.raises(EngineError, match=r"lacks kito; write how they are spoken under pronunciations"):
        async with opened("pocketsphinx_asr", {"phrases": ["good morning kito"]})():
            raise AssertionError("never ready")
    settings = {"phrases": ["good morning kito"], "pronunciations": {"Kito": "K IY T OW"}}
    async with opened("pocketsphinx_asr", settings)() as asr:
        assert await transcribed(asr, silence(1)) == ""


@pytest.mark.parametrize("phrase", ["", "route 66", "你好", "a; public <x> = b"])
def test_phrases_are_english_words(phrase: str) -> None:
    """Nothing else gets into the grammar."""
    with pytest.raises(SettingsError, match="must be English words"):
        opened("pocketsphinx_asr", {"phrases": [phrase]})


async def test_the_scripted_ear_reads_what_is_written() -> None:
    """Silence around it does not matter; it fails on demand."""
    async with opened("scripted_asr", {"fail_on": "boo"})() as asr:
        sound = Pcm(silence(0.1).samples + write("Hey, Iris! 你好").samples, 16_000)
        assert await transcribed(asr, sound) == "Hey, Iris! 你好"
        with pytest.raises(EngineError, match="told to fail"):
            await transcribed(asr, write("boo"))
    config = configure("asr", "scripted_asr", {"delay": 1}, environment=Environment(Path(), {}))
    assert config.settings == ScriptedAsrConfig(delay=1)


SHERPA = """
class Result:
    text = " from {model} with {options} "

class Stream:
    result = Result()
    def accept_waveform(self, rate, samples):
        Result.text += f"{rate} {len(samples)} {samples.dtype}"

class OfflineRecognizer:
    @classmethod
    def from_sense_voice(cls, **options):
        Result.text = repr(sorted(options.items()))
        return cls()
    from_whisper = from_tdnn_ctc = from_transducer = from_sense_voice
    def create_stream(self): return Stream()
    def decode_stream(self, stream): pass
"""

WHISPER = """
class Segment:
    def __init__(self, text): self.text = text

class WhisperModel:
    def __init__(self, path, **options):
        if path == "nosuch": raise ValueError("no such size")
        self.said = f"{path} {options['device']} {options['compute_type']}"
    def transcribe(self, samples, **options):
        return [Segment(" Hello"), Segment(f" {len(samples)} {options['language']} {self.said}.")], None
"""


@pytest.mark.parametrize(
    ("kind", "files", "told"),
    [
        (
            "sense_voice",
            {"sense_voice": "m.onnx"},
            ["('model', '", "('use_itn', True)", "('num_threads', 4)"],
        ),
        ("tdnn_ctc", {"tdnn_model": "m.onnx"}, ["('model', '", "('sample_rate', 16000)"]),
        ("whisper", {"whisper_encoder": "m.onnx", "whisper_decoder": "m.onnx"}, ["('task', 'transcribe')"]),
        ("transducer", {"encoder": "m.onnx", "decoder": "m.onnx", "joiner": "m.onnx"}, ["('joiner', '"]),
    ],
)
async def test_sherpa_onnx_is_given_its_files_and_options(
    tmp_path: Path,
    pretend: Callable[[str, str], None],
    kind: str,
    files: dict[str, str],
    told: list[str],
) -> None:
    """Under its own words, with paths from the configuration's folder; empty options stay its own."""
    pretend("sherpa_onnx", SHERPA)
    for name in ("m.onnx", "tokens.txt"):
        (tmp_path / name).touch()
    settings = {"model_type": kind, **files, "tokens": "./tokens.txt", "num_threads": 4, "debug": False}
    async with opened("sherpa_onnx_asr", settings, tmp_path)() as asr:
        heard = await transcribed(asr, silence(1))
    for words in [*told, f"('tokens', '{tmp_path / 'tokens.txt'}')", "16000 16000 float32"]:
        assert words in heard
    assert "language" not in heard


async def test_sherpa_onnx_names_the_file_that_is_missing(tmp_path: Path) -> None:
    """On the disk, and in the settings."""
    (tmp_path / "tokens.txt").touch()
    settings = {"model_type": "sense_voice", "sense_voice": "models/m.onnx", "tokens": "tokens.txt"}
    with pytest.raises(EngineError, match=r"there is no file .*m\.onnx; get a sense_voice model at https"):
        async with opened("sherpa_onnx_asr", settings, tmp_path)():
            raise AssertionError("never ready")
    with pytest.raises(SettingsError, match="joiner: is missing: transducer needs that file"):
        opened("sherpa_onnx_asr", {"model_type": "transducer", "encoder": "e", "decoder": "d", "tokens": "t"})
    with pytest.raises(SettingsError, match="model_type: must be one of transducer"):
        opened("sherpa_onnx_asr", {"model_type": "conformer"})


async def test_faster_whisper_is_given_its_settings(pretend: Callable[[str, str], None]) -> None:
    """And its segments are one text."""
    pretend("faster_whisper", WHISPER)
    settings = {"model_path": "small", "language": "en", "device": "cpu", "prompt": ""}
    async with opened("faster_whisper", settings)() as asr:
        assert await transcribed(asr, silence(1)) == "Hello 16000 en small cpu int8."
        assert await transcribed(asr, Pcm(b"", 16_000)) == ""
    with pytest.raises(EngineError, match="'nosuch' cannot be loaded: no such size"):
        async with opened("faster_whisper", {"model_path": "nosuch"})():
            raise AssertionError("never ready")


async def test_faster_whisper_names_the_file_that_is_missing(tmp_path: Path) -> None:
    """A folder is looked into before a process is started."""
    with pytest.raises(EngineError, match=r"there is no file .*model\.bin; correct model_path"):
        async with opened("faster_whisper", {"model_path": "./models/mine"}, tmp_path)():
            raise AssertionError("never ready")


async def test_a_library_that_is_not_installed_is_named(
    pretend: Callable[[str, str], None], tmp_path: Path
) -> None:
    """With the command that installs it."""
    (tmp_path / "t").touch()
    sherpa = {"sense_voice": "t", "tokens": "t"}
    for library, name, settings, extra in (
        ("pocketsphinx", "pocketsphinx_asr", {}, "voice"),
        ("sherpa_onnx", "sherpa_onnx_asr", sherpa, "sherpa"),
        ("faster_whisper", "faster_whisper", {}, "whisper"),
    ):
        pretend(library, "raise ImportError")
        with pytest.raises(EngineError, match=f"install the extra `{extra}`"):
            async with opened(name, settings, tmp_path)():
                raise AssertionError("never ready")


def test_silence_becomes_that_of_a_quiet_room() -> None:
    """Noise 30 dB below the speech, around it, too; the same each time; the loudest stays within 16 bits."""
    tone = np.round(np.sin(np.arange(16_000) / 7) * 8000).astype("<i2")
    half = np.concatenate([tone, np.zeros(16_000, "<i2")])
    mixed = np.frombuffer(in_a_quiet_room(half.tobytes(), pink_noise()), "<i2").astype(float)
    assert len(mixed) == len(half) + 2 * MARGIN
    level = np.sqrt(np.mean(half.astype(float) ** 2))
    for quiet in (mixed[:MARGIN], mixed[-MARGIN - 16_000 :]):
        assert -32 < 20 * np.log10(np.sqrt(np.mean(quiet**2)) / level) < -28
    assert in_a_quiet_room(half.tobytes(), pink_noise()) == mixed.astype("<i2").tobytes()
    loud = np.full(16_000, 32_767, "<i2")
    assert np.frombuffer(in_a_quiet_room(loud.tobytes(), pink_noise()), "<i2")[MARGIN:-MARGIN].min() > 20_000
    assert any(in_a_quiet_room(bytes(3200), pink_noise()))
