"""The child process of `bark_tts`: a text in, sound out, as `speech_process` has it."""

from __future__ import annotations

import os
import pickle
import sys
from typing import Any

from ...errors import EngineError
from ...installation import install
from ..child_process import Work, work
from ..speech_process import LIBRARY_ERRORS, int16, no_library, speaking


def load(settings: dict[str, Any]) -> Work:
    """The models of Bark, with the voice of ``settings``."""
    if sys.platform == "darwin":
        # It reads them at its import: Apple's graphics, and the processor for what they cannot do.
        os.environ.setdefault("SUNO_ENABLE_MPS", "True")
        os.environ.setdefault("PYTORCH_ENABLE_MPS_FALLBACK", "1")
    try:
        from bark import SAMPLE_RATE, generate_audio, preload_models
    except LIBRARY_ERRORS as error:
        # `pip install bark` brings another program, which may be what was found.
        bark = "git+https://github.com/suno-ai/bark.git"
        raise no_library("bark_tts", error, bark, "torch<2.6") from None
    try:
        preload_models()
    except pickle.UnpicklingError as error:
        raise EngineError(
            f"bark_tts: this torch refuses Bark's models; install an older one: `{install('torch<2.6')}`"
        ) from error
    except LIBRARY_ERRORS as error:
        raise EngineError(
            f"bark_tts: the models cannot be loaded: {type(error).__name__}: {error}"
        ) from error

    def say(text: str) -> list[bytes]:
        return [int16(generate_audio(text, history_prompt=settings["voice"] or None, silent=True))]

    return speaking("bark_tts", int(SAMPLE_RATE), settings["max_sound"], say)


if __name__ == "__main__":
    work(load)
