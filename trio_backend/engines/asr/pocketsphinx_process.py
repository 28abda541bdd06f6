"""The child process of `pocketsphinx_asr`: 16 kHz samples in, what is said in them out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...errors import EngineError
from ...installation import extra_remedy
from ..child_process import Work, work

# With less, the decoder starves: it looks for speech in frames of 25 ms.
SHORTEST = 3200
# Silence around the speech, by which the decoder learns what silence sounds like here.
MARGIN = bytes(2 * 3200)


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

    def transcribe(samples: bytes) -> str:
        if len(samples) < SHORTEST:
            return ""
        decoder.start_utt()
        decoder.process_raw(MARGIN + samples + MARGIN, full_utt=True)
        decoder.end_utt()
        hypothesis = decoder.hyp()
        return hypothesis.hypstr if hypothesis else ""

    return transcribe


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
