"""The child process of `fun_asr` without a server: 16 kHz samples in, what is said in them out."""

from __future__ import annotations

from typing import Any

from ...errors import EngineError
from ...installation import install
from ..child_process import Work, work


def load(settings: dict[str, Any]) -> Work:
    """The models of ``settings``."""
    try:
        import numpy as np
        from funasr import AutoModel
    except ImportError as error:
        raise EngineError(
            f"fun_asr: the library is not installed ({error.name}): install it with torch, as "
            f"`{install('funasr', 'torch', 'torchaudio')}`, or set base_url to the address of a FunASR server"
        ) from None
    try:
        model = AutoModel(**settings["model"], disable_pbar=True, disable_log=True)
    except (AssertionError, KeyError, OSError, RuntimeError, TypeError, ValueError) as error:
        # What the library says of a model that it does not know, or cannot download or run.
        raise EngineError(
            f"fun_asr: the model {settings['model']['model']!r} cannot be loaded: {error}"
        ) from error

    def transcribe(samples: bytes) -> str:
        if not samples:
            return ""
        sound = np.frombuffer(samples, "<i2").astype(np.float32) / 32768
        results = model.generate(input=sound, cache={}, **settings["options"])
        return " ".join(result["text"] for result in results).strip()

    return transcribe


if __name__ == "__main__":
    work(load)
