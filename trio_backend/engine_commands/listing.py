"""All engines: which are usable here and now, what is missing for the others, and which are configured."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import get_args

import attrs
import trio

from ..config.character import CharacterConfig, EngineChoice, EngineKind
from ..config.engine_sections import EngineSections
from ..config.load import survey
from ..engines.facts import EngineFacts
from ..engines.openai.configs import Endpoint
from ..engines.registry import (
    NOUNS,
    EngineConfig,
    configure,
    embedded,
    facts_of,
    known,
    missing,
    missing_modules,
)
from ..engines.settings import Environment
from ..errors import ConfigError, SettingsError, UnknownEngine

ANSWERS_WITHIN = 0.5
"""Seconds that a server on this machine may take to accept a connection; it takes less than a millisecond."""


FILLED_IN = "to-be-set"
"""What stands in for a setting that is missing, to find out what else is."""

MOST_WRONG = 8
"""Rounds of that; no engine has as many settings without which it cannot be."""


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


@attrs.frozen
class _Found:
    kind: EngineKind
    name: str
    config: EngineConfig | None
    missing: Sequence[str]


async def list_engines(path: Path, environ: Mapping[str, str]) -> list[ListedEngine]:
    """All engines, by kind and name, with the settings that the configuration at ``path`` has for them.

    Servers on this machine are asked whether they accept a connection; nothing else is asked or opened.
    Raises `ConfigError` where the file is no YAML.
    """
    found = await trio.to_thread.run_sync(_found, path, environ)
    used = await trio.to_thread.run_sync(_used, path, environ)
    down: dict[str, str] = {}
    async with trio.open_nursery() as nursery:
        for address in {endpoint.address for endpoint in map(_endpoint, found) if endpoint}:
            nursery.start_soon(_ask, address, down, name=f"is {address} there?")
    return [
        ListedEngine(
            each.kind,
            each.name,
            facts_of(each.kind, each.name),
            [*each.missing, *_not_there(each, down)],
            used.get((each.kind, each.name), ()),
        )
        for each in found
    ]


def _found(path: Path, environ: Mapping[str, str]) -> list[_Found]:
    sections = EngineSections.read(path, environ)
    kinds: tuple[EngineKind, ...] = get_args(EngineKind)
    return [_look(sections, kind, name, environ) for kind in kinds for name in known(kind)]


def _look(sections: EngineSections, kind: EngineKind, name: str, environ: Mapping[str, str]) -> _Found:
    modules = missing_modules(kind, name)
    try:
        choice = sections.choice(kind, name)
        config = configure(kind, name, choice.settings, environment=Environment(choice.folder, environ))
    except UnknownEngine as error:
        return _Found(kind, name, None, [modules or str(error)])
    except SettingsError as error:
        return _Found(kind, name, None, [*filter(None, [modules]), *_wrong(choice, environ, error)])
    except ConfigError as error:
        return _Found(kind, name, None, str(error).splitlines())
    return _Found(kind, name, config, missing(config))


def _wrong(choice: EngineChoice, environ: Mapping[str, str], error: SettingsError) -> Iterator[str]:
    """All settings that are wrong or missing: an adapter may say one after the other."""
    settings = dict(choice.settings)
    for _ in range(MOST_WRONG):
        if settings.get(error.key) == FILLED_IN:
            return
        for wrong in (error, *error.others):
            yield f"{wrong.key} {wrong.message}"
            settings[wrong.key] = FILLED_IN
        try:
            configure(choice.kind, choice.name, settings, environment=Environment(choice.folder, environ))
            return
        except UnknownEngine:
            return
        except SettingsError as further:
            error = further


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


def _endpoint(found: _Found) -> Endpoint | None:
    """Where a server of this machine has to be, for the engine to be usable."""
    endpoint = getattr(found.config.settings, "endpoint", None) if found.config else None
    return endpoint if isinstance(endpoint, Endpoint) and endpoint.is_local else None


async def _ask(address: str, down: dict[str, str]) -> None:
    host, _, port = address.rpartition(":")
    try:
        with trio.fail_after(ANSWERS_WITHIN):
            stream = await trio.open_tcp_stream(host, int(port))
    except (OSError, trio.TooSlowError):
        down[address] = f"no server answers at {address}"
    else:
        await trio.aclose_forcefully(stream)


def _not_there(found: _Found, down: Mapping[str, str]) -> Iterator[str]:
    endpoint = _endpoint(found)
    if endpoint and endpoint.address in down:
        remedy = endpoint.provider.start or f"start it, or correct {endpoint.url_setting}"
        yield f"{down[endpoint.address]}: {remedy}"


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
