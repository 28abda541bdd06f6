"""The child process of `whisper`: 16 kHz samples in, what is said in them out."""

from __future__ import annotations

from typing import Any

from ...errors import EngineError
from ...installation import install
from ..child_process import Work, work


def load(settings: dict[str, Any]) -> Work:
    """The model of ``settings``."""
    try:
        import numpy as np
        import whisper
    except ImportError as error:
        raise EngineError(
            f"whisper: the library is not installed ({error.name}): install it with torch, as "
            f"`{install('openai-whisper')}`, or choose faster_whisper or whisper_cpp, which need no torch"
        ) from None
    device = settings["device"] or None
    try:
        model = whisper.load_model(settings["model"], device=device, download_root=settings["download_root"])
    except (AssertionError, OSError, RuntimeError, ValueError) as error:
        # What it says of a size that does not exist, a file that is no model, a device that is not there.
        raise EngineError(f"whisper: the model {settings['model']!r} cannot be loaded: {error}") from error

    def transcribe(samples: bytes) -> str:
        if not samples:
            return ""
        result = model.transcribe(
            np.frombuffer(samples, "<i2").astype(np.float32) / 32768,
            language=settings["language"] or None,
            initial_prompt=settings["prompt"] or None,
            # Of half precision, a processor without it would warn at each utterance.
            fp16=str(model.device) != "cpu",
        )
        return str(result["text"]).strip()

    return transcribe


if __name__ == "__main__":
    work(load)
