"""The child process of `coqui_tts`: a text in, sound out, as `speech_process` has it."""

from __future__ import annotations

from typing import Any

from ...errors import EngineError
from ..child_process import Work, work
from ..speech_process import LIBRARY_ERRORS, int16, no_library, speaking


def load(settings: dict[str, Any]) -> Work:
    """The model of ``settings``."""
    try:
        import torch
        from TTS.api import TTS
    except LIBRARY_ERRORS as error:
        raise no_library("coqui_tts", error, "coqui-tts") from None
    name = settings["model_name"]
    device = settings["device"] or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        tts = TTS(model_name=name, progress_bar=False).to(device)
        chosen = _choices(tts, settings)
        rate = int(tts.synthesizer.output_sample_rate)
    except LIBRARY_ERRORS as error:
        # What it says of a model that it does not know or cannot download, a device that is not there.
        raise EngineError(f"coqui_tts: the model {name!r} cannot be loaded: {_told(error)}") from error

    def say(text: str) -> list[bytes]:
        return [int16(tts.tts(text=text, **chosen))]

    return speaking("coqui_tts", rate, settings["max_sound"], say)


def _choices(tts: Any, settings: dict[str, Any]) -> dict[str, str]:
    """Language and speaker, for the models that have a choice; the others refuse them."""
    chosen = {"language": settings["language"]} if tts.is_multi_lingual else {}
    if not tts.is_multi_speaker:
        return chosen
    if settings["speaker_wav"]:
        return {**chosen, "speaker_wav": settings["speaker_wav"]}
    speakers = [str(speaker) for speaker in tts.speakers or ()]
    if not speakers:
        raise EngineError("coqui_tts: speaker_wav: the model needs a recording of the voice to clone")
    speaker = settings["speaker"] or speakers[0]
    if speaker not in speakers:
        raise EngineError(f"coqui_tts: speaker: the model has {', '.join(speakers[:50])}")
    return {**chosen, "speaker": speaker}


def _told(error: Exception) -> str:
    if "closed file" in str(error) or "lost sys.stdin" in str(error):
        # It asks on the terminal, and there is none.
        return (
            "it asks whether you agree to its licence, https://coqui.ai/cpml; if so, set COQUI_TOS_AGREED=1"
        )
    return f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    work(load)
