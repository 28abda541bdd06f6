"""Engines of a simulated world, found by name where `installed`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trio_backend.engines.asr
import trio_backend.engines.llm
import trio_backend.engines.tts
from trio_backend.engines import registry

_PACKAGES = (trio_backend.engines.asr, trio_backend.engines.llm, trio_backend.engines.tts)


@contextmanager
def installed() -> Iterator[None]:
    """Inside the block there are ``simulated_llm``, ``simulated_tts`` and ``simulated_asr``."""
    before = [list(package.__path__) for package in _PACKAGES]
    for package in _PACKAGES:
        package.__path__ = [
            *package.__path__,
            str(Path(__file__).parent / package.__name__.rpartition(".")[2]),
        ]
    registry._built_in.cache_clear()
    try:
        yield
    finally:
        for package, path in zip(_PACKAGES, before, strict=True):
            package.__path__ = path
        registry._built_in.cache_clear()
