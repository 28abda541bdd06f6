"""Word error rates of the recognisers that run on this machine, on sentences that espeak-ng speaks.

``python benchmarks/word_errors.py`` prints the table of benchmarks/word-errors.md; ``--engine NAME`` (any
number of times) takes others than the embedded one, with their sections of ``--config``, ``--set
key=value`` for all of them; ``--half tune`` takes the sentences by which settings are chosen. It takes
about five minutes an engine.

The word error rate is (S + D + I) / N: the fewest words that have to be substituted, deleted and inserted
to make what was understood out of what was said (Levenshtein's distance over words), over the number of
words that were said. It is taken over all sentences together, so long ones weigh more, and can exceed 1.
Before, both are normalised: lower case, no punctuation but apostrophes inside words, a hyphen is a blank.

Each sentence is spoken once by one of four voices at one of three speeds, in turn, and each sound is given
to the engine three times: as it is, and with pink noise at 20 and at 10 dB below the speech. The noise is
the same each time. A synthetic voice is not a person: it is clearer than most, and less like those that the
models have learned from. So the figures compare engines, and say little of how well one of them understands
somebody.
"""

from __future__ import annotations

import argparse
import platform
import re
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs
import numpy as np
import trio

from trio_backend.audio.pcm import Pcm
from trio_backend.audio.utterance import RATE
from trio_backend.engine_commands.chosen import EngineRequest, TriedEngine, chosen_engine
from trio_backend.engines.base import Asr
from trio_backend.engines.registry import open_engine
from trio_backend.engines.whole import transcribed

SENTENCES = Path(__file__).with_name("word-errors.txt")
VOICES = ("en-us", "en-us+f3", "en-gb", "en-gb-x-rp+m3")
SPEEDS = (130, 155, 180)
NOISES: tuple[float | None, ...] = (None, 20.0, 10.0)
"""Decibels by which noise is weaker than the speech; None: no noise."""

# A microphone is open before somebody speaks, and after.
QUIET = 0.3


@attrs.frozen
class Utterance:
    """A sentence, who speaks it, how fast in words a minute, and its sound."""

    text: str
    voice: str
    speed: int
    sound: Pcm = attrs.field(repr=False)


@attrs.frozen
class Score:
    """``errors`` in ``words`` that were said."""

    errors: int = 0
    words: int = 0

    def plus(self, said: str, understood: str) -> Score:
        """This, and one more sentence."""
        reference = words_of(said)
        return Score(self.errors + distance(reference, words_of(understood)), self.words + len(reference))

    @property
    def rate(self) -> float:
        """The word error rate."""
        return self.errors / self.words if self.words else 0.0


def words_of(text: str) -> list[str]:
    """The words of ``text``, normalised."""
    return re.findall(r"[^\W_]+(?:'[^\W_]+)*", text.lower().replace("’", "'"))


def distance(reference: Sequence[str], given: Sequence[str]) -> int:
    """The fewest substitutions, deletions and insertions that make one of the other."""
    row = list(range(len(given) + 1))
    for number, word in enumerate(reference, 1):
        before, row[0] = row[0], number
        for place, other in enumerate(given, 1):
            here = row[place]
            row[place] = min(here + 1, row[place - 1] + 1, before + (word != other))
            before = here
    return row[-1]


def sentences() -> list[str]:
    """Those of the file, without its comments."""
    lines = SENTENCES.read_text("utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def utterances(half: str) -> Iterator[Utterance]:
    """All of them, or every second one: ``judge`` has the even ones, ``tune`` the odd ones."""
    for number, text in enumerate(sentences()):
        # Within each half, all voices and speeds have their turn.
        turn = number // 2
        if half == "all" or half == ("judge", "tune")[number % 2]:
            voice, speed = VOICES[turn % len(VOICES)], SPEEDS[turn // len(VOICES) % len(SPEEDS)]
            yield Utterance(text, voice, speed, spoken(text, voice, speed))


def spoken(text: str, voice: str, speed: int) -> Pcm:
    """``text`` by espeak-ng, as a microphone sends it."""
    command = ["espeak-ng", "-v", voice, "-s", str(speed), "--stdout", text]
    pcm = Pcm.from_wav(subprocess.run(command, capture_output=True, check=True).stdout).resampled(RATE)
    quiet = bytes(2 * round(QUIET * RATE))
    return Pcm(quiet + pcm.samples + quiet, RATE)


def with_noise(sound: Pcm, decibels: float | None) -> Pcm:
    """``sound`` with pink noise so many decibels below its speech, the same at each call."""
    if decibels is None:
        return sound
    samples = sound.floats().astype(np.float64)
    spectrum = np.fft.rfft(np.random.default_rng(7).standard_normal(len(samples)))
    spectrum /= np.sqrt(np.maximum(np.arange(len(spectrum)), 1))
    noise = np.fft.irfft(spectrum, len(samples))
    margin = round(QUIET * RATE)
    speech = np.sqrt(np.mean(samples[margin:-margin] ** 2))
    noise *= speech / 10 ** (decibels / 20) / np.sqrt(np.mean(noise**2))
    return Pcm((np.clip(samples + noise, -1, 1) * 32767).astype("<i2").tobytes(), RATE)


async def measured(tried: TriedEngine, given: Sequence[Utterance]) -> str:
    """The row of the table of one engine."""
    scores, took, seconds = [Score() for _ in NOISES], 0.0, 0.0
    async with open_engine(tried.config) as engine:
        asr: Asr = engine
        for utterance in given:
            for place, decibels in enumerate(NOISES):
                sound = with_noise(utterance.sound, decibels)
                began = time.perf_counter()
                text = await transcribed(asr, sound)
                took, seconds = took + time.perf_counter() - began, seconds + sound.seconds
                scores[place] = scores[place].plus(utterance.text, text)
    total = Score(sum(score.errors for score in scores), sum(score.words for score in scores))
    rates = " | ".join(f"{score.rate:.1%}" for score in (*scores, total))
    return f"| `{tried.name}` | {rates} | {took / seconds:.2f} |"


def machine() -> str:
    """Where this runs."""
    info = Path("/proc/cpuinfo")
    names = re.findall(r"model name\s*: (.*)", info.read_text()) if info.is_file() else []
    return f"{len(names)} cores of {names[0]}" if names else platform.processor() or platform.machine()


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--engine", action="append")
    parser.add_argument("--set", action="append", default=[], dest="given")
    parser.add_argument("--config", type=Path)
    parser.add_argument("--half", choices=("all", "judge", "tune"), default="judge")
    options = parser.parse_args()
    given = list(utterances(options.half))
    count = sum(len(words_of(each.text)) for each in given)
    print(f"{len(given)} sentences, {count} words, {len(NOISES)} times each, on {machine()}.\n")
    print(
        "| engine | no noise | 20 dB | 10 dB | all | real-time factor |\n|---|---|---|---|---|---|",
        flush=True,
    )
    for name in options.engine or ["pocketsphinx_asr"]:
        tried = chosen_engine(EngineRequest("asr", name, options.given, options.config), {})
        print(trio.run(measured, tried, given), flush=True)


if __name__ == "__main__":
    main()
