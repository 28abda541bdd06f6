"""The espeak-ng library in a process of its own: text on standard input, samples on standard output.

Started by file name with ``python -I -S``, so it uses nothing but the standard library. The library
is not safe for two threads, cannot be stopped, and prints what it likes: so each sentence has a process,
which its owner may kill. The constants are those of espeak-ng's ``speak_lib.h``.
"""

from __future__ import annotations

import ctypes
import sys

NO_SUCH_VOICE = 3
"""The exit code for a voice that the library does not have."""

_SYNCHRONOUS = 2
_UTF_8 = 1
_END_PAUSE = 0x1000
_RATE, _VOLUME, _PITCH = 1, 2, 3


class _Voice(ctypes.Structure):
    """``espeak_VOICE``."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("languages", ctypes.c_char_p),
        ("identifier", ctypes.c_char_p),
        ("gender", ctypes.c_ubyte),
        ("age", ctypes.c_ubyte),
        ("variant", ctypes.c_ubyte),
        ("xx1", ctypes.c_ubyte),
        ("score", ctypes.c_int),
        ("spare", ctypes.c_void_p),
    )


_Samples = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)


def speak(library: str, data: str, voice: str, prosody: tuple[int, int, int]) -> int:
    """Speak standard input, raw samples of 22 050 Hz to standard output; the exit code.

    ``prosody`` is speed, pitch and volume. For a voice that does not exist, the names of those that do
    are written instead.
    """
    espeak = ctypes.CDLL(library)
    if espeak.espeak_Initialize(_SYNCHRONOUS, 0, data.encode(), 0) <= 0:
        return 1
    if not _set_voice(espeak, voice):
        sys.stdout.write(", ".join(_voices(espeak)))
        return NO_SUCH_VOICE
    for parameter, value in zip((_RATE, _PITCH, _VOLUME), prosody, strict=True):
        espeak.espeak_SetParameter(parameter, value, 0)

    def write(samples: int | None, count: int, _events: int) -> int:
        if samples and count > 0:
            sys.stdout.buffer.write(ctypes.string_at(samples, 2 * count))
        return 0

    callback = _Samples(write)  # named, so that it lives as long as the library calls it
    espeak.espeak_SetSynthCallback(callback)
    text = sys.stdin.buffer.read()
    failed: int = espeak.espeak_Synth(text, len(text) + 1, 0, 1, 0, _UTF_8 | _END_PAUSE, None, None)
    sys.stdout.buffer.flush()
    return 1 if failed else 0


def _set_voice(espeak: ctypes.CDLL, voice: str) -> bool:
    """Set the voice of that name, else the one that speaks a language of that name; whether there is one.

    The same two steps as the program's, since some languages have no voice of their name: British English
    is ``en``. Unlike the program's, the second step keeps the variant.
    """
    if espeak.espeak_SetVoiceByName(voice.encode()) == 0:
        return True
    language, plus, variant = voice.partition("+")
    if espeak.espeak_SetVoiceByProperties(ctypes.byref(_Voice(languages=language.encode()))) != 0:
        return False
    espeak.espeak_GetCurrentVoice.restype = ctypes.POINTER(_Voice)
    found: bytes = espeak.espeak_GetCurrentVoice().contents.identifier
    return not plus or espeak.espeak_SetVoiceByName(found + f"+{variant}".encode()) == 0


def _voices(espeak: ctypes.CDLL) -> list[str]:
    """The names that `_set_voice` knows, one for each voice."""
    espeak.espeak_ListVoices.restype = ctypes.POINTER(ctypes.POINTER(_Voice))
    voices, names = espeak.espeak_ListVoices(None), set()
    at = 0
    while voices[at]:
        identifier = voices[at].contents.identifier.decode("ascii", "ignore")
        # Voices of MBROLA need a program and files that the wheel does not have.
        if not identifier.startswith("mb/"):
            names.add(identifier.rpartition("/")[2])
        at += 1
    return sorted(names)


if __name__ == "__main__":
    speed, pitch, volume = map(int, sys.argv[4:7])
    sys.exit(speak(sys.argv[1], sys.argv[2], sys.argv[3], (speed, pitch, volume)))
