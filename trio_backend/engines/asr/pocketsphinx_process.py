"""The child process of `pocketsphinx_asr`: 16 kHz samples in, what is said in them out."""

from __future__ import annotations

import math
import sys
from array import array
from collections.abc import Sequence
from itertools import cycle
from random import Random
from typing import Any

from ...errors import EngineError
from ...installation import extra_remedy
from ..child_process import Work, work

# With less, the decoder starves: it looks for speech in frames of 25 ms.
SHORTEST = 3200
# Silence around the speech, by which the decoder learns what silence sounds like here; in samples.
MARGIN = 3200
# Digital silence, as synthetic voices have it and microphones whose noise is suppressed, makes it
# misunderstand most words: so there is noise, so many dB below the speech, as in a quiet room
# (benchmarks/word-errors.md). Where there is more already, so little changes nothing.
QUIET_ROOM = 30.0


def load(settings: dict[str, Any]) -> Work:
    """The decoder, for the phrases of ``settings`` or for any English."""
    try:
        from pocketsphinx import Config, Decoder
    except ImportError:
        raise EngineError(
            f"pocketsphinx_asr: the library is not installed: {extra_remedy('voice')}, "
            "or choose another asr_model"
        ) from None
    phrases = settings["phrases"]
    # Rescoring the lattice of a grammar loses words of it. The mean of the channel is taken from each
    # utterance alone: another session's microphone must leave no trace.
    options = {"lm": None, "bestpath": False} if phrases else {}
    decoder = Decoder(Config(loglevel="FATAL", cmn="batch", **options))
    for word, phones in settings["pronunciations"].items():
        decoder.add_word(word, phones, False)
    if phrases:
        _listen_for(decoder, phrases)
    noise = pink_noise()

    def transcribe(samples: bytes) -> str:
        if len(samples) < SHORTEST:
            return ""
        decoder.start_utt()
        decoder.process_raw(in_a_quiet_room(samples, noise), full_utt=True)
        decoder.end_utt()
        hypothesis = decoder.hyp()
        return hypothesis.hypstr if hypothesis else ""

    return transcribe


def pink_noise() -> list[float]:
    """Two seconds of it, always the same, with an RMS of 1: by Paul Kellet's filter of white noise."""
    source, low, middle, high = Random(1), 0.0, 0.0, 0.0
    noise = []
    for _ in range(32_000):
        white = source.uniform(-1, 1)
        low = 0.99765 * low + white * 0.0990460
        middle = 0.96300 * middle + white * 0.2965164
        high = 0.57000 * high + white * 1.0526913
        noise.append(low + middle + high + white * 0.1848)
    rms = math.sqrt(sum(sample * sample for sample in noise) / len(noise))
    return [sample / rms for sample in noise]


def in_a_quiet_room(samples: bytes, noise: Sequence[float]) -> bytes:
    """``samples`` between two `MARGIN`, all with ``noise`` that is `QUIET_ROOM` dB weaker."""
    sound = array("h", samples)
    if sys.byteorder == "big":
        sound.byteswap()
    rms = math.sqrt(sum(sample * sample for sample in sound) / len(sound))
    level = max(1.0, rms / 10 ** (QUIET_ROOM / 20))
    around = array("h", bytes(2 * MARGIN))
    mixed = (
        max(-32768, min(32767, round(sample + level * added)))
        for sample, added in zip(around + sound + around, cycle(noise), strict=False)
    )
    result = array("h", mixed)
    if sys.byteorder == "big":
        result.byteswap()
    return result.tobytes()


def _listen_for(decoder: Any, phrases: Sequence[str]) -> None:
    unknown = {word for phrase in phrases for word in phrase.split() if decoder.lookup_word(word) is None}
    if unknown:
        raise EngineError(
            f"pocketsphinx_asr: its dictionary lacks {', '.join(sorted(unknown))}; "
            "write how they are spoken under pronunciations, or choose other phrases"
        )
    decoder.add_jsgf_string(
        "phrases", f"#JSGF V1.0;\ngrammar phrases;\npublic <said> = ( {' | '.join(phrases)} )+ ;\n"
    )
    decoder.activate_search("phrases")


if __name__ == "__main__":
    work(load)
