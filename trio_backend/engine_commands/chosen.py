"""Which engine a command tries, and with which settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import attrs

from ..config.character import EngineChoice, EngineKind
from ..config.diagnostics import Findings
from ..config.engine_sections import EngineSections
from ..config.folder import ConfigFolder
from ..config.load import find_config
from ..config.tree import Values
from ..config.yaml import parse
from ..engines.registry import (
    EngineConfig,
    configure,
    embedded,
    known,
    missing,
    missing_modules,
    no_such_engine,
)
from ..engines.settings import Environment
from ..errors import ConfigError, EngineError, SettingsError
from ..text.lines import SpeechFilters


@attrs.frozen
class EngineRequest:
    """The engine that a user names, or else the base character's; ``given`` are its settings by key=value."""

    kind: EngineKind
    name: str | None
    given: Sequence[str] = ()
    config: Path | None = None


@attrs.frozen
class TriedEngine:
    """An engine that is ready to be opened. ``filters`` say what of a text the character would speak."""

    name: str
    config: EngineConfig
    filters: SpeechFilters


def chosen_engine(request: EngineRequest, environ: Mapping[str, str]) -> TriedEngine:
    """Its settings are those of its section in the configuration, with ``given`` over them; blocking.

    What is wrong elsewhere in the file does not matter. Raises `ConfigError` and `EngineError`, which say
    what is missing, and how to install or set it.
    """
    path = find_config(request.config, Path.cwd())
    sections = EngineSections.read(path, environ)
    base = ConfigFolder(path, environ).base(Findings())
    kind, name = request.kind, request.name
    if name is None:
        choices = {"tts": base.character.tts, "asr": base.character.asr} if base else {}
        name = (choices.get(kind) or embedded(kind)).name
    if name not in known(kind):
        raise ConfigError(f"{no_such_engine(kind, name)}; `trio-backend engines` says which are usable")
    if problem := missing_modules(kind, name):
        raise EngineError(f"{name}: {problem}")
    choice = sections.choice(kind, name)
    choice = attrs.evolve(choice, settings={**choice.settings, **dict(map(_setting, request.given))})
    sound = base.system.max_sentence_sound if base else Environment(Path(), {}).max_sentence_sound
    return TriedEngine(
        name,
        _configured(choice, Environment(choice.folder, environ, sound)),
        base.character.speech_filters if base else SpeechFilters(),
    )


def _configured(choice: EngineChoice, environment: Environment) -> EngineConfig:
    try:
        config = configure(choice.kind, choice.name, choice.settings, environment=environment)
    except SettingsError as error:
        raise ConfigError("\n".join(_lines(choice, error))) from error
    if problems := missing(config):
        raise EngineError("\n".join(f"{choice.name}: {problem}" for problem in problems))
    return config


def _lines(choice: EngineChoice, error: SettingsError) -> Iterator[str]:
    for wrong in (error, *error.others):
        yield f"{choice.name}: {wrong}"
    if error.message.startswith("is missing"):
        yield f"set it with `--set {error.key}=…`, or in the section {choice.key} of conf.yaml"


def _setting(text: str) -> tuple[str, object]:
    """``key=value``; the value is read as in a ``conf.yaml``, so that it may be a number or a list."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise ConfigError(f"--set {text}: write it as key=value")
    findings = Findings()
    table = parse(f"value: {value}".encode(), "--set", findings)
    if table is None or findings.errors or len(table.entries) != 1:
        # As it stands: in a text, YAML's own marks mean nothing.
        return key.strip(), value
    return key.strip(), Values({}, findings).of(table.entries["value"])
