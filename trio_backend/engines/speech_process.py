"""What child processes of speech synthesis share: `speaking` makes the work of one out of a library.

A request is a text; the answer is `RATE`, the sample rate, and then 16-bit samples. Nothing but the standard
library is imported before a library is: see child_process.py.
"""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from ..errors import EngineError
from ..installation import install
from .child_process import Work

RATE = struct.Struct("<I")

LIBRARY_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What libraries raise of a model or a text that they cannot use; such errors have no parent of their own."""


def speaking(
    name: str,
    rate: int,
    longest: float,
    say: Callable[[str], Iterable[bytes]],
    errors: tuple[type[Exception], ...] = LIBRARY_ERRORS,
) -> Work:
    """Answer each text with what ``say`` makes of it: samples, in one piece or in several.

    Where that raises one of ``errors``, or is longer than ``longest`` seconds, the request has failed, and
    the process goes on: it need not load its model again.
    """
    most = RATE.size + 2 * int(longest * rate)

    def speak(request: bytes) -> bytes:
        answer = bytearray(RATE.pack(rate))
        try:
            with muted():
                for samples in say(request.decode()):
                    answer += samples
                    if len(answer) > most:
                        raise EngineError(
                            f"{name}: more sound than {longest:g} s can be (max_sentence_sound)"
                        )
        except errors as error:
            # After such an error CUDA fails at every call, until its process is another one.
            if "CUDA error" in str(error):
                raise
            # Not what it says: it may repeat the text.
            raise EngineError(f"{name}: the library failed at a sentence ({type(error).__name__})") from None
        return bytes(answer)

    return speak


def no_library(name: str, error: Exception, *requirements: str) -> EngineError:
    """What to say where a library with torch, which is never ours, is not installed or cannot be imported.

    ``requirements`` are what pip is to install.
    """
    return EngineError(
        f"{name}: the library cannot be imported ({error}): install it with torch, as "
        f"`{install(*requirements)}`, or choose piper_tts or sherpa_onnx_tts, which need no torch"
    )


def int16(samples: Any) -> bytes:
    """Floats in [-1, 1], an array or a list, as 16-bit samples; by the rules of `Pcm.from_floats`."""
    # It needs numpy, which the library has imported by now.
    from ..audio.pcm import Pcm

    return Pcm.from_floats(samples, 1).samples


@contextmanager
def muted() -> Iterator[None]:
    """Drop what is printed meanwhile, by C code too: libraries print the text that they speak."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = os.dup(2)
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)
    os.close(nothing)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        # Both were the same: `child_process` has left standard output to its frames.
        os.dup2(kept, 1)
        os.dup2(kept, 2)
        os.close(kept)
