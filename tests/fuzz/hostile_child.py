"""A child process that writes what a case says. Needs the standard library only.

As ``python -m tests.fuzz.hostile_child`` it is an engine's worker; as a file named ``espeak-ng`` it is that
program.
"""

from __future__ import annotations

import os
import re
import signal
import struct
import sys
import time
from pathlib import Path

CASES = "TRIO_BACKEND_FUZZ_CASES"
"""The environment variable with the folder of the cases, one file each, named by its number."""


def end(how: int) -> None:
    """Do what a case's first byte says.

    0: go on; 1: end well; 2: with an error; 3: by a signal; 4: say no more for a second.
    """
    if how == 1:
        os._exit(0)
    elif how == 2:
        os._exit(3)
    elif how == 3:
        os.kill(os.getpid(), signal.SIGTERM)
    elif how == 4:
        time.sleep(1)
        os._exit(0)


def case_of(text: str) -> bytes:
    """The case whose number is in ``text``; nothing if there is none."""
    found = re.search(r"[0-9]+", text)
    path = Path(os.environ[CASES], found[0]) if found else None
    return path.read_bytes() if path and path.is_file() else b""


def write(data: bytes) -> None:
    try:
        while data:
            data = data[os.write(1, data) :]
    except BrokenPipeError:
        os._exit(0)


def work() -> None:
    """Say that all is loaded; then answer each request with the case that it names in its letters."""
    write(struct.pack("<BI", 0, 0))
    while len(head := sys.stdin.buffer.read(4)) == 4:
        request = sys.stdin.buffer.read(struct.unpack("<I", head)[0])
        samples = struct.unpack(f"<{len(request) // 2}h", request[: len(request) // 2 * 2])
        case = case_of("".join(chr(sample) for sample in samples if sample > 0))
        write(case[1:] if case else struct.pack("<BI", 0, 5) + b"hello")
        if case:
            end(case[0])


def speak() -> None:
    """Write the case that the text names, or silence."""
    case = case_of(sys.stdin.read())
    if case:
        write(case[1:])
        end(case[0])
        return
    frames = b"\0\x20" * 1000
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 22_050, 44_100, 2, 16)
    write(
        b"RIFF"
        + struct.pack("<I", 36 + len(frames))
        + b"WAVE"
        + form
        + b"data"
        + struct.pack("<I", len(frames))
        + frames
    )


if __name__ == "__main__":
    if Path(sys.argv[0]).name == "espeak-ng":
        speak()
    else:
        work()
