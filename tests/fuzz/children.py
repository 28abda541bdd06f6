"""What a child process writes to its standard output, and how it then ends: the first byte says that."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from random import Random

from . import sounds
from .case import Case, mutate
from .messages import TEXTS


def answers(rng: Random, corpus: Sequence[bytes]) -> Case:
    """Frames of the protocol in engines/child_process.py: a kind, a length, a text; and others."""
    if corpus and rng.random() < 0.2:
        return Case(mutate(rng, rng.choice(corpus)))
    frames = b"".join(_answer(rng) for _ in range(rng.choice((0, 1, 1, 1, 2, 5))))
    if rng.random() < 0.25:
        frames = mutate(rng, frames)
    return Case(_ending(rng) + frames)


def sound(rng: Random, corpus: Sequence[bytes]) -> Case:
    """What the program espeak-ng may write: a WAV file, or anything else."""
    if corpus and rng.random() < 0.2:
        return Case(mutate(rng, rng.choice(corpus)))
    written = sounds.wav(rng) if rng.random() < 0.85 else rng.randbytes(rng.choice((0, 1, 100, 100_000)))
    return Case(_ending(rng) + written)


def _answer(rng: Random) -> bytes:
    text = rng.choice(TEXTS).encode("utf-8", "replace") * rng.choice((1, 1, 1, 1000))
    kind = rng.choice((0, 0, 0, 0, 1, 1, 2, 10, 255))
    size = rng.choice((0, 1, 2**20, 2**20 + 1, 2**32 - 1)) if rng.random() < 0.15 else len(text)
    return struct.pack("<BI", kind, size) + text


def _ending(rng: Random) -> bytes:
    """See `end` of hostile_child.py: go on, exit with a code, die by a signal, or say nothing more."""
    return bytes([rng.choice((0, 0, 0, 1, 1, 2, 3, 4))])
