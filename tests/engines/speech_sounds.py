"""Speech and other sounds for speech recognition and VAD, and the engines that are given them."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import numpy as np
import pytest

from trio_backend.audio.pcm import Pcm
from trio_backend.audio.utterance import RATE
from trio_backend.engines.base import Asr
from trio_backend.engines.registry import configure, open_engine
from trio_backend.engines.settings import Environment

OpenAsr = Callable[..., AbstractAsyncContextManager[Asr]]

needs_espeak = pytest.mark.skipif(
    shutil.which("espeak-ng") is None, reason="the program espeak-ng is not installed"
)


def spoken(text: str, *, speed: int = 140) -> Pcm:
    """``text`` by espeak-ng, as a microphone sends it."""
    command = ["espeak-ng", "-v", "en-us", "-s", str(speed), "--stdout", text]
    output = subprocess.run(command, capture_output=True, check=True).stdout
    return Pcm.from_wav(output).resampled(RATE)


def silence(seconds: float) -> Pcm:
    """Digital silence."""
    return Pcm(bytes(2 * round(seconds * RATE)), RATE)


def noise(seconds: float, *, level: float = 3000) -> Pcm:
    """White noise, the same at each call; ``level`` is its RMS, in steps of 16 bits."""
    samples = np.random.default_rng(5).standard_normal(round(seconds * RATE)) * level
    return Pcm(np.clip(samples, -32768, 32767).astype("<i2").tobytes(), RATE)


def hum(seconds: float) -> Pcm:
    """Mains and its harmonics, loud."""
    at = np.arange(round(seconds * RATE)) / RATE
    wave = np.sum([np.sin(2 * np.pi * 50 * k * at) / k for k in (1, 2, 3, 4)], axis=0) * 8000
    return Pcm(wave.astype("<i2").tobytes(), RATE)


def clicks(seconds: float) -> Pcm:
    """Somebody types: four sharp clicks a second."""
    samples = np.zeros(round(seconds * RATE), "<i2")
    for at in range(0, len(samples) - 40, RATE // 4):
        samples[at : at + 40] = np.linspace(30_000, -30_000, 40)
    return Pcm(samples.tobytes(), RATE)


def opened(name: str, settings: Mapping[str, object], folder: Path = Path()) -> OpenAsr:
    """The speech recognition of that name, opened."""
    config = configure("asr", name, settings, environment=Environment(folder, {}))
    return lambda: open_engine(config)
