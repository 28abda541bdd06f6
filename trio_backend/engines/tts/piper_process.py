"""The child process of `piper_tts`: a text in, sound out, as `speech_process` has it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...errors import EngineError
from ...installation import extra_remedy
from ..child_process import Work, work
from ..speech_process import speaking


def load(settings: dict[str, Any]) -> Work:
    """The voice of ``settings``."""
    try:
        from onnxruntime.capi import onnxruntime_pybind11_state as onnx
        from piper import PiperVoice, SynthesisConfig
    except ImportError:
        raise EngineError(f"piper_tts: the library is not installed: {extra_remedy('piper')}") from None
    # They have no parent of their own.
    broken = (onnx.Fail, onnx.InvalidArgument, onnx.InvalidGraph, onnx.InvalidProtobuf, onnx.RuntimeException)
    path = settings["model_path"]
    try:
        voice = PiperVoice.load(path, use_cuda=settings["use_cuda"])
    except (*broken, OSError, LookupError, TypeError, ValueError) as error:
        raise EngineError(f"piper_tts: the voice {path} cannot be loaded: {error}") from error
    speakers = voice.config.num_speakers
    if speakers > 1 and settings["speaker_id"] >= speakers:
        raise EngineError(f"piper_tts: speaker_id: the voice has the speakers 0 to {speakers - 1}")
    config = SynthesisConfig(
        speaker_id=settings["speaker_id"] if speakers > 1 else None,
        length_scale=settings["length_scale"],
        noise_scale=settings["noise_scale"],
        noise_w_scale=settings["noise_w"],
        normalize_audio=settings["normalize_audio"],
        volume=settings["volume"],
    )

    def say(text: str) -> Iterator[bytes]:
        # Between double brackets it would take what a model writes for phonemes.
        text = text.replace("[[", "[ [")
        return (chunk.audio_int16_bytes for chunk in voice.synthesize(text, syn_config=config))

    return speaking("piper_tts", voice.config.sample_rate, settings["max_sound"], say, broken)


if __name__ == "__main__":
    work(load)
