"""A child process for tests, whose answers come in parts: it does as it is told, slowly."""

from __future__ import annotations

import os
import time
from collections.abc import Generator
from threading import Event
from typing import Any

from trio_backend.engines.child_process import WorkInParts, work_in_parts
from trio_backend.errors import EngineError


def load(settings: dict[str, Any], stopped: Event) -> WorkInParts:
    """Fail if that is what ``problem`` says."""
    if "problem" in settings:
        raise EngineError(settings["problem"])

    def do(request: bytes) -> Generator[str, None, None]:
        for step in request.decode().split(";"):
            match step.split(" "):
                case "count", number, pause:
                    for each in range(int(number)):
                        time.sleep(float(pause))
                        yield str(each)
                case "pid", *_:
                    yield str(os.getpid())
                case "big", size:
                    yield "x" * int(size)
                case "refuse", why:
                    raise EngineError(why)
                case "die", code:
                    os._exit(int(code))
                case "deaf", seconds:
                    time.sleep(float(seconds))
                case "listen", seconds:
                    # Long for one part, but looks whether anybody still wants it.
                    stopped.wait(float(seconds))
                case other:
                    raise AssertionError(other)

    return do


if __name__ == "__main__":
    work_in_parts(load)
