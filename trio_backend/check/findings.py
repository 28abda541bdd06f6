"""`check`: all that is wrong with a configuration, and what was looked at to find it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TypeVar

import attrs
import trio

from ..config.character import CharacterConfig, EngineChoice, EngineKind
from ..config.diagnostics import Finding, Findings
from ..config.folder import Config, ConfigFolder
from ..config.load import Survey, survey
from ..engines.chosen import finding_of, resolve
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
from ..errors import EngineError, UnfitSetting, first_leaf
from .recognition import language_findings
from .server import server_findings

T = TypeVar("T")


@attrs.frozen
class CheckedCharacter:
    """A character, and what is wrong in its file or with the engines that it chooses, notes aside."""

    character: CharacterConfig
    findings: frozenset[Finding]

    def embedded(self) -> Iterator[tuple[EngineKind, str]]:
        """Kind and name of the engines that it has because it chooses none."""
        chosen = {choice.kind for choice in filter(None, _engines_of(self.character))}
        # Who chooses no translator, and no turn detection, has none.
        return (item for item in DEFAULTS.items() if item[0] not in (*chosen, "turn", "translator"))

    def engines(self) -> dict[str, list[str]]:
        """Those that it chooses, by kind, the first choice first; the embedded ones where it chooses none."""
        names = {kind: [name] for kind, name in self.embedded()}
        for choice in filter(None, _engines_of(self.character)):
            names[choice.kind] = [each.name for each in (choice, *choice.then)]
        return {kind: names[kind] for kind in DEFAULTS if kind in names}


@attrs.frozen
class CheckedConfig:
    """What `look_at` found, and of which characters; ``config`` is None if ``conf.yaml`` cannot be read."""

    path: Path
    config: Config | None
    characters: tuple[CheckedCharacter, ...]
    findings: tuple[Finding, ...]


@attrs.frozen
class _Openable:
    """An embedded engine of which nothing seems to be missing: only opening it shows whether that is so."""

    choice: EngineChoice
    config: EngineConfig


@attrs.define(eq=False)
class _Opened:
    """The embedded engines that were opened to see whether they can be: characters share some."""

    _is_open: Callable[[EngineConfig], bool]
    _problems: dict[EngineConfig, EngineError | None] = attrs.field(factory=dict)

    async def problem(self, config: EngineConfig) -> EngineError | None:
        """Why it cannot be opened."""
        if config not in self._problems:
            self._problems[config] = None if self._is_open(config) else await _problem(config)
        return self._problems[config]


async def _problem(config: EngineConfig) -> EngineError | None:
    try:
        async with open_engine(config):
            return None
    except* EngineError as group:
        leaf = first_leaf(group)
        assert isinstance(leaf, EngineError)
        problem = leaf
    return problem


def check(path: Path, environ: Mapping[str, str]) -> list[Finding]:
    """The findings of `look_at`."""
    return list(look_at(path, environ).findings)


def look_at(path: Path, environ: Mapping[str, str]) -> CheckedConfig:
    """As `examine`; blocking. Must not be called in an event loop."""
    return trio.run(examine, path, environ)


def _none_is_open(_config: EngineConfig) -> bool:
    return False


async def examine(
    path: Path, environ: Mapping[str, str], *, is_open: Callable[[EngineConfig], bool] = _none_is_open
) -> CheckedConfig:
    """Every finding about ``path``, its characters, and the engines that they choose.

    An engine that we do not have is a warning: the embedded one is used instead. Embedded engines are opened,
    and closed again, one at a time; those of which ``is_open`` says so need not be. Files are read, and
    libraries looked for, in threads; a cancel does not wait for them, and closes an engine that is open.
    """
    seen = await _in_thread(partial(survey, path, environ))
    opened, findings = _Opened(is_open), Findings()
    server = await _in_thread(partial(_of_server, seen))
    # A warning about a value that is wrong altogether would be one too many.
    wrong = {one.key for one in server}
    findings.extend(one for one in seen.findings if one.severity == "error" or one.key not in wrong)
    findings.extend(server)
    characters = []
    for character in seen.characters:
        of_engines = (
            *await _of_engines(_engines_of(character), environ, opened),
            *await _in_thread(partial(_of_language, character, seen.folder)),
        )
        places = {(await _in_thread(partial(seen.folder.place, character.file, ""))).file}
        if seen.config and character is seen.config.character and seen.config.first_character:
            places.add(seen.config.first_character)
        own = [one for one in (*findings.all, *of_engines) if one.file in places or one in of_engines]
        told = frozenset(one for one in own if one.severity != "note")
        characters.append(CheckedCharacter(character, told))
        findings.extend(of_engines)
    if seen.config and seen.config.wyoming:
        engines = (seen.config.wyoming.tts, seen.config.wyoming.asr)
        findings.extend(await _of_engines(engines, environ, opened))
    return CheckedConfig(path, seen.config, tuple(characters), findings.all)


def engine_findings(character: CharacterConfig, environ: Mapping[str, str]) -> Iterator[Finding]:
    """What is wrong with the engines that ``character`` chooses, as far as it is seen without opening any."""
    found = _without_opening(_engines_of(character), environ)
    yield from (one for one in found if isinstance(one, Finding))


async def _in_thread(read: Callable[[], T]) -> T:
    return await trio.to_thread.run_sync(read, abandon_on_cancel=True)


def _of_server(seen: Survey) -> list[Finding]:
    return list(server_findings(seen.config, seen.folder)) if seen.config else []


def _engines_of(character: CharacterConfig) -> tuple[EngineChoice | None, ...]:
    return (
        character.llm,
        character.tts,
        character.asr,
        character.vad,
        character.turn,
        character.translator,
    )


async def _of_engines(
    engines: Iterable[EngineChoice | None], environ: Mapping[str, str], opened: _Opened
) -> list[Finding]:
    found = []
    for one in await _in_thread(lambda: list(_without_opening(engines, environ))):
        if isinstance(one, Finding):
            found.append(one)
        elif error := await opened.problem(one.config):
            key = error.key if isinstance(error, UnfitSetting) else ""
            found.append(finding_of("error", one.choice, key, str(error)))
    return found


def _without_opening(
    engines: Iterable[EngineChoice | None], environ: Mapping[str, str]
) -> Iterator[Finding | _Openable]:
    for choice in filter(None, engines):
        environment = Environment(choice.folder, environ)
        found = resolve(choice, environment).findings
        yield from (one.finding for one in found)
        for each in (choice, *choice.then):
            if any(one.choice is each for one in found):
                continue
            for key, reason in without_effect(each.kind, each.name, each.settings):
                yield finding_of("note", each, key, f"has no effect: {reason}")
            config = configure(each.kind, each.name, each.settings, environment=environment)
            problems = missing(config)
            for problem in problems:
                yield finding_of("warning", each, "", problem)
            if not problems and is_opened_by_check(config):
                yield _Openable(each, config)


def _of_language(character: CharacterConfig, folder: ConfigFolder) -> tuple[Finding, ...]:
    return tuple(language_findings(character, folder))
