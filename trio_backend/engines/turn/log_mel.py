"""The log-Mel spectrogram of Whisper, for the last 8 s of sound: what Smart Turn v3 takes.

As Whisper computes it (Radford and others, 2022: 80 Mel bands of 25 ms every 10 ms), in the form that Hugging
Face's `WhisperFeatureExtractor(chunk_length=8)` gives with ``do_normalize``, since the model was trained with
that (inference.py in https://github.com/pipecat-ai/smart-turn). Shorter sound has silence before it. The
largest difference from that library (transformers 5.23) was 3e-5.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

RATE = 16_000
SECONDS = 8
BANDS = 80
FRAMES = 800

_SAMPLES = SECONDS * RATE
_FRAME, _HOP = 400, 160
_HIGHEST = 8_000.0

# Slaney's Mel scale (Auditory Toolbox, 1998): linear up to 1 000 Hz, which is 15 mel, and logarithmic from
# there, 27 mel for each factor of 6.4.
_LINEAR_HERTZ, _LINEAR_MELS = 1_000.0, 15.0
_LOG_STEP = np.log(6.4) / 27

Floats = npt.NDArray[np.float64]


def log_mel(samples: bytes) -> npt.NDArray[np.float32]:
    """`BANDS` rows of `FRAMES` numbers, for 16 kHz mono samples of 16 bits; 20 ms."""
    newest = np.frombuffer(samples[-2 * _SAMPLES :], "<i2") / 32768
    sound = np.zeros(_SAMPLES)
    sound[_SAMPLES - len(newest) :] = newest
    # The silence before it counts, too. The small number is that of the library.
    sound = (sound - sound.mean()) / np.sqrt(sound.var() + 1e-7)
    mirrored = np.pad(sound, _FRAME // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(mirrored, _FRAME)[::_HOP]
    # A periodic Hann window, as for a spectrum, not the symmetric one of `np.hanning`.
    window = np.hanning(_FRAME + 1)[:-1]
    power = np.abs(np.fft.rfft(frames[:FRAMES] * window)) ** 2
    decades = np.log10(np.maximum(_FILTERS @ power.T, 1e-10))
    # 80 dB below the loudest is silence; then about -1 to 1.
    found: npt.NDArray[np.float32] = ((np.maximum(decades, decades.max() - 8) + 4) / 4).astype(np.float32)
    return found


def _hertz(mels: Floats) -> Floats:
    linear = mels * _LINEAR_HERTZ / _LINEAR_MELS
    above = _LINEAR_HERTZ * np.exp(_LOG_STEP * (mels - _LINEAR_MELS))
    return np.where(mels < _LINEAR_MELS, linear, above)


def _filters() -> Floats:
    """A triangle for each band, over the frequencies of a spectrum; all of the same area."""
    highest = _LINEAR_MELS + np.log(_HIGHEST / _LINEAR_HERTZ) / _LOG_STEP
    edges = _hertz(np.linspace(0, highest, BANDS + 2))
    frequencies = np.linspace(0, RATE / 2, _FRAME // 2 + 1)
    widths = np.diff(edges)[:, None]
    rising = (frequencies - edges[:-2, None]) / widths[:-1]
    falling = (edges[2:, None] - frequencies) / widths[1:]
    triangles: Floats = np.maximum(0, np.minimum(rising, falling))
    return triangles * (2 / (edges[2:] - edges[:-2]))[:, None]


_FILTERS = _filters()
