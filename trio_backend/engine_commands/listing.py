"""All engines: which are usable here and now, what is missing for the others, and which are configured."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import get_args

import attrs
import trio

from ..config.character import CharacterConfig, EngineChoice, EngineKind
from ..config.engine_sections import EngineSections
from ..config.load import survey
from ..engines.facts import EngineFacts
from ..engines.registry import NOUNS, embedded, facts_of
from ..engines.settings import Environment
from ..engines.usability import look_at_engines


@attrs.frozen
class ListedEngine:
    """One engine. ``missing`` is what it lacks here and now, each with what to do; usable ones lack nothing.

    ``used_by`` are the files of the characters that choose it.
    """

    kind: EngineKind
    name: str
    facts: EngineFacts | None
    missing: Sequence[str]
    used_by: Sequence[str]


async def list_engines(path: Path, environ: Mapping[str, str]) -> list[ListedEngine]:
    """All engines, by kind and name, with the settings that the configuration at ``path`` has for them.

    Servers on this machine are asked whether they accept a connection; nothing else is asked or opened.
    Raises `ConfigError` where the file is no YAML.
    """
    sections = await trio.to_thread.run_sync(EngineSections.read, path, environ)
    kinds: tuple[EngineKind, ...] = get_args(EngineKind)
    found = await look_at_engines(sections, kinds, Environment(sections.folder, environ))
    used = await trio.to_thread.run_sync(_used, path, environ)
    return [
        ListedEngine(
            each.kind,
            each.name,
            facts_of(each.kind, each.name),
            each.missing,
            used.get((each.kind, each.name), ()),
        )
        for each in found
    ]


def _used(path: Path, environ: Mapping[str, str]) -> Mapping[tuple[EngineKind, str], Sequence[str]]:
    used: dict[tuple[EngineKind, str], list[str]] = {}
    for character in survey(path, environ).characters:
        for choice in _choices(character):
            used.setdefault((choice.kind, choice.name), []).append(character.file)
    return used


def _choices(character: CharacterConfig) -> Iterable[EngineChoice]:
    asr, vad = character.asr or embedded("asr"), character.vad or embedded("vad")
    chosen = filter(None, (character.llm, character.tts, asr, vad, character.turn, character.translator))
    return (each for choice in chosen for each in (choice, *choice.then))


def as_json(engines: Iterable[ListedEngine]) -> str:
    """The list for programs."""
    rows = [
        {
            "kind": engine.kind,
            "name": engine.name,
            "usable": not engine.missing,
            "missing": list(engine.missing),
            "used_by": list(engine.used_by),
            **(attrs.asdict(engine.facts) if engine.facts else {}),
        }
        for engine in engines
    ]
    return json.dumps(rows, ensure_ascii=False, indent=2)


def as_text(engines: Sequence[ListedEngine], path: Path, width: int | None) -> str:
    """The list for people; lines are wrapped to ``width`` columns, if there is one."""
    lines: list[str] = []
    for kind, noun in NOUNS.items():
        lines.append(f"{noun[0].upper()}{noun[1:]} ({kind})")
        for engine in (engine for engine in engines if engine.kind == kind):
            mark, state = "*" if engine.used_by else " ", "missing" if engine.missing else "usable"
            lines.append(f"{mark} {engine.name:<22} {state:<8} {_streams(engine.facts)}".rstrip())
            lines += [part for problem in engine.missing for part in _wrapped(problem, width)]
        lines.append("")
    usable = sum(not engine.missing for engine in engines)
    lines.append(f"{usable} of {len(engines)} are usable here and now; * a character of {path} uses it.")
    lines.append("Try one: `trio-backend speak --tts NAME TEXT`, `trio-backend transcribe --asr NAME FILE`.")
    return "\n".join(lines)


def _streams(facts: EngineFacts | None) -> str:
    if facts is None or facts.streams == "no":
        return ""
    return "streams" if facts.streams == "yes" else f"streams {facts.streams}"


def _wrapped(text: str, width: int | None) -> list[str]:
    indent = " " * 6
    if width is None:
        return [indent + text]
    # Commands and addresses stay whole, so that they can be copied.
    return textwrap.wrap(
        text,
        max(width, 40),
        initial_indent=indent,
        subsequent_indent=indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
