"""The child process of `whisper_cpp`: 16 kHz samples in, what is said in them out, a segment a line."""

from __future__ import annotations

from typing import Any

from ...errors import EngineError
from ...installation import extra_remedy
from ..child_process import Work, work

# Bytes of 0.1 s: of less, the library makes nothing.
SHORTEST = 3200

# What its files begin with. Of another file it loads nothing, says so on standard error alone, and then
# crashes with the first utterance.
MAGIC = b"lmgg"


def load(settings: dict[str, Any]) -> Work:
    """The model of ``settings``."""
    try:
        import numpy as np
        from pywhispercpp.model import Model
        from pywhispercpp.utils import resolve_model_path
    except ImportError:
        raise EngineError(
            f"whisper_cpp: the library is not installed: {extra_remedy('whisper-cpp')}"
        ) from None
    try:
        path = resolve_model_path(settings["model"], settings["model_dir"])
        with open(path, "rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                raise ValueError("it is no model of whisper.cpp")
        model = Model(path, print_progress=False, print_realtime=False, n_threads=settings["num_threads"])
    except (OSError, RuntimeError, TypeError, ValueError) as error:
        # Of a size that does not exist, and of a download that fails.
        raise EngineError(
            f"whisper_cpp: the model {settings['model']!r} cannot be loaded: {error}"
        ) from error

    def transcribe(samples: bytes) -> str:
        if len(samples) < SHORTEST:
            return ""
        segments = model.transcribe(
            np.frombuffer(samples, "<i2").astype(np.float32) / np.float32(32768),
            language=settings["language"],
            initial_prompt=settings["prompt"],
        )
        return "\n".join(segment.text.strip() for segment in segments)

    return transcribe


if __name__ == "__main__":
    work(load)
