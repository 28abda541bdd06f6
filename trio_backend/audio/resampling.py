"""From one sample rate to another: a windowed sinc, evaluated for each phase that occurs."""

from __future__ import annotations

from math import gcd

import numpy as np
import numpy.typing as npt

# On each side, before the filter is stretched for a lower rate. With the Blackman window this many
# keep what would fold back 70 dB down.
_ZERO_CROSSINGS = 24

# The pass band ends here, as a part of the lower Nyquist frequency, so that the slope ends near it.
_ROLL_OFF = 0.93


def resample(
    samples: npt.NDArray[np.float32], rate: int, new_rate: int, *, zero_crossings: int = _ZERO_CROSSINGS
) -> npt.NDArray[np.float32]:
    """``samples`` of ``rate`` at ``new_rate``: band-limited, linear phase, no delay.

    The result has ``len(samples) * new_rate / rate`` samples, rounded up. After J. O. Smith, "Digital
    Audio Resampling", https://ccrma.stanford.edu/~jos/resample/ (bandlimited interpolation), with
    one set of weights for each of the ``new_rate / gcd`` places that an output can have between two inputs.
    """
    divisor = gcd(rate, new_rate)
    up, down = new_rate // divisor, rate // divisor
    cutoff = min(1.0, up / down) * _ROLL_OFF
    half = int(np.ceil(zero_crossings / cutoff))
    length = -(-len(samples) * up // down)
    padded = np.pad(samples, (half, half + down))
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * half)
    result = np.empty(length, np.float32)
    for phase in range(min(up, length)):
        # This output lies `offset` samples after input `first`, as does every `up`-th one from here.
        first, offset = divmod(phase * down, up)
        weights = _weights(offset / up, cutoff, half)
        places = result[phase::up]
        places[:] = windows[first + 1 :: down][: len(places)] @ weights
    return result


def _weights(offset: float, cutoff: float, half: int) -> npt.NDArray[np.float32]:
    """What each of the ``2 * half`` inputs around a place adds to it; in all 1, so that levels stay."""
    distance = np.arange(1 - half, half + 1) - offset
    turn = np.pi * distance / half
    blackman = 0.42 + 0.5 * np.cos(turn) + 0.08 * np.cos(2 * turn)
    weights = np.sinc(cutoff * distance) * blackman
    normal: npt.NDArray[np.float32] = (weights / weights.sum()).astype(np.float32)
    return normal
