"""A child process for tests: it does as it is told, slowly."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import suppress
from tempfile import NamedTemporaryFile
from typing import Any

from trio_backend.engines.child_process import Work, work
from trio_backend.errors import EngineError


def load(settings: dict[str, Any]) -> Work:
    """Sleep ``load`` seconds; fail if that is what ``problem`` says, or if there is a file ``broken_by``."""
    time.sleep(settings.get("load", 0))
    if "problem" in settings:
        raise EngineError(settings["problem"])
    if os.path.exists(settings.get("broken_by", "")):
        raise EngineError("it was broken")

    def do(request: bytes) -> str:
        match request.decode().partition(" "):
            case "sleep", _, seconds:
                time.sleep(float(seconds))
                return "slept"
            case "stubborn", _, seconds:
                end = time.monotonic() + float(seconds)
                while (left := end - time.monotonic()) > 0:
                    with suppress(BaseException):
                        time.sleep(left)
                return "slept"
            case "run", _, seconds:
                subprocess.run([sys.executable, "-c", f"import time; time.sleep({seconds})"], check=True)
                return "run"
            case "die", _, code:
                os._exit(int(code))
            case "mark", _, folder:
                with NamedTemporaryFile(dir=folder, delete=False):
                    os._exit(7)
            case "break", _, words:
                raise LookupError(words)
            case "refuse", _, why:
                raise EngineError(why)
            case "print", _, text:
                print(text, flush=True)
                return "printed"
            case "size", _, _:
                return str(len(request))
            case other:
                return f"{other} {len(sys.argv)}"

    return do


if __name__ == "__main__":
    work(load)
