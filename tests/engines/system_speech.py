"""Whether pyttsx3 can speak here: it needs its library, and one of the system."""

from __future__ import annotations

import subprocess
import sys
from functools import cache

import pytest


def skip_without_system_speech() -> None:
    """Skip the test where it cannot."""
    if not _can_speak():
        pytest.skip("the extra pyttsx3 is not installed, or this system has no speech that it can use")


@cache
def _can_speak() -> bool:
    # In a process of its own: espeak-ng starts threads, and is not to be there in the tests'.
    code = "import pyttsx3; pyttsx3.init()"
    return subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0
