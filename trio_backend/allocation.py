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


def give_back_free_pages() -> None:
    """Give pages that hold nothing back to the system, wherever they lie between others; blocking.

    Takes some milliseconds for a hundred megabytes, in which other threads that need memory wait. By itself
    glibc gives back what is at the end of its heap only, and one small block there keeps all before it. Other
    C libraries are left as they are.
    """
    if sys.platform.startswith("linux"):
        # From malloc_trim(3): 0 leaves nothing at the end.
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
