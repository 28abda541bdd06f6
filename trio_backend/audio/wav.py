"""WAV files as they come: whole or from a pipe, in any PCM format."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import attrs
import numpy as np
import numpy.typing as npt

_INTEGERS, _FLOATS, _EXTENSIBLE = 1, 3, 0xFFFE
_NAMES = {2: "ADPCM", 6: "A-law", 7: "µ-law", 17: "IMA ADPCM", 80: "MPEG", 85: "MP3"}
_BITS = {_INTEGERS: (8, 16, 24, 32), _FLOATS: (32, 64)}

# No TTS and no microphone has another rate, and resampling one would need absurd amounts of memory.
_RATES = range(1_000, 384_001)
# A header may claim 65 535 of them.
_MOST_CHANNELS = 64

# Writers to a pipe cannot know a size, and put one of these; espeak-ng puts 0x7ffff000, which is more
# than there is and so needs no name.
_UNKNOWN_SIZES = (0, 0xFFFFFFFF)

# Frames that are turned into floats at once: a file of any size takes a few megabytes beside itself, and a
# thread that reads one gives other threads their turn every few milliseconds.
_PIECE = 65_536


@attrs.frozen
class Wav:
    """What a WAV file holds; ``frames`` are whole."""

    format: int
    bits: int
    channels: int
    rate: int
    frames: memoryview = attrs.field(repr=False)

    @property
    def is_int16(self) -> bool:
        return self.format == _INTEGERS and self.bits == 16

    @property
    def length(self) -> int:
        """How many frames there are: samples of one channel."""
        return len(self.frames) // self._frame

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return self.length / self.rate

    @property
    def _frame(self) -> int:
        return self.channels * self.bits // 8

    def mono(self) -> Iterator[npt.NDArray[np.float32]]:
        """The mean of the channels, in [-1, 1], piece by piece."""
        piece = _PIECE * self._frame
        for at in range(0, len(self.frames), piece):
            samples = self._samples(self.frames[at : at + piece])
            yield samples if self.channels == 1 else mixed(samples.reshape(-1, self.channels))

    def _samples(self, frames: memoryview) -> npt.NDArray[np.float32]:
        if self.format == _FLOATS:
            return within_one(np.frombuffer(frames, f"<f{self.bits // 8}"))
        if self.bits == 8:
            return (np.frombuffer(frames, np.uint8).astype(np.float32) - 128) / np.float32(128)
        if self.bits == 24:
            return _from_24_bits(frames)
        samples = np.frombuffer(frames, f"<i{self.bits // 8}").astype(np.float32)
        return samples / np.float32(1 << (self.bits - 1))


def mixed(frames: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The mean of the channels: one sample for each row."""
    mean: npt.NDArray[np.float32] = frames.mean(axis=1, dtype=np.float32)
    return mean


def within_one(samples: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """``samples`` clipped to [-1, 1], with silence for what is no number."""
    clipped: npt.NDArray[np.float32] = np.clip(np.nan_to_num(samples, nan=0.0), -1, 1).astype(np.float32)
    return clipped


def _from_24_bits(frames: memoryview) -> npt.NDArray[np.float32]:
    """Three bytes a sample: put as the upper ones of a 32-bit integer."""
    wide = np.zeros((len(frames) // 3, 4), np.uint8)
    wide[:, 1:] = np.frombuffer(frames, np.uint8).reshape(-1, 3)
    return wide.view("<i4")[:, 0].astype(np.float32) / np.float32(1 << 31)


def read_wav(data: bytes) -> Wav:
    """Read a WAV file. Raises `ValueError`, which says what is wrong with it."""
    found = _find_frames(data)
    if found is None:
        raise ValueError("this WAV file has no 'data' chunk")
    form, at, size = found
    return _wav(form, memoryview(data)[at : at + min(size, len(data))])


@attrs.frozen
class WavHead:
    """Where the samples of a WAV file begin, 16-bit mono ones, and how many bytes they are: -1 if unknown."""

    rate: int
    start: int
    size: int


def read_head(data: bytes) -> WavHead | None:
    """The head of a file whose end has not come yet; None while its samples have not begun.

    Raises `ValueError` if it is no WAV file of 16-bit mono samples.
    """
    found = _find_frames(data)
    if found is None:
        return None
    form, at, size = found
    wav = _wav(form, memoryview(b""))
    if not wav.is_int16 or wav.channels != 1:
        raise ValueError("this WAV file has other samples than 16-bit mono ones")
    # 0x7ffff000 and the like: nobody's sentence lasts half a day.
    return WavHead(wav.rate, at, -1 if size >= 0x7FFF0000 or not size else size)


def _find_frames(data: bytes) -> tuple[memoryview | None, int, int] | None:
    """The 'fmt ' chunk, where the frames begin, and how many bytes they claim to be."""
    if len(data) < 12 or data[:4] not in (b"RIFF", b"RF64") or data[8:12] != b"WAVE":
        raise ValueError("this is no WAV file: it does not begin with RIFF and WAVE")
    view, at, form = memoryview(data), 12, None
    unknown_size = struct.unpack_from("<I", data, 4)[0] in _UNKNOWN_SIZES
    while at + 8 <= len(data):
        name, size = struct.unpack_from("<4sI", data, at)
        at += 8
        if name == b"fmt ":
            form = view[at : at + size]
        elif name == b"data":
            return form, at, 0xFFFFFFFF if size == 0 and unknown_size else size
        at += size + size % 2  # chunks begin at even places
    return None


def _wav(form: memoryview | None, frames: memoryview) -> Wav:
    if form is None or len(form) < 16:
        raise ValueError("this WAV file has no whole 'fmt ' chunk before its data")
    tag, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", form)
    if tag == _EXTENSIBLE and len(form) >= 26:
        # The subformat is a GUID whose first two bytes are the old tag.
        tag = struct.unpack_from("<H", form, 24)[0]
    _check(tag, channels, rate, bits)
    frame = channels * bits // 8
    return Wav(tag, bits, channels, rate, frames[: len(frames) // frame * frame])


def _check(tag: int, channels: int, rate: int, bits: int) -> None:
    if tag not in _BITS:
        name = _NAMES.get(tag, f"format {tag:#06x}")
        raise ValueError(f"this WAV file holds {name}: only PCM is understood, integers or floats")
    if bits not in _BITS[tag]:
        kind = "integers" if tag == _INTEGERS else "floats"
        allowed = ", ".join(map(str, _BITS[tag]))
        raise ValueError(f"this WAV file has {kind} of {bits} bits: only {allowed} are understood")
    if not 1 <= channels <= _MOST_CHANNELS:
        raise ValueError(f"this WAV file has {channels} channels: 1 to {_MOST_CHANNELS} are understood")
    if rate not in _RATES:
        allowed = f"{_RATES.start} to {_RATES.stop - 1}"
        raise ValueError(f"this WAV file has a sample rate of {rate} Hz: {allowed} are understood")
