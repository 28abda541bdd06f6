"""Files of sound, as speech servers and programs send them, as `Pcm`."""

from __future__ import annotations

import io
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from ..audio.pcm import Pcm
from ..audio.wav import mixed, read_wav
from ..installation import extra_remedy

MOST_RATE = 48_000
"""Samples per second that the bound on bytes is computed from: higher rates make speech no better."""

BYTES_PER_SECOND = 384_000
"""Of the longest sound that is accepted: two channels of 48 000 floats. Models send an eighth of it."""

HEADER = 65_536
"""Bytes that a file may have besides its samples."""

_PIECE = 65_536  # frames that are decoded at once


def has_mp3_decoder() -> bool:
    """Whether compressed sound can be read: the library ``soundfile`` is there."""
    return find_spec("soundfile") is not None


def decode(data: bytes, *, longest: float) -> Pcm:
    """A whole file as sound. Raises `ValueError` if it is none, or lasts more than ``longest`` seconds.

    The bytes say what they are, since many servers send one format whatever they were asked for. What is too
    long is not decoded. Blocking: tens of milliseconds for a long sentence.
    """
    if data[:4] == b"RIFF":
        wav = read_wav(data)
        _check_length(wav.length, wav.rate, longest)
        return Pcm.of(wav)
    return _decode_compressed(data, longest)


def _check_length(frames: int, rate: int, longest: float) -> None:
    if frames > longest * min(rate, MOST_RATE):
        raise ValueError(f"it is longer than {longest:g} s (max_sentence_sound)")


def _decode_compressed(data: bytes, longest: float) -> Pcm:
    if not has_mp3_decoder():
        raise ValueError(f"it is compressed, and there is no decoder: {extra_remedy('voice')}")
    soundfile = import_module("soundfile")
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            if not 1_000 <= file.samplerate <= 384_000:
                raise ValueError(f"it has a sample rate of {file.samplerate} Hz")
            return Pcm.from_pieces(_pieces(file, longest), file.samplerate)
    except soundfile.SoundFileError:
        raise ValueError("it is neither WAV nor MP3") from None


def _pieces(file: Any, longest: float) -> Iterator[Any]:
    """The samples of an open sound file. Its header may lie about their number, so they are counted."""
    frames = 0
    while len(piece := file.read(_PIECE, dtype="float32", always_2d=True)):
        frames += len(piece)
        _check_length(frames, file.samplerate, longest)
        yield mixed(piece)
