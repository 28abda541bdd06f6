"""`load_config`, `survey`, `find_config`: a configuration, or all that is wrong with it; blocking."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import attrs

from ..errors import ConfigError
from .character import CharacterConfig
from .config_folders import packaged_conf as packaged_conf
from .diagnostics import Finding, Findings
from .folder import Config, ConfigFolder


@attrs.frozen
class LoadedConfig:
    """A configuration without errors, and the warnings about it."""

    config: Config
    findings: tuple[Finding, ...]


@attrs.frozen
class Survey:
    """A configuration as far as it can be read, with defaults for what is wrong, and all findings."""

    config: Config | None
    characters: tuple[CharacterConfig, ...]
    findings: tuple[Finding, ...]
    folder: ConfigFolder


def find_config(explicit: Path | None, cwd: Path) -> Path:
    """The ``conf.yaml`` to use: the given one (or the one in the given folder), else the one in ``cwd``,
    else the one in ``cwd/conf``, else the one that came with the package.

    Raises `ConfigError` where the given one does not exist.
    """
    if explicit is not None:
        path = cwd / explicit / "conf.yaml" if (cwd / explicit).is_dir() else cwd / explicit
        if not path.is_file():
            missing = "there is no conf.yaml in this folder" if path.parent == cwd / explicit else ""
            raise ConfigError(
                f"{explicit}: {missing or 'there is no such file'}; give the path of a conf.yaml"
            )
        if base := _base_of(path):
            message = "this is a character's file, and not one to start with"
            raise ConfigError(
                f"{explicit}: {message}; give {os.path.relpath(base, cwd)}, which it belongs to"
            )
        return path
    for path in (cwd / "conf.yaml", cwd / "conf" / "conf.yaml"):
        if path.is_file():
            return path
    return packaged_conf() / "conf.yaml"


def _base_of(path: Path) -> Path | None:
    """The ``conf.yaml`` that ``path`` is a character of, if there is one in the folder above."""
    base = path.parent.parent / "conf.yaml"
    if path.name == base.name or not base.is_file():
        return None
    listing = ConfigFolder(base, {}).listing()
    return base if listing and listing.folder == path.parent.absolute() else None


def load_config(path: Path, *, environ: Mapping[str, str]) -> LoadedConfig:
    """The configuration in ``path``, with its base character.

    Raises `ConfigError` with one line per mistake: ``file:line: key: what is wrong; what is allowed``.
    """
    findings = Findings()
    config = ConfigFolder(path, environ).base(findings)
    if config is None or findings.errors:
        raise ConfigError("\n".join(str(finding) for finding in findings.errors))
    return LoadedConfig(attrs.evolve(config, warnings=findings.warnings), findings.warnings)


def survey(path: Path, environ: Mapping[str, str]) -> Survey:
    """Read ``path`` and every character beside it, whatever is wrong with them."""
    findings, folder = Findings(), ConfigFolder(path, environ)
    config = folder.base(findings)
    characters = [config.character] if config else []
    listing = folder.listing()
    for filename in listing.titles if listing else ():
        own = Findings()
        character = folder.character(filename, own)
        findings.extend(own.all)
        if character:
            characters.append(character)
    if config:
        _report_same(characters, "conf_uid", "they share their conversations", folder, findings)
        _report_same(characters, "conf_name", "nobody can tell them apart in the list", folder, findings)
    return Survey(config, tuple(characters), findings.all, folder)


def _report_same(
    characters: list[CharacterConfig], key: str, then: str, folder: ConfigFolder, findings: Findings
) -> None:
    """Warn of the characters whose ``key`` an earlier one has, too."""
    first: dict[str, str] = {}
    for character in characters:
        value = getattr(character, key)
        other = first.setdefault(value, character.file)
        # One without a value has an error of its own.
        if value and other != character.file:
            location = folder.place(character.file, f"character_config.{key}")
            findings.warning(location, f"{value!r} is also that of {other}", f"{then}; give each its own")
