"""The server behind a talking character, built on Trio.

`open_backend` is the whole backend as one block, and `serve` puts it on a port. What they need is here too:
configurations and characters, where conversations are kept, clients without a network, and what an engine of
one's own is made of. Names are imported when they are first used, so that the command line answers at once.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .audio.pcm import Pcm as Pcm
    from .backend import Backend as Backend
    from .backend import BackendOptions as BackendOptions
    from .backend import open_backend as open_backend
    from .client.memory_wire import memory_wire_pair as memory_wire_pair
    from .client.memory_wire import open_in_memory as open_in_memory
    from .config.catalog import MemoryCatalog as MemoryCatalog
    from .config.character import CharacterConfig as CharacterConfig
    from .config.character import EngineChoice as EngineChoice
    from .config.folder import Config as Config
    from .config.load import load_config as load_config
    from .config.system import SystemConfig as SystemConfig
    from .engines.base import Asr as Asr
    from .engines.base import AsrTranscript as AsrTranscript
    from .engines.base import Llm as Llm
    from .engines.base import Message as Message
    from .engines.base import Nudge as Nudge
    from .engines.base import Prompt as Prompt
    from .engines.base import Text as Text
    from .engines.base import Thought as Thought
    from .engines.base import Tts as Tts
    from .engines.base import Vad as Vad
    from .engines.registry import adapter_of as adapter_of
    from .engines.registry import register_engine as register_engine
    from .engines.settings import Environment as Environment
    from .engines.settings import read_settings as read_settings
    from .engines.whole import WholeAsr as WholeAsr
    from .engines.whole import WholeTts as WholeTts
    from .engines.whole import channel_of as channel_of
    from .engines.whole import tagged as tagged
    from .errors import ConfigError as ConfigError
    from .errors import EngineError as EngineError
    from .errors import HistoryError as HistoryError
    from .errors import TrioBackendError as TrioBackendError
    from .errors import WireClosed as WireClosed
    from .history.memory import MemoryHistory as MemoryHistory
    from .serving import serve as serve
    from .wire import Wire as Wire

_MODULES = {
    "Asr": "engines.base",
    "AsrTranscript": "engines.base",
    "Backend": "backend",
    "BackendOptions": "backend",
    "CharacterConfig": "config.character",
    "Config": "config.folder",
    "ConfigError": "errors",
    "EngineChoice": "config.character",
    "EngineError": "errors",
    "Environment": "engines.settings",
    "HistoryError": "errors",
    "Llm": "engines.base",
    "MemoryCatalog": "config.catalog",
    "MemoryHistory": "history.memory",
    "Message": "engines.base",
    "Nudge": "engines.base",
    "Pcm": "audio.pcm",
    "Prompt": "engines.base",
    "SystemConfig": "config.system",
    "Text": "engines.base",
    "Thought": "engines.base",
    "TrioBackendError": "errors",
    "Tts": "engines.base",
    "Vad": "engines.base",
    "WholeAsr": "engines.whole",
    "WholeTts": "engines.whole",
    "Wire": "wire",
    "WireClosed": "errors",
    "adapter_of": "engines.registry",
    "channel_of": "engines.whole",
    "load_config": "config.load",
    "memory_wire_pair": "client.memory_wire",
    "open_backend": "backend",
    "open_in_memory": "client.memory_wire",
    "read_settings": "engines.settings",
    "register_engine": "engines.registry",
    "serve": "serving",
    "tagged": "engines.whole",
}

__all__ = sorted(_MODULES)


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
