"""The child process of `piper_tts`: a text in; out the sample rate in four bytes, and then the samples."""

from __future__ import annotations

from typing import Any

from ...errors import EngineError
from ...installation import extra_remedy
from ..child_process import Work, work


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
    most = int(settings["max_sound"] * voice.config.sample_rate) * 2

    def speak(request: bytes) -> bytes:
        # Between double brackets it would take what a model writes for phonemes.
        text = request.decode().replace("[[", "[ [")
        answer = bytearray(voice.config.sample_rate.to_bytes(4, "little"))
        try:
            for chunk in voice.synthesize(text, syn_config=config):
                answer += chunk.audio_int16_bytes
                if len(answer) - 4 > most:
                    raise EngineError(
                        f"piper_tts: more sound than {settings['max_sound']:g} s can be (max_sentence_sound)"
                    )
        except broken as error:
            # Not what it says: it may repeat the text.
            raise EngineError(f"piper_tts: the voice cannot be run ({type(error).__name__})") from None
        return bytes(answer)

    return speak


if __name__ == "__main__":
    work(load)
