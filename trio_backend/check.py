"""All that is wrong with a configuration, the engines' settings included."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from .config.character import CharacterConfig, EngineChoice
from .config.diagnostics import Finding, Findings, Severity
from .config.load import survey
from .engines.registry import configure, missing, without_effect
from .engines.settings import Environment
from .errors import SettingsError, UnknownEngine


def check(path: Path, environ: Mapping[str, str]) -> list[Finding]:
    """Every finding about ``path``, its characters, and the engines that they choose; blocking.

    An engine that we do not have is a warning: the embedded one is used instead.
    """
    seen = survey(path, environ)
    findings = Findings()
    findings.extend(seen.findings)
    for character in seen.characters:
        findings.extend(engine_findings(character, environ))
    return list(findings.all)


def engine_findings(character: CharacterConfig, environ: Mapping[str, str]) -> Iterator[Finding]:
    """What is wrong with the engines that ``character`` chooses."""
    engines = (character.llm, character.tts, character.asr, character.vad, character.turn)
    for choice in filter(None, engines):
        environment = Environment(choice.folder, environ)
        try:
            config = configure(choice.kind, choice.name, choice.settings, environment=environment)
        except UnknownEngine as error:
            yield _finding("warning", choice, "", str(error))
        except SettingsError as error:
            for wrong in (error, *error.others):
                yield _finding("error", choice, wrong.key, wrong.message)
        else:
            for key, reason in without_effect(choice.kind, choice.name, choice.settings):
                yield _finding("warning", choice, key, f"has no effect: {reason}")
            for problem in missing(config):
                yield _finding("warning", choice, "", problem)


def _finding(severity: Severity, choice: EngineChoice, key: str, message: str) -> Finding:
    place = choice.where(key)
    return Finding(severity, place.file, place.line, place.key, message)
