"""A recogniser that knows the corpus of `prove voice`: it finds out which part of it a sound is. No I/O."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, TypeAlias

import attrs
import numpy as np
import numpy.typing as npt

from ..audio.pcm import Pcm
from ..audio.utterance import RATE
from .voice_corpus import Corpus, CorpusUtterance

Floats: TypeAlias = npt.NDArray[np.float32]

FRAME = RATE // 100
"""Samples of which one value of an envelope is made: 10 ms."""
HOP = FRAME // 2
"""The corpus is known in steps of 5 ms, since a sound may begin anywhere between two frames of it."""
LOUD = 0.015
"""RMS of speech; the noisiest room of the corpus has less than half of it."""
BANDS = ((0, 500), (500, 1_200), (1_200, 2_500), (2_500, 8_000))
"""Hz. By the loudness as a whole alone, a “yeah” is like many a piece of a sentence."""
ANCHOR = 80
"""Frames by which the place is found, from the first loud one; the others only have to agree."""
SHORTEST = 8
"""Frames of a sound that is looked for: what is shorter than 80 ms is no word."""
ALIKE = 0.85
"""How well two envelopes of the same sound correlate at least; those of others have 0.6 or less."""
BREAK = 12
"""Frames of silence at which a sound may be taken apart, if it is not in the corpus as one."""


@attrs.frozen
class CorpusPlace:
    """Where in the corpus a sound was found: frame ``begin`` to ``end`` of the sound is ``utterance``."""

    utterance: CorpusUtterance
    begin: int
    end: int
    offset: int
    """The sample of the utterance at frame ``begin``."""

    @property
    def text(self) -> str:
        """What is said there."""
        # Words fade away: the last one may be over before more than half of its letters are loud.
        samples = (self.end - self.begin + FADING) * FRAME
        return self.utterance.words_within(self.offset, self.offset + samples)


@attrs.frozen
class Recogniser:
    """Understands the sounds of ``corpus`` and parts of them, by how loud each band is in each frame."""

    corpus: Corpus

    def understand(self, pcm: Pcm) -> str:
        """The words of the corpus that are in ``pcm``; takes a millisecond or two for each second of it."""
        return " ".join(place.text for place in self.places(pcm) if place.text)

    def places(self, pcm: Pcm) -> Sequence[CorpusPlace]:
        """The utterances of the corpus that are in ``pcm``, or the parts of them."""
        envelope = _envelope(_at_rate(pcm), FRAME)
        return list(self._find(envelope, 0, len(envelope)))

    def _find(self, envelope: Floats, begin: int, end: int) -> Iterator[CorpusPlace]:
        loud = np.flatnonzero(envelope[begin:end].max(axis=1) > np.log10(LOUD))
        if not len(loud):
            return
        begin, end = begin + int(loud[0]), begin + int(loud[-1]) + 1
        if end - begin < SHORTEST:
            return
        place = self._best(envelope, begin, end)
        if place is not None:
            yield place
            yield from self._find(envelope, place.end, end)
            return
        # Two utterances, or something that is not of the corpus: take it apart where the silence is longest.
        gaps = np.diff(loud)
        widest = int(np.argmax(gaps)) if len(gaps) else 0
        if len(gaps) and gaps[widest] >= BREAK:
            middle = begin - int(loud[0]) + int(loud[widest]) + 1
            yield from self._find(envelope, begin, middle)
            yield from self._find(envelope, middle, end)

    def _best(self, envelope: Floats, begin: int, end: int) -> CorpusPlace | None:
        """The place of the corpus that sounds like this, if one does."""
        anchor = envelope[begin : min(end, begin + ANCHOR)]
        best, where = ALIKE, -1
        for number, phase in enumerate(self._phases):
            scores = _correlations(anchor, phase)
            if len(scores) and scores.max() > best:
                best, where = float(scores.max()), 2 * int(scores.argmax()) + number
        if where < 0:
            return None
        sample = where * HOP
        index = max(0, int(np.searchsorted(self._begins, sample + FRAME, side="right")) - 1)
        utterance, offset = self.corpus.utterances[index], sample - int(self._begins[index])
        length = len(utterance.samples) // 2
        if offset + (end - begin) * FRAME > length + GAP // 2:
            # It goes on after that utterance: what follows is another.
            end = begin + max(SHORTEST, (length - offset) // FRAME)
        return CorpusPlace(utterance, begin, end, offset)

    @cached_property
    def _begins(self) -> npt.NDArray[np.int64]:
        """At which sample of the whole corpus each utterance begins."""
        lengths = [len(utterance.samples) // 2 + GAP for utterance in self.corpus.utterances]
        return GAP + np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64)

    @cached_property
    def _phases(self) -> Sequence[Floats]:
        """The envelope of the whole corpus, and the one that begins half a frame later."""
        silence = np.zeros(GAP, np.float32)
        sounds = [silence]
        for utterance in self.corpus.utterances:
            sounds += [Pcm(utterance.samples, RATE).floats(), silence]
        whole = np.concatenate(sounds)
        return [_envelope(whole, FRAME), _envelope(whole[HOP:], FRAME)]


FADING = 6
"""Frames for which a word goes on when it has become too soft."""
GAP = RATE // 2
"""Samples of silence before and after each utterance, so that none can be taken for the end of another."""


def _at_rate(pcm: Pcm) -> Floats:
    """Its samples at `RATE`. Of the loudness of a frame it is enough to know it to a few percent."""
    samples = pcm.floats()
    if pcm.rate == RATE or not len(samples):
        return samples
    at = np.arange(int(len(samples) * RATE / pcm.rate)) * (pcm.rate / RATE)
    resampled: Floats = np.interp(at, np.arange(len(samples)), samples).astype(np.float32)
    return resampled


def _envelope(samples: Floats, frame: int) -> Floats:
    """Log of the RMS of each band in each frame; all that is softer than half of `LOUD` is alike."""
    whole = samples[: len(samples) // frame * frame].reshape(-1, frame)
    powers = np.abs(np.fft.rfft(whole, axis=1)) ** 2 * 2 / frame**2
    edges = [(low * frame // RATE, high * frame // RATE) for low, high in BANDS]
    rms = np.sqrt(np.stack([powers[:, low:high].sum(axis=1) for low, high in edges], axis=1))
    envelope: Floats = np.log10(np.maximum(rms, LOUD / 2)).astype(np.float32)
    return envelope


def _correlations(pattern: Floats, of: Floats) -> npt.NDArray[Any]:
    """Pearson's correlation of ``pattern``, frames by bands, with each place of ``of``."""
    frames, bands = pattern.shape
    if len(of) < frames:
        return np.zeros(0)
    count = frames * bands
    centred = pattern - pattern.mean()
    sums = np.concatenate([[0.0], np.cumsum(of.sum(axis=1, dtype=np.float64))])
    squares = np.concatenate([[0.0], np.cumsum((of.astype(np.float64) ** 2).sum(axis=1))])
    mean = (sums[frames:] - sums[:-frames]) / count
    # Silence has none, but for what rounding leaves of it: that must not be what a sound is like.
    variance = np.maximum(squares[frames:] - squares[:-frames] - count * mean**2, 0.01)
    cross = sum(np.correlate(of[:, band], centred[:, band], "valid") for band in range(bands))
    found: npt.NDArray[Any] = cross / (np.sqrt(variance) * max(float(np.sqrt(np.sum(centred**2))), 1e-9))
    return found
