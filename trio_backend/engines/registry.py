"""Engines by the names that configurations give them.

An adapter is a module in the folder of its kind, or any object that `register_engine` was given. It has
``NAMES``, the names that it goes by; ``configure(name, settings, environment)``, which checks the settings
of a configuration file and returns them as a frozen value; and ``open(settings)``, which takes that value and
returns an asynchronous context manager that yields the engine. Heavy libraries are imported inside ``open``.
It may have ``WITHOUT_EFFECT``: settings of existing files that do nothing here, with the reason; and
``missing(settings)``, which looks at the disk for what else `open` would ask for (files, programs), and says
of each what to do; and ``OPENED_BY_CHECK``, true where `check` may open the engine to see whether that
works: it is quick, and needs nothing but this machine. Ours have ``FACTS`` (facts.py): what people want to
know before they choose one.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, Protocol, cast, get_args

import attrs

from ..config.character import EngineChoice, EngineKind
from ..config.diagnostics import did_you_mean
from ..errors import UnknownEngine
from .base import Asr, Llm, Translator, Tts, TurnDetector, Vad
from .facts import EngineFacts, Facts
from .settings import Environment, read_settings

DEFAULTS: Mapping[EngineKind, str] = {
    "llm": "scripted_llm",
    "tts": "espeak_tts",
    "asr": "pocketsphinx_asr",
    "vad": "silero_vad",
    # There is none that is embedded: a character has one only if it names a file.
    "turn": "smart_turn",
    "translator": "none",
}
"""The embedded engine of each kind: needs no key, no model and no network."""

NOUNS: Mapping[EngineKind, str] = {
    "llm": "language model",
    "tts": "speech synthesis",
    "asr": "speech recognition",
    "vad": "voice activity detection",
    "turn": "turn detection",
    "translator": "translator",
}


class Adapter(Protocol):
    """What makes engines: a module, or another object, with these three names."""

    @property
    def NAMES(self) -> tuple[str, ...]:  # noqa: N802
        """The names that configurations give its engines."""
        ...

    def configure(self, name: str, settings: Mapping[str, object], environment: Environment) -> Hashable:
        """``settings`` of a file for the engine ``name``, checked, as a frozen value. Opens nothing.

        Engines whose values are equal are opened once. Raises `SettingsError`.
        """
        ...

    def open(self, settings: Any, /) -> AbstractAsyncContextManager[Any]:
        """The engine, for as long as the block lasts; `configure` made ``settings``. Raises `EngineError`.

        A cancel while it loads stops the loading. Leaving the block returns when nothing of it is left.
        """
        ...


@attrs.frozen
class EngineConfig:
    """Which engine, with which settings. Equal ones stand for one engine, which their users share.

    ``settings`` is what the adapter made of those in the configuration. Keys are among them, so they are in
    no ``repr``.
    """

    kind: EngineKind
    name: str
    settings: Hashable = attrs.field(repr=False)
    adapter: Adapter = attrs.field(repr=False, eq=id)


class EngineSource(Protocol):
    """What opens the engines of a list: `Leases`, where they are shared."""

    def lease(self, config: EngineConfig) -> AbstractAsyncContextManager[Any]:
        """The engine of ``config``, open until the block is left. Raises `EngineError`."""
        ...

    async def wait_broken(self, config: EngineConfig) -> str:
        """Until that engine breaks down while it is leased. Gives what is wrong with it."""
        ...


@attrs.frozen
class _NoSettings:
    pass


@attrs.frozen(eq=False)
class _Given:
    """See `adapter_of`."""

    NAMES: tuple[str, ...]
    _engine: object

    def configure(self, name: str, settings: Mapping[str, object], environment: Environment) -> _NoSettings:
        del name, environment
        return read_settings(_NoSettings, settings)

    def open(self, settings: _NoSettings) -> AbstractAsyncContextManager[Any]:
        del settings
        return nullcontext(self._engine)


_registered: dict[EngineKind, list[Adapter]] = {kind: [] for kind in get_args(EngineKind)}


def register_engine(kind: EngineKind, adapter: Adapter) -> None:
    """Let configurations name the engines of ``adapter``, in this process, from now on.

    Doing it twice is harmless. Raises `TypeError` if ``adapter`` is none, and `ValueError` if one of its
    names belongs to another one of that kind.
    """
    names: object = getattr(adapter, "NAMES", None)
    if not isinstance(names, tuple) or not hasattr(adapter, "configure") or not hasattr(adapter, "open"):
        raise TypeError(f"{adapter!r} is no adapter: it needs NAMES, a tuple of text, configure and open")
    taken = [name for name in adapter.NAMES if _adapters(kind).get(name, adapter) is not adapter]
    if taken:
        raise ValueError(f"there is a {NOUNS[kind]} called {taken[0]!r} already")
    if adapter not in _registered[kind]:
        _registered[kind].append(adapter)


def adapter_of(name: str, engine: Llm | Tts | Asr | Vad | TurnDetector | Translator) -> Adapter:
    """An adapter, for `register_engine`, of an engine that is there already: ``name``, without settings.

    All characters that choose it share ``engine``. Whoever made it closes it.
    """
    return _Given((name,), engine)


def known(kind: EngineKind) -> tuple[str, ...]:
    """The names of all engines of that kind, sorted."""
    return tuple(sorted(_adapters(kind)))


def configure(
    kind: EngineKind, name: str, settings: Mapping[str, object], *, environment: Environment
) -> EngineConfig:
    """The engine ``name`` with ``settings``. Nothing is opened.

    Raises `UnknownEngine`, or `SettingsError` where a setting is wrong.
    """
    adapter = _adapter(kind, name)
    if adapter is None:
        raise _unknown(kind, name)
    return EngineConfig(kind, name, adapter.configure(name, settings, environment), adapter)


def without_effect(kind: EngineKind, name: str, settings: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Those of ``settings`` that the engine ``name`` takes, as existing files have them, but that do nothing.

    Each with the reason, for a person. They are those in ``WITHOUT_EFFECT`` of the adapter, if it has that.
    """
    adapter = _adapter(kind, name)
    reasons: Mapping[str, str] = getattr(adapter, "WITHOUT_EFFECT", {})
    for key, value in settings.items():
        if value is not None and key in reasons:
            yield key, reasons[key]


