"""`resolve`: the engine of a choice in a configuration, and what is wrong with the choice.

What stands in for an engine that we do not have, or that cannot be used here, is decided here alone.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from ..config.character import EngineChoice
from ..config.diagnostics import Finding, Severity
from ..errors import SettingsError, UnknownEngine
from .fallback_engines import config_of_list
from .registry import EngineConfig, configure, embedded
from .settings import Environment


@attrs.frozen
class ChoiceFinding:
    """Something that is wrong with ``choice``, or with its setting ``key``."""

    severity: Severity
    choice: EngineChoice
    key: str
    message: str

    @property
    def finding(self) -> Finding:
        """It, with its place in a file."""
        return finding_of(self.severity, self.choice, self.key, self.message)


@attrs.frozen
class ResolvedChoice:
    """``config`` is None where a setting is wrong: then one of the ``findings`` is an error."""

    config: EngineConfig | None
    findings: tuple[ChoiceFinding, ...]


def resolve(choice: EngineChoice, environment: Environment) -> ResolvedChoice:
    """The engine of ``choice``: the list, where it names several. Opens nothing.

    One that is unknown, or cannot be used here, is left out with a warning: the next of the list is used
    instead, and where none is left the embedded one. A wrong setting is an error, in any of the list.
    """
    configs: list[EngineConfig] = []
    findings: list[ChoiceFinding] = []
    left_out: list[tuple[EngineChoice, UnknownEngine]] = []
    for each in (choice, *choice.then):
        try:
            configs.append(configure(each.kind, each.name, each.settings, environment=environment))
            findings += _left_out(left_out, each.name)
        except UnknownEngine as error:
            left_out.append((each, error))
        except SettingsError as error:
            findings += [*_left_out(left_out, each.name), *_wrong(each, error)]
    findings += _left_out(left_out, "" if configs else None)
    if any(finding.severity == "error" for finding in findings):
        return ResolvedChoice(None, tuple(findings))
    if not configs:
        stand_in = embedded(choice.kind)
        configs.append(configure(stand_in.kind, stand_in.name, {}, environment=environment))
    return ResolvedChoice(config_of_list(configs, environment.fallback_for), tuple(findings))


def finding_of(severity: Severity, choice: EngineChoice, key: str, message: str) -> Finding:
    """Something about the setting ``key`` of ``choice``, or about the choice itself if ``key`` is empty."""
    place = choice.where(key)
    return Finding(severity, place.file, place.line, place.key, message)


def _left_out(
    left_out: list[tuple[EngineChoice, UnknownEngine]], instead: str | None
) -> Iterator[ChoiceFinding]:
    """What is to be said of them, where ``instead`` is used: none if it is empty, if None the embedded one.

    Afterwards ``left_out`` is empty.
    """
    for each, error in left_out:
        said = error.with_instead(error.instead if instead is None else instead)
        yield ChoiceFinding("warning", each, "", said)
    left_out.clear()


def _wrong(choice: EngineChoice, error: SettingsError) -> Iterator[ChoiceFinding]:
    for wrong in (error, *error.others):
        yield ChoiceFinding("error", choice, wrong.key, wrong.message)
