"""Memory that was freed, between the C library and the system."""

from __future__ import annotations

import ctypes
import sys

# From glibc's malloc.h; see mallopt(3).
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3

LARGE = 2**20
"""Bytes of a block that goes back to the system as soon as it is freed: 16 s of speech, in base64."""
KEPT = 4 * 2**20
"""Bytes of smaller blocks that are kept for the next sentences."""


def give_back_large_blocks() -> bool:
    """Let freed blocks of `LARGE` and more go back to the system at once; whether that could be arranged.

    By itself glibc keeps such blocks once it has seen one, and small ones between them hold them for ever. It
    also gives back and fetches again what each sentence needs. Other C libraries are left as they are.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:
        return False
    return bool(mallopt(_MMAP_THRESHOLD, LARGE) and mallopt(_TRIM_THRESHOLD, KEPT))
