"""What is said in `prove voice`: sounds made with espeak-ng, of which every word's place is known.

Both the load generator, which speaks them, and the engine server, which has to understand them, make the
corpus, and it is the same each time: the noise comes from fixed seeds.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from functools import cached_property
from math import gcd
from typing import TypeAlias

import attrs
import numpy as np
import numpy.typing as npt

from ..audio.pcm import Pcm
from ..audio.utterance import RATE
from ..errors import ConfigError
from .voice_lines import COUGHS, Kind, SpokenLine, lines

Samples: TypeAlias = npt.NDArray[np.float32]

PROGRAM = "espeak-ng"
TIMEOUT = 20.0
"""Seconds for one piece; it takes a hundredth of one."""

# As loud as somebody who speaks into a headset, and a room in which a fan runs: RMS of full scale 1.
LOUDNESS, QUIET, NOISY = 0.08, 0.00012, 0.006
# What is softer than this part of a piece's peak is not speech yet, or no longer: 40 dB.
AUDIBLE = 0.01
STEP = RATE // 200
"""Samples of the steps in which the edges of speech are found: 5 ms."""


@attrs.frozen
class PlacedWord:
    """One word, and where it is said: samples of the utterance's sound."""

    text: str
    begin: int
    end: int


@attrs.frozen
class CorpusUtterance:
    """One sound of 16 kHz, of which only ``speech`` (from sample, to sample) can be taken for speech.

    ``words`` are what a recogniser understands of it; a cough has none.
    """

    name: str
    kind: Kind
    samples: bytes = attrs.field(repr=False)
    words: Sequence[PlacedWord] = attrs.field(repr=False)
    speech: Sequence[tuple[int, int]]
    room: float
    """How loud the room is, before and after it."""

    @property
    def text(self) -> str:
        """All that is said."""
        return " ".join(word.text for word in self.words)

    @property
    def begin(self) -> float:
        """Seconds from its beginning to the first sample of speech."""
        return self.speech[0][0] / RATE

    @property
    def end(self) -> float:
        """Seconds from its beginning to behind the last sample of speech."""
        return self.speech[-1][1] / RATE

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return len(self.samples) / 2 / RATE

    @property
    def pauses(self) -> Sequence[float]:
        """Seconds of each silence in the middle of it."""
        return [
            (after[0] - before[1]) / RATE for before, after in zip(self.speech, self.speech[1:], strict=False)
        ]

    def words_within(self, begin: int, end: int) -> str:
        """What is said between these samples; a word of which more than half is there counts.

        Without a comma at the end: recognisers write one only when they hear how it goes on.
        """
        said = [word.text for word in self.words if begin <= (word.begin + word.end) // 2 <= end]
        return " ".join(said).removesuffix(",")


@attrs.frozen
class Corpus:
    """All utterances, in a fixed order."""

    utterances: Sequence[CorpusUtterance]

    def of(self, *kinds: Kind) -> Sequence[CorpusUtterance]:
        """Those of these kinds."""
        return [utterance for utterance in self.utterances if utterance.kind in kinds]

    @cached_property
    def talk(self) -> Sequence[CorpusUtterance]:
        """What a person says to be answered, with and without pauses, in a mixed order."""
        found = self.of("finished", "paused", "trailing", "number", "filler")
        stride = next(step for step in range(11, 11 + len(found)) if gcd(step, len(found)) == 1)
        return [found[(stride * at) % len(found)] for at in range(len(found))]


def make_corpus() -> Corpus:
    """Speak all `lines`; takes about a second, and blocks.

    Raises `ConfigError` where espeak-ng is not installed, or does not speak.
    """
    if shutil.which(PROGRAM) is None:
        raise ConfigError(f"the program {PROGRAM} is needed to make the speech, and is not installed")
    spoken = [_utterance(number, line) for number, line in enumerate(lines())]
    return Corpus([*spoken, *(_cough(number) for number in range(COUGHS))])


def room(seconds: float, loudness: float, seed: int = 0) -> bytes:
    """The sound of a room in which nobody speaks."""
    return _pcm(_noise(int(seconds * RATE), loudness, seed))


def speech_edges(samples: Samples) -> tuple[int, int]:
    """From which sample to which something is to be heard; (0, 0) of silence."""
    whole = len(samples) // STEP * STEP
    peaks = np.abs(samples[:whole]).reshape(-1, STEP).max(axis=1) if whole else np.zeros(0)
    loud = np.flatnonzero(peaks > AUDIBLE * max(float(np.abs(samples).max(initial=0.0)), 1e-6))
    return (int(loud[0]) * STEP, int(loud[-1] + 1) * STEP) if len(loud) else (0, 0)


def _utterance(number: int, line: SpokenLine) -> CorpusUtterance:
    sounds: list[Samples] = []
    words: list[PlacedWord] = []
    speech: list[tuple[int, int]] = []
    at = 0
    for piece in line.pieces:
        sound = _spoken(piece.text, line)
        words += _words(piece.text, at, at + len(sound))
        speech.append((at, at + len(sound)))
        silence = np.zeros(int(piece.pause * RATE), np.float32)
        sounds += [sound, silence]
        at += len(sound) + len(silence)
    whole = np.concatenate(sounds)[: speech[-1][1]]
    loudness = NOISY if line.noisy else QUIET
    noise = _noise(len(whole), loudness, 1000 + number)
    name = f"{line.kind} {number}"
    return CorpusUtterance(name, line.kind, _pcm(whole + noise), words, speech, loudness)


def _spoken(text: str, line: SpokenLine) -> Samples:
    """Without the silence before and after it, as loud as `LOUDNESS`."""
    command = [PROGRAM, "-v", line.speaker, "-s", str(line.speed), "--stdin", "--stdout"]
    try:
        ended = subprocess.run(command, input=text.encode(), capture_output=True, timeout=TIMEOUT, check=True)
        pcm = Pcm.from_wav(ended.stdout)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise ConfigError(f"{PROGRAM} does not speak: {error}") from error
    samples = pcm.resampled(RATE).floats()
    begin, end = speech_edges(samples)
    sound = samples[begin:end]
    loudness = float(np.sqrt(np.mean(sound**2))) if len(sound) else 0.0
    if not loudness:
        raise ConfigError(f"{PROGRAM} is silent")
    return (sound * np.float32(LOUDNESS / loudness)).clip(-1, 1)


def _words(text: str, begin: int, end: int) -> Iterator[PlacedWord]:
    """The words of a piece, each as long as its share of the letters."""
    words = text.split()
    letters = sum(map(len, words))
    at = 0
    for word in words:
        yield PlacedWord(
            word, begin + (end - begin) * at // letters, begin + (end - begin) * (at + len(word)) // letters
        )
        at += len(word)


def _cough(number: int) -> CorpusUtterance:
    """Two bursts of noise that die away, of a third of a second together: loud, and no speech."""
    generator = np.random.default_rng(2000 + number)
    bursts = []
    for seconds in (0.12, 0.05, 0.16):
        length = int(seconds * RATE)
        burst = np.convolve(generator.standard_normal(length), np.ones(6) / 6, mode="same")
        bursts.append(burst * np.exp(-np.arange(length) / (0.04 * RATE)) * (0.0 if seconds < 0.1 else 0.5))
    sound = np.concatenate(bursts).astype(np.float32).clip(-1, 1)
    sound += _noise(len(sound), QUIET, 3000 + number)
    return CorpusUtterance(f"cough {number}", "cough", _pcm(sound), (), ((0, len(sound)),), QUIET)


def _noise(length: int, loudness: float, seed: int) -> Samples:
    """As of a fan: each sample is the mean of a few, so that it has little of a hiss."""
    noise = np.convolve(np.random.default_rng(seed).standard_normal(length + 7), np.ones(8) / 8**0.5, "valid")
    return (noise * loudness).astype(np.float32)


def _pcm(samples: Samples) -> bytes:
    return Pcm.from_floats(samples, RATE).samples
