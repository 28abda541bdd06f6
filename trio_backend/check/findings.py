"""`check`: all that is wrong with a configuration, and what was looked at to find it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import attrs
import trio

from ..config.character import CharacterConfig, EngineChoice
from ..config.diagnostics import Finding, Findings, Severity
from ..config.folder import Config
from ..config.load import survey
from ..engines.chosen import resolve
from ..engines.registry import (
    DEFAULTS,
    EngineConfig,
    configure,
    is_opened_by_check,
    missing,
    open_engine,
    without_effect,
)
from ..engines.settings import Environment
from ..errors import EngineError, UnfitSetting
from .server import server_findings


@attrs.frozen
class CheckedCharacter:
    """A character, and what is wrong in its file or with the engines that it chooses, notes aside."""

    character: CharacterConfig
    findings: frozenset[Finding]

    def engines(self) -> dict[str, list[str]]:
        """Those that it chooses, by kind, the first choice first; the embedded ones where it chooses none."""
        chosen = {choice.kind: choice for choice in filter(None, _engines_of(self.character))}
        return {
            kind: [each.name for each in (chosen[kind], *chosen[kind].then)] if kind in chosen else [name]
            for kind, name in DEFAULTS.items()
            # Who chooses no translator, and no turn detection, has none.
            if kind in chosen or kind not in ("turn", "translator")
        }


@attrs.frozen
class CheckedConfig:
    """What `look_at` found, and of which characters; ``config`` is None if ``conf.yaml`` cannot be read."""

    path: Path
    config: Config | None
    characters: tuple[CheckedCharacter, ...]
    findings: tuple[Finding, ...]


@attrs.define(eq=False)
class _Opened:
    """The embedded engines that were opened to see whether they can be: characters share some."""

    _problems: dict[EngineConfig, EngineError | None] = attrs.field(factory=dict)

    def problem(self, config: EngineConfig) -> EngineError | None:
        """Why it cannot be opened; blocking, not in an event loop."""
        if config not in self._problems:
            self._problems[config] = trio.run(_problem, config)
        return self._problems[config]


async def _problem(config: EngineConfig) -> EngineError | None:
    try:
        async with open_engine(config):
            return None
    except* EngineError as group:
        leaf: BaseException = group
        while isinstance(leaf, BaseExceptionGroup):
            leaf = leaf.exceptions[0]
        assert isinstance(leaf, EngineError)
        problem = leaf
    return problem


def check(path: Path, environ: Mapping[str, str]) -> list[Finding]:
    """The findings of `look_at`."""
    return list(look_at(path, environ).findings)


def look_at(path: Path, environ: Mapping[str, str]) -> CheckedConfig:
    """Every finding about ``path``, its characters, and the engines that they choose; blocking.

    An engine that we do not have is a warning: the embedded one is used instead. Embedded engines are opened,
    and closed again. Must not be called in an event loop.
    """
    seen, opened = survey(path, environ), _Opened()
    findings = Findings()
    server = list(server_findings(seen.config, seen.folder)) if seen.config else []
    # A warning about a value that is wrong altogether would be one too many.
    wrong = {one.key for one in server}
    findings.extend(one for one in seen.findings if one.severity == "error" or one.key not in wrong)
    findings.extend(server)
    characters = []
    for character in seen.characters:
        of_engines = tuple(_findings_of(_engines_of(character), environ, opened))
        place = seen.folder.place(character.file, "").file
        own = [one for one in (*findings.all, *of_engines) if one.file == place or one in of_engines]
        told = frozenset(one for one in own if one.severity != "note")
        characters.append(CheckedCharacter(character, told))
        findings.extend(of_engines)
    if seen.config and seen.config.wyoming:
        findings.extend(_findings_of((seen.config.wyoming.tts, seen.config.wyoming.asr), environ, opened))
    return CheckedConfig(path, seen.config, tuple(characters), findings.all)


def engine_findings(character: CharacterConfig, environ: Mapping[str, str]) -> Iterator[Finding]:
    """What is wrong with the engines that ``character`` chooses, as far as it is seen without opening any."""
    yield from _findings_of(_engines_of(character), environ, None)


def _engines_of(character: CharacterConfig) -> tuple[EngineChoice | None, ...]:
    return (
        character.llm,
        character.tts,
        character.asr,
        character.vad,
        character.turn,
        character.translator,
    )


def _findings_of(
    engines: Iterable[EngineChoice | None], environ: Mapping[str, str], opened: _Opened | None
) -> Iterator[Finding]:
    for choice in filter(None, engines):
        environment = Environment(choice.folder, environ)
        found = resolve(choice, environment).findings
        for one in found:
            yield _finding(one.severity, one.choice, one.key, one.message)
        for each in (choice, *choice.then):
            if any(one.choice is each for one in found):
                continue
            for key, reason in without_effect(each.kind, each.name, each.settings):
                yield _finding("note", each, key, f"has no effect: {reason}")
            config = configure(each.kind, each.name, each.settings, environment=environment)
            problems = missing(config)
            for problem in problems:
                yield _finding("warning", each, "", problem)
            if opened and not problems and is_opened_by_check(config) and (error := opened.problem(config)):
                key = error.key if isinstance(error, UnfitSetting) else ""
                yield _finding("error", each, key, str(error))


def _finding(severity: Severity, choice: EngineChoice, key: str, message: str) -> Finding:
    place = choice.where(key)
    return Finding(severity, place.file, place.line, place.key, message)
