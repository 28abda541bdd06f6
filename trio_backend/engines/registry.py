"""Engines by the names that configurations give them; an adapter is a file in the folder of its kind.

An adapter module has ``NAMES: tuple[str, ...]``, ``configure(name, settings, surroundings)``, which
returns a frozen configuration of a class of its own, and ``open(config)``, an asynchronous context
manager that yields the engine. Heavy libraries are imported inside ``open``.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from contextlib import AbstractAsyncContextManager
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, Literal, Protocol, TypeAlias, cast

import attrs

from ..errors import UnknownEngine
from .settings import Surroundings, closest

Kind: TypeAlias = Literal["llm", "tts", "asr", "vad"]

DEFAULTS: Mapping[Kind, str] = {
    "llm": "scripted_llm",
    "tts": "espeak_tts",
    "asr": "pocketsphinx_asr",
    "vad": "silero_vad",
}
"""The embedded engine of each kind: needs no key, no model and no network."""

_NOUNS: Mapping[Kind, str] = {
    "llm": "language model",
    "tts": "voice",
    "asr": "speech recognition",
    "vad": "voice detection",
}


class Adapter(Protocol):
    """What a module in ``engines/<kind>/`` has, seen as an object."""

    @property
    def __name__(self) -> str: ...
    @property
    def NAMES(self) -> tuple[str, ...]: ...  # noqa: N802
    def configure(
        self, name: str, settings: Mapping[str, object], surroundings: Surroundings
    ) -> Hashable: ...
    def open(self, config: Any) -> AbstractAsyncContextManager[Any]: ...


@attrs.frozen
class Label:
    """Which engine a configuration is for, in words: its kind, and the name that configurations use."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}/{self.name}"


def known(kind: Kind) -> tuple[str, ...]:
    """The names of all engines of that kind, sorted."""
    return tuple(sorted(_adapters(kind)))


def configure(
    kind: Kind, name: str, settings: Mapping[str, object], *, surroundings: Surroundings
) -> Hashable:
    """The frozen configuration of the engine ``name``; equal settings give equal configurations.

    Raises `UnknownEngine`, or `SettingsError` where a setting is wrong. Nothing is opened.
    """
    adapter = _adapters(kind).get(name)
    if adapter is None:
        raise _unknown(kind, name)
    return adapter.configure(name, settings, surroundings)


def open_engine(config: Hashable) -> AbstractAsyncContextManager[Any]:
    """Open the engine that ``config`` describes: the one whose module defines its class."""
    return cast(Adapter, import_module(type(config).__module__)).open(config)


def label(config: Hashable) -> Label:
    """What to call the engine of ``config`` in a log. Its settings stay out, since keys are among them."""
    module = type(config).__module__.split(".")
    return Label(kind=module[-2] if len(module) > 1 else "", name=getattr(config, "provider", module[-1]))


@cache
def _adapters(kind: Kind) -> Mapping[str, Adapter]:
    folder = import_module(f"{__package__}.{kind}")
    modules = [import_module(f"{folder.__name__}.{found.name}") for found in iter_modules(folder.__path__)]
    adapters = [cast(Adapter, module) for module in modules if hasattr(module, "NAMES")]
    return {name: adapter for adapter in adapters for name in adapter.NAMES}


def _unknown(kind: Kind, name: str) -> UnknownEngine:
    noun, instead = _NOUNS[kind], DEFAULTS[kind]
    return UnknownEngine(
        f"no {noun} is called {name!r}{closest(name, known(kind))}; {instead} is used instead. "
        f"Known are: {', '.join(known(kind))}",
        kind=kind,
        name=name,
        instead=instead,
    )
