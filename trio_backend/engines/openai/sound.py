"""What a voice server sends, as samples. Blocking: tens of milliseconds for a long sentence."""

from __future__ import annotations

import io
from importlib import import_module
from importlib.util import find_spec

from ...audio.pcm import Pcm

PCM_RATE = 24_000
"""The rate of the format ``pcm``, which has no header to say it: mono, 16 bits, little-endian."""


def has_mp3_decoder() -> bool:
    """Whether compressed sound can be read: the library ``soundfile`` is there."""
    return find_spec("soundfile") is not None


def decode(data: bytes, asked_for: str) -> Pcm:
    """``data`` as sound. Raises `ValueError` if it is none.

    The bytes say what they are, since many servers send one format whatever they were asked for;
    only ``pcm`` cannot be told from noise, and is believed.
    """
    if data[:4] == b"RIFF":
        return Pcm.from_wav(data)
    if asked_for == "pcm":
        return Pcm(data[: len(data) // 2 * 2], PCM_RATE)
    return _decode_compressed(data)


def _decode_compressed(data: bytes) -> Pcm:
    if not has_mp3_decoder():
        raise ValueError("it is compressed, and there is no decoder: `pip install 'trio-backend[voice]'`")
    soundfile = import_module("soundfile")
    try:
        samples, rate = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    except soundfile.LibsndfileError:
        raise ValueError("it is neither WAV nor MP3") from None
    return Pcm.from_floats(samples.mean(axis=1), int(rate))
