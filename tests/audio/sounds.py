"""Sounds and WAV files to test with."""

from __future__ import annotations

import struct

import numpy as np
import numpy.typing as npt

from trio_backend.audio.pcm import Pcm


def sine(hertz: float, *, seconds: float = 1.0, rate: int = 22_050, level: float = 0.5) -> Pcm:
    """A pure tone."""
    return Pcm.from_floats(wave(hertz, round(seconds * rate), rate) * level, rate)


def wave(hertz: float, count: int, rate: int) -> npt.NDArray[np.float64]:
    """``count`` samples of a sine of amplitude 1."""
    samples: npt.NDArray[np.float64] = np.sin(2 * np.pi * hertz * np.arange(count) / rate)
    return samples


def chunk(name: bytes, content: bytes, size: int | None = None) -> bytes:
    """One chunk of a RIFF file, padded to an even length; ``size`` is what its header says."""
    return (
        name
        + struct.pack("<I", len(content) if size is None else size)
        + content
        + b"\0" * (len(content) % 2)
    )


def form(tag: int, bits: int, *, channels: int = 1, rate: int = 16_000) -> bytes:
    """A ``fmt `` chunk."""
    frame = channels * bits // 8
    return chunk(b"fmt ", struct.pack("<HHIIHH", tag, channels, rate, rate * frame, frame, bits))


def extensible(tag: int, bits: int, *, channels: int = 1, rate: int = 16_000) -> bytes:
    """A ``fmt `` chunk of the kind that names its format in a GUID."""
    frame = channels * bits // 8
    head = struct.pack("<HHIIHH", 0xFFFE, channels, rate, rate * frame, frame, bits)
    guid = struct.pack("<H", tag) + bytes.fromhex("000000001000800000aa00389b71")
    return chunk(b"fmt ", head + struct.pack("<HHI", 22, bits, 0) + guid)


def riff(*chunks: bytes, size: int | None = None) -> bytes:
    """A WAV file of ``chunks``; ``size`` is what its header says."""
    content = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(content) if size is None else size) + content
