"""The child process of `pyttsx3_tts`: a text in; out the file that the system's speech has written."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress
from typing import Any

from ...errors import EngineError
from ...installation import extra_remedy
from ..child_process import Work, work
from ..speech_process import LIBRARY_ERRORS, muted

# Bytes of a WAV file without samples.
HEADER = 44
# One in some hundred texts has no sound on a busy machine; the next time it has.
ATTEMPTS = 4


def open_engine(settings: dict[str, Any]) -> Any:
    """The library's engine, with the properties of ``settings``."""
    try:
        import pyttsx3
    except ImportError as error:
        raise EngineError(
            f"pyttsx3_tts: the library is not installed ({error.name}): {extra_remedy('pyttsx3')}"
        ) from None
    try:
        engine = pyttsx3.init()
        voices = [str(voice.id) for voice in engine.getProperty("voices")]
    except LIBRARY_ERRORS as error:
        raise EngineError(
            f"pyttsx3_tts: this system's speech cannot be used ({error}); on Linux install espeak-ng, "
            "such as by `apt-get install espeak-ng`"
        ) from error
    if settings["voice"]:
        if settings["voice"] not in voices:
            told = ", ".join(voices[:200])
            raise EngineError(f"pyttsx3_tts: voice: the system has no {settings['voice']!r}; it has {told}")
        engine.setProperty("voice", settings["voice"])
    engine.setProperty("rate", settings["rate"])
    engine.setProperty("volume", settings["volume"])
    _correct_length()
    return engine


def load(settings: dict[str, Any]) -> Work:
    """The speech of the system, as ``settings`` want it."""
    engine = open_engine(settings)
    finished = threading.Event()
    engine.connect("finished-utterance", lambda **_: finished.set())
    # Its driver comes back before the file is written; those of other systems do not, and do not all tell.
    is_espeak = "pyttsx3.drivers.espeak" in sys.modules
    path = os.path.join(settings["folder"], "sentence.aiff" if sys.platform == "darwin" else "sentence.wav")

    def write(text: str) -> None:
        finished.clear()
        with muted():
            engine.save_to_file(text, path)
            engine.runAndWait()
            if is_espeak:
                finished.wait()

    def speak(request: bytes) -> bytes:
        # A process that was ended amid a sentence has left that, which is not what is asked for now.
        _remove(path)
        try:
            text = request.decode()
            # Now and then espeak-ng tells the end of a text at once, without any sound, and no error.
            for _ in range(ATTEMPTS if is_espeak else 1):
                write(text)
                if os.path.getsize(path) > HEADER:
                    break
            if os.path.getsize(path) > settings["most"]:
                raise EngineError(
                    f"pyttsx3_tts: more sound than {settings['max_sound']:g} s can be (max_sentence_sound)"
                )
            with open(path, "rb") as file:
                return file.read()
        except LIBRARY_ERRORS as error:
            raise EngineError(
                f"pyttsx3_tts: the system's speech failed at a sentence ({type(error).__name__})"
            ) from None
        finally:
            _remove(path)

    return speak


def _remove(path: str) -> None:
    with suppress(FileNotFoundError):
        os.remove(path)


def _correct_length() -> None:
    """Let the driver for espeak-ng give the length of a text as it is.

    It gives ten times of it, and so many bytes are copied: a text of 20 000 letters was seen to crash.
    """
    espeak = sys.modules.get("pyttsx3.drivers._espeak")
    synth = getattr(espeak, "cSynth", None)
    if synth is not None:
        setattr(espeak, "cSynth", lambda text, _size, *others: synth(text, len(text) + 1, *others))  # noqa: B010


if __name__ == "__main__":
    work(load)
