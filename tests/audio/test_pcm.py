"""Samples: floats, WAV files and rates."""

from __future__ import annotations

import io
import struct
import wave as stdlib_wave
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_backend.audio.pcm import Pcm

from .sounds import chunk, extensible, form, riff, sine, wave

RAMP = [-1.0, -0.5, 0.0, 0.25, 0.5]


def test_floats_become_samples_clipped_and_without_holes() -> None:
    """Too loud is as loud as can be, and what is no number is silence."""
    pcm = Pcm.from_floats([0.0, 0.5, -1.0, 1.0, 7.0, -7.0, float("nan"), float("inf")], 8000)

    assert struct.unpack("<8h", pcm.samples) == (0, 16384, -32768, 32767, 32767, -32768, 0, 32767)
    assert pcm.seconds == 0.001


@given(st.lists(st.integers(-32768, 32767)))
def test_samples_survive_as_floats(samples: list[int]) -> None:
    """All of the 65 536 values come back as they were."""
    pcm = Pcm(struct.pack(f"<{len(samples)}h", *samples), 16_000)

    assert Pcm.from_floats(pcm.floats(), 16_000) == pcm


@given(
    st.binary(max_size=200).map(lambda data: data[: len(data) // 2 * 2]),
    st.sampled_from([8000, 22_050, 384_000]),
)
def test_a_wav_file_gives_back_what_was_put_into_it(samples: bytes, rate: int) -> None:
    """To WAV and back changes nothing."""
    pcm = Pcm(samples, rate)

    assert Pcm.from_wav(pcm.to_wav()) == pcm


def test_a_wav_file_is_one_to_others() -> None:
    """The standard library's reader finds the same sound in it."""
    pcm = sine(440)

    with stdlib_wave.open(io.BytesIO(pcm.to_wav())) as file:
        assert file.getparams()[:4] == (1, 2, 22_050, 22_050)
        assert file.readframes(22_050) == pcm.samples


@pytest.mark.parametrize(
    ("tag", "bits", "data"),
    [
        (1, 8, bytes([0, 64, 128, 160, 192])),
        (1, 16, struct.pack("<5h", -32768, -16384, 0, 8192, 16384)),
        (1, 24, b"\0\0\x80\0\0\xc0\0\0\0\0\0\x20\0\0\x40"),
        (1, 32, struct.pack("<5i", -(1 << 31), -(1 << 30), 0, 1 << 29, 1 << 30)),
        (3, 32, struct.pack("<5f", *RAMP)),
        (3, 64, struct.pack("<5d", *RAMP)),
    ],
)
def test_all_kinds_of_pcm_are_understood(tag: int, bits: int, data: bytes) -> None:
    """Integers and floats of any width, with the short header and with the extensible one."""
    expected = Pcm.from_floats(RAMP, 16_000)

    assert Pcm.from_wav(riff(form(tag, bits), chunk(b"data", data))) == expected
    assert Pcm.from_wav(riff(extensible(tag, bits), chunk(b"data", data))) == expected


@pytest.mark.parametrize("channels", [2, 3, 8])
def test_channels_are_mixed(channels: int) -> None:
    """The one channel is the mean of them all."""
    frame = struct.pack(f"<{channels}h", 6000, *[0] * (channels - 1))
    pcm = Pcm.from_wav(riff(form(1, 16, channels=channels), chunk(b"data", frame * 3)))

    assert np.frombuffer(pcm.samples, "<i2").tolist() == [6000 // channels] * 3


@pytest.mark.parametrize(
    ("riff_size", "data_size"),
    [(0x7FFFF024, 0x7FFFF000), (0xFFFFFFFF, 0xFFFFFFFF), (0, 0), (0xFFFFFFFF, 0), (None, 7000), (3, None)],
)
def test_sizes_of_a_file_from_a_pipe_may_be_wrong(riff_size: int | None, data_size: int | None) -> None:
    """Where the writer could not know a size, the sound reaches to the end; half a frame is left out."""
    data = struct.pack("<4h", 1, 2, 3, 4)
    file = riff(form(1, 16), chunk(b"data", data, data_size), size=riff_size)

    assert Pcm.from_wav(file).samples == data
    assert Pcm.from_wav(file + b"\5").samples[:8] == data
    assert Pcm.from_wav(file[:-1]).samples == data[:6]


def test_floats_out_of_bounds_are_clipped() -> None:
    """A file may hold what is no sound at all; it is mixed without complaint."""
    data = struct.pack("<8d", 1e300, 1e300, float("nan"), 0.5, float("inf"), float("-inf"), -7, -7)
    pcm = Pcm.from_wav(riff(form(3, 64, channels=2), chunk(b"data", data)))

    assert struct.unpack("<4h", pcm.samples) == (32767, 8192, 0, -32768)


def test_other_chunks_are_passed_over() -> None:
    """Names of songs before the sound and cue points after it, of odd lengths too, do no harm."""
    data = chunk(b"data", b"\1\0\2\0")
    file = riff(chunk(b"LIST", b"odd"), form(1, 16), chunk(b"fact", b"1234"), data, chunk(b"cue ", b"12"))

    assert Pcm.from_wav(file).samples == b"\1\0\2\0"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no WAV file"),
        (b"ID3\4 an MP3 file, maybe", "no WAV file"),
        (b"RIFX" + b"\0" * 40, "no WAV file"),
        (riff(form(1, 16)), "no 'data' chunk"),
        (riff(), "no 'data' chunk"),
        (riff(chunk(b"data", b"12"), form(1, 16)), "no whole 'fmt ' chunk"),
        (riff(chunk(b"fmt ", b"12345"), chunk(b"data", b"12")), "no whole 'fmt ' chunk"),
        (riff(form(2, 4), chunk(b"data", b"12")), "ADPCM"),
        (riff(extensible(7, 8), chunk(b"data", b"12")), "µ-law"),
        (riff(form(0x1234, 16), chunk(b"data", b"12")), "format 0x1234"),
        (riff(form(1, 12), chunk(b"data", b"12")), "integers of 12 bits"),
        (riff(form(3, 16), chunk(b"data", b"12")), "floats of 16 bits"),
        (riff(form(1, 16, channels=0), chunk(b"data", b"12")), "0 channels"),
        (riff(form(1, 16, channels=999), chunk(b"data", b"12")), "999 channels"),
        (riff(form(1, 16, rate=0), chunk(b"data", b"12")), "sample rate of 0 Hz"),
        (riff(form(1, 16, rate=999_999), chunk(b"data", b"12")), "sample rate of 999999 Hz"),
    ],
)
def test_what_is_no_sound_is_refused_with_a_reason(data: bytes, reason: str) -> None:
    """Whoever sent it learns what is wrong with it."""
    with pytest.raises(ValueError, match=reason):
        Pcm.from_wav(data)


@given(st.binary(max_size=100), st.integers(0, 60), st.integers(0, 60))
def test_damaged_files_raise_nothing_else(noise: bytes, start: int, end: int) -> None:
    """Whatever is done to a file, it is read or refused."""
    file = riff(extensible(1, 16), chunk(b"data", b"12345678"))
    damaged = file[:start] + noise + file[end:]
    with suppress(ValueError):
        assert len(Pcm.from_wav(damaged).samples) % 2 == 0


@given(
    st.integers(0, 3000),
    st.sampled_from([8000, 11_025, 16_000, 22_050, 44_100, 48_000]),
    st.sampled_from([8000, 16_000, 22_050, 24_000, 48_000]),
)
def test_another_rate_keeps_the_length(count: int, rate: int, new_rate: int) -> None:
    """Neither half a sample nor a filter's delay is added up over sentences."""
    resampled = Pcm(b"\0\0" * count, rate).resampled(new_rate)

    assert resampled.rate == new_rate
    assert abs(len(resampled.samples) / 2 - count * new_rate / rate) < 1


@pytest.mark.parametrize(
    ("rate", "new_rate"),
    [(22_050, 16_000), (16_000, 22_050), (8000, 16_000), (48_000, 16_000), (44_100, 48_000)],
)
def test_another_rate_keeps_the_sound_in_place(rate: int, new_rate: int) -> None:
    """A tone of 1 kHz stays itself, neither louder nor later, to less than half a percent."""
    resampled = sine(1000, rate=rate).resampled(new_rate).floats()

    inner = slice(new_rate // 50, -new_rate // 50)  # the ends of a cut-off tone ring
    assert np.abs(resampled - 0.5 * wave(1000, len(resampled), new_rate))[inner].max() < 0.5 * 0.005


def test_what_the_new_rate_cannot_hold_is_gone() -> None:
    """A tone over the new Nyquist frequency does not fold back: 60 dB down and more."""
    resampled = sine(9000).resampled(16_000).floats()

    assert np.sqrt(np.square(resampled[500:-500]).mean()) < np.sqrt(0.125) / 1000


def test_the_same_rate_is_the_same_sound() -> None:
    """Nothing is computed where nothing changes."""
    pcm = sine(440)

    assert pcm.resampled(22_050) is pcm
