"""`StreamResampler`: chunks give what the whole would give."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_backend.audio.pcm import Pcm
from trio_backend.audio.resampling import StreamResampler

RATES = [(16_000, 24_000), (48_000, 16_000), (16_000, 16_000), (44_100, 16_000), (8_000, 16_000)]


def speech(rate: int, seconds: float) -> Pcm:
    """Something with all frequencies in it."""
    samples = np.random.default_rng(3).standard_normal(round(rate * seconds)) * 6000
    return Pcm(np.clip(samples, -32768, 32767).astype("<i2").tobytes(), rate)


@given(st.sampled_from(RATES), st.lists(st.integers(0, 5000), max_size=12), st.integers(0, 3000))
def test_chunks_give_what_the_whole_gives(rates: tuple[int, int], cuts: list[int], samples: int) -> None:
    """Wherever it is cut, in the middle of a sample too; to within the rounding of floats."""
    rate, new_rate = rates
    whole = speech(rate, samples / rate)
    resampler = StreamResampler(rate, new_rate)
    data, made = whole.samples, b""
    for cut in cuts:
        made += resampler.feed(data[:cut])
        data = data[cut:]
    made += resampler.feed(data) + resampler.flush()
    expected = np.frombuffer(whole.resampled(new_rate).samples, "<i2").astype(int)
    got = np.frombuffer(made, "<i2").astype(int)
    assert len(got) == len(expected)
    assert np.abs(got - expected).max(initial=0) <= 1


@pytest.mark.parametrize(("rate", "new_rate", "late"), [(16_000, 24_000, 0.002), (48_000, 16_000, 0.006)])
def test_little_is_held_back(rate: int, new_rate: int, late: float) -> None:
    """A recogniser in the cloud gets the sound at once."""
    resampler = StreamResampler(rate, new_rate)
    made = 0
    for chunk in range(1, 20):
        made += len(resampler.feed(speech(rate, 0.032).samples)) // 2
        assert made / new_rate >= chunk * 0.032 - late


def test_it_begins_anew_after_its_end() -> None:
    """The next utterance has nothing of the last one in it."""
    resampler = StreamResampler(16_000, 24_000)
    first = resampler.feed(speech(16_000, 0.1).samples) + resampler.flush()
    assert resampler.feed(speech(16_000, 0.1).samples) + resampler.flush() == first
    assert StreamResampler(16_000, 24_000).flush() == b""
