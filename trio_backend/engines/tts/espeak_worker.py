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

_Samples = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)


def speak(library: str, data: str, voice: str, prosody: tuple[int, int, int]) -> int:
    """Speak standard input, raw samples of 22 050 Hz to standard output; the exit code.

    ``prosody`` is speed, pitch and volume.
    """
    espeak = ctypes.CDLL(library)
    if espeak.espeak_Initialize(_SYNCHRONOUS, 0, data.encode(), 0) <= 0:
        return 1
    if espeak.espeak_SetVoiceByName(voice.encode()) != 0:
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


if __name__ == "__main__":
    speed, pitch, volume = map(int, sys.argv[4:7])
    sys.exit(speak(sys.argv[1], sys.argv[2], sys.argv[3], (speed, pitch, volume)))
