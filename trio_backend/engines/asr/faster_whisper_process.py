"""The child process of `faster_whisper`: 16 kHz samples in, what is said in them out."""

from __future__ import annotations

from typing import Any

from ...errors import EngineError
from ...installation import extra_remedy
from ..child_process import Work, work


def load(settings: dict[str, Any]) -> Work:
    """The model of ``settings``."""
    try:
        import numpy as np
        from faster_whisper import WhisperModel
    except ImportError:
        raise EngineError(
            f"faster_whisper: the library is not installed: {extra_remedy('whisper')}"
        ) from None
    try:
        model = WhisperModel(
            settings["model_path"],
            device=settings["device"],
            compute_type=settings["compute_type"],
            download_root=settings["download_root"],
        )
    except (OSError, RuntimeError, ValueError) as error:
        # What the library says of a model that it cannot find, download or run.
        raise EngineError(
            f"faster_whisper: the model {settings['model_path']!r} cannot be loaded: {error}"
        ) from error

    def transcribe(samples: bytes) -> str:
        if not samples:
            return ""
        segments, _ = model.transcribe(
            np.frombuffer(samples, "<i2").astype(np.float32) / 32768,
            beam_size=settings["beam_size"],
            language=settings["language"] or None,
            initial_prompt=settings["prompt"] or None,
            condition_on_previous_text=False,
        )
        return "".join(segment.text for segment in segments).strip()

    return transcribe


if __name__ == "__main__":
    work(load)
