"""The child process of `sherpa_onnx_asr`: 16 kHz samples in, what is said in them out."""

from __future__ import annotations

from typing import Any

from ...errors import EngineError
from ...installation import extra_remedy
from ..child_process import Work, work

# That of `audio.utterance`, which imports numpy: see child_process.py.
RATE = 16_000


def load(settings: dict[str, Any]) -> Work:
    """The recognizer of ``settings``."""
    recognizer = load_recognizer("OfflineRecognizer", settings)
    import numpy as np

    def transcribe(samples: bytes) -> str:
        if not samples:
            return ""
        stream = recognizer.create_stream()
        stream.accept_waveform(RATE, np.frombuffer(samples, "<i2").astype(np.float32) / 32768)
        recognizer.decode_stream(stream)
        return str(stream.result.text).strip()

    return transcribe


def load_recognizer(kind: str, settings: dict[str, Any]) -> Any:
    """What the class ``kind`` of sherpa-onnx makes of ``settings``. Raises `EngineError`."""
    try:
        import sherpa_onnx
    except ImportError:
        raise EngineError(
            f"sherpa_onnx_asr: the library is not installed: {extra_remedy('sherpa')}"
        ) from None
    build = getattr(getattr(sherpa_onnx, kind), settings["constructor"], None)
    if build is None:
        raise EngineError("sherpa_onnx_asr: this sherpa-onnx does not know that model_type; get a newer one")
    # An empty option would override the library's own default.
    options = {word: value for word, value in settings["options"].items() if value != ""}
    shared = {"num_threads": settings["num_threads"], "provider": settings["provider"]}
    try:
        return build(**settings["files"], **options, **shared)
    except (RuntimeError, ValueError) as error:
        # What the library says of a file that is no model, or not one of this type.
        raise EngineError(f"sherpa_onnx_asr: the model cannot be loaded: {error}") from error


if __name__ == "__main__":
    work(load)
