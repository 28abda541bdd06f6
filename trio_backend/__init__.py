"""The server behind a talking character, built on Trio.

`open_backend` is the whole backend as one block; `serve` puts it on a port. Names are imported when they
are first used, so that the command line answers at once.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_HOME = {
    "Backend": "backend",
    "Config": "config.folder",
    "ConfigError": "errors",
    "EngineError": "errors",
    "HistoryError": "errors",
    "MemoryCatalog": "config.catalog",
    "MemoryHistory": "history.memory",
    "Pcm": "audio.pcm",
    "Premises": "backend",
    "TrioBackendError": "errors",
    "WholeAsr": "engines.whole",
    "WholeTts": "engines.whole",
    "WireClosed": "errors",
    "load_config": "config.load",
    "open_backend": "backend",
    "read_settings": "engines.settings",
    "register_engine": "engines.registry",
    "serve": "serve",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