def facts_of(kind: EngineKind, name: str) -> EngineFacts | None:
    """What is known of the engine ``name``; None of one that somebody else wrote, and of an unknown one."""
    facts: Facts | None = getattr(_adapter(kind, name), "FACTS", None)
    return facts if facts is None or isinstance(facts, EngineFacts) else facts.get(name)


def missing(config: EngineConfig) -> Sequence[str]:
    """What `open_engine` would fail for, as far as the disk shows it, each with what to do; blocking.

    Modules first. Nothing is imported, opened or asked.
    """
    modules = missing_modules(config.kind, config.name)
    look: Callable[[Any], Iterable[str]] | None = getattr(config.adapter, "missing", None)
    return [*([modules] if modules else ()), *(look(config.settings) if look else ())]


def is_opened_by_check(config: EngineConfig) -> bool:
    """Whether opening it is quick, and has no effect on anything else."""
    return bool(getattr(config.adapter, "OPENED_BY_CHECK", False))


def missing_modules(kind: EngineKind, name: str) -> str:
    """Which libraries of the engine ``name`` are not installed, and how to install them; empty if none."""
    facts = facts_of(kind, name)
    if facts is None or not (modules := facts.missing_modules()):
        return ""
    return f"{', '.join(modules)} {'is' if len(modules) == 1 else 'are'} not installed: {facts.remedy}"


def embedded(kind: EngineKind) -> EngineChoice:
    """The embedded engine with its default settings: what a character has that chooses none."""
    return EngineChoice(kind, DEFAULTS[kind])


def open_engine(config: EngineConfig) -> AbstractAsyncContextManager[Any]:
    """Open the engine, for as long as the block lasts. Raises `EngineError`."""
    return config.adapter.open(config.settings)


def label(config: EngineConfig) -> str:
    """What to call the engine in a log: its kind, and the name that configurations use."""
    return f"{config.kind}/{config.name}"


def _adapter(kind: EngineKind, name: str) -> Adapter | None:
    return _module_called(kind, name) or _adapters(kind).get(name)


def _adapters(kind: EngineKind) -> Mapping[str, Adapter]:
    """All of that kind, by each of their names."""
    ours = {name: adapter for adapter in _registered[kind] for name in adapter.NAMES}
    return {**ours, **_built_in(kind)}


@cache
def _built_in(kind: EngineKind) -> Mapping[str, Adapter]:
    folder = import_module(f"{__package__}.{kind}")
    modules = [import_module(f"{folder.__name__}.{found.name}") for found in iter_modules(folder.__path__)]
    adapters = [cast(Adapter, module) for module in modules if hasattr(module, "NAMES")]
    return {name: adapter for adapter in adapters for name in adapter.NAMES}


@cache
def _module_called(kind: EngineKind, name: str) -> Adapter | None:
    """The adapter of ours in the module that is called like it, if there is one: ``echo_llm`` in echo.py.

    So a start imports no adapters that nobody has chosen: with what they import, they take 17 ms.
    """
    folder, wanted = import_module(f"{__package__}.{kind}"), name.removesuffix(f"_{kind}")
    if not any(found.name == wanted for found in iter_modules(folder.__path__)):
        return None
    module = import_module(f"{folder.__name__}.{wanted}")
    return cast(Adapter, module) if name in getattr(module, "NAMES", ()) else None


def no_such_engine(kind: EngineKind, name: str) -> str:
    """That there is none of that name, and what may have been meant."""
    meant = did_you_mean(name, known(kind))
    return f"no {NOUNS[kind]} is called {name!r}{f' ({meant})' if meant else ''}"


def _unknown(kind: EngineKind, name: str) -> UnknownEngine:
    instead = DEFAULTS[kind]
    # "None is used instead", of a translator, could be read as "no one".
    then = "it is spoken as it is shown" if kind == "translator" else f"{instead} is used instead"
    return UnknownEngine(
        f"{no_such_engine(kind, name)}; {then}. Known are: {', '.join(known(kind))}",
        kind=kind,
        name=name,
        instead=instead,
    )
