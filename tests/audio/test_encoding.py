"""Loudness and encoding: what the client gets of a sound."""

from __future__ import annotations

from base64 import b64decode

import numpy as np
import pytest

from trio_backend.audio.encoding import encode_sound, encode_wav, volumes
from trio_backend.audio.pcm import Pcm

from .sounds import sine


def steps(*levels: float, size: int, rate: int = 16_000) -> Pcm:
    """``size`` samples of each level, one after the other."""
    return Pcm.from_floats(np.repeat(levels, size), rate)


def test_each_slice_is_measured_by_the_loudest() -> None:
    """Half as loud is 0.5, the loudest is 1, silence is 0."""
    assert volumes(steps(0.25, 0.5, 0.0, -0.125, size=320)) == [0.5, 1.0, 0.0, 0.25]


def test_a_slice_may_be_of_another_length() -> None:
    """``slice_ms`` says how long."""
    assert volumes(steps(0.25, 0.5, size=320), slice_ms=40) == [1.0]
    assert volumes(steps(0.25, 0.5, size=320), slice_ms=10) == [0.5, 0.5, 1.0, 1.0]


def test_the_last_slice_counts_as_long_as_it_is() -> None:
    """A slice of one sample is as loud as that sample."""
    assert volumes(Pcm(steps(0.5, size=320).samples + steps(0.25, size=1).samples, 16_000)) == [1.0, 0.5]


def test_silence_is_still_and_nothing_is_nothing() -> None:
    """Speech synthesis may be silent; the lips then stay closed."""
    assert volumes(steps(0.0, size=700)) == [0.0, 0.0, 0.0]
    assert volumes(Pcm(b"", 16_000)) == []


def test_volumes_keep_in_step_with_the_sound() -> None:
    """At 11 025 Hz a slice is 220.5 samples; after a minute the slices still end with the sound."""
    pcm = steps(*[0.5] * 59, 0.25, size=11_025, rate=11_025)

    slices = volumes(pcm)
    assert len(slices) == 3000
    assert slices[2949:2951] == [1.0, 0.5]


@pytest.mark.parametrize("rate", [8000, 11_025, 22_050, 48_000])
def test_volumes_are_short_numbers_between_nothing_and_all(rate: int) -> None:
    """In 0..1, the loudest slice is 1, and none has more than four decimals."""
    pcm = Pcm.from_floats(np.random.default_rng(1).normal(0, 0.2, rate), rate)

    slices = volumes(pcm)
    assert len(slices) == 50
    assert max(slices) == 1.0
    assert min(slices) > 0.7
    assert all(len(repr(volume)) <= 6 for volume in slices)


def test_sound_is_encoded_with_its_volumes() -> None:
    """The client gets a WAV file that holds the sound, and a volume for every 20 ms of it."""
    pcm = sine(440, seconds=0.5)

    wav, slices = encode_sound(pcm)
    assert wav == encode_wav(pcm)
    assert Pcm.from_wav(b64decode(wav, validate=True)) == pcm
    assert slices == tuple(volumes(pcm))
    assert len(slices) == 25
