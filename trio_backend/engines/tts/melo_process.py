"""The child process of `melo_tts`: a text in, sound out, as `speech_process` has it."""

from __future__ import annotations

from typing import Any

from ...errors import EngineError
from ..child_process import Work, work
from ..speech_process import LIBRARY_ERRORS, int16, no_library, speaking


def load(settings: dict[str, Any]) -> Work:
    """The model of ``settings``."""
    try:
        from melo.api import TTS
    except LIBRARY_ERRORS as error:
        raise no_library("melo_tts", error, "git+https://github.com/myshell-ai/MeloTTS.git") from None
    language, speaker = settings["language"], settings["speaker"]
    try:
        model = TTS(language=language, device=settings["device"])
        speakers = dict(model.hps.data.spk2id.items())
        rate = int(model.hps.data.sampling_rate)
    except LIBRARY_ERRORS as error:
        raise EngineError(
            f"melo_tts: the model of the language {language!r} cannot be loaded "
            f"({type(error).__name__}: {error}); there are EN, EN_V2, EN_NEWEST, ES, FR, JP, KR and ZH"
        ) from error
    if speaker not in speakers:
        raise EngineError(f"melo_tts: speaker: the language {language} has {', '.join(speakers)}")

    def say(text: str) -> list[bytes]:
        try:
            sound = model.tts_to_file(text, speakers[speaker], speed=settings["speed"], quiet=True)
        except LookupError as error:
            if "NLTK" not in str(error):
                raise
            raise EngineError(
                "melo_tts: the data of NLTK are missing; get them once: "
                "`python -m nltk.downloader averaged_perceptron_tagger_eng`"
            ) from None
        return [int16(sound)]

    return speaking("melo_tts", rate, settings["max_sound"], say)


if __name__ == "__main__":
    work(load)
