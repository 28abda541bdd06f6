"""``python -m tests.fuzz.serving``: the server, with the engines of tests/fuzz/engines beside its own."""

from __future__ import annotations

from pathlib import Path

import trio_backend.engines.asr
from trio_backend.cli import main

if __name__ == "__main__":
    trio_backend.engines.asr.__path__.append(str(Path(__file__).with_name("engines")))
    main()
