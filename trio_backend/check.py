"""All that is wrong with a configuration, the engines' settings included."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from .config.character import CharacterConfig, EngineChoice
from .config.diagnostics import Finding, Findings, Severity
from .config.load import survey
from .engines.chosen import resolve
from .engines.registry import configure, missing, without_effect
from .engines.settings import Environment


def check(path: Path, environ: Mapping[str, str]) -> list[Finding]:
    """Every finding about ``path``, its characters, and the engines that they choose; blocking.

    An engine that we do not have is a warning: the embedded one is used instead.
    """
    seen = survey(path, environ)
    findings = Findings()
    findings.extend(seen.findings)
    for character in seen.characters:
        findings.extend(engine_findings(character, environ))
    if seen.config and seen.config.wyoming:
        findings.extend(_findings_of((seen.config.wyoming.tts, seen.config.wyoming.asr), environ))
    return list(findings.all)


def engine_findings(character: CharacterConfig, environ: Mapping[str, str]) -> Iterator[Finding]:
    """What is wrong with the engines that ``character`` chooses."""
    engines = (
        character.llm,
        character.tts,
        character.asr,
        character.vad,
        character.turn,
        character.translator,
    )
    yield from _findings_of(engines, environ)


def _findings_of(engines: Iterable[EngineChoice | None], environ: Mapping[str, str]) -> Iterator[Finding]:
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
            for problem in missing(config):
                yield _finding("warning", each, "", problem)


def _finding(severity: Severity, choice: EngineChoice, key: str, message: str) -> Finding:
    place = choice.where(key)
    return Finding(severity, place.file, place.line, place.key, message)
