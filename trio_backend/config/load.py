"""`load_config`, `survey`, `find_config`: a configuration, or all that is wrong with it; blocking."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import attrs

from ..errors import ConfigError
from .character import CharacterConfig
from .diagnostics import Finding, Findings, Location
from .folder import Config, ConfigFolder

PACKAGE = Path(__file__).parents[1]


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


def find_config(explicit: Path | None, cwd: Path) -> Path:
    """The ``conf.yaml`` to use: the given one (or the one in the given folder), else the one in ``cwd``,
    else the one in ``cwd/conf``, else the one that came with the package.

    Raises `ConfigError` where the given one does not exist.
    """
    if explicit is not None:
        path = cwd / explicit / "conf.yaml" if (cwd / explicit).is_dir() else cwd / explicit
        if not path.is_file():
            raise ConfigError(f"{explicit}: there is no such file; give the path of a conf.yaml")
        return path
    for path in (cwd / "conf.yaml", cwd / "conf" / "conf.yaml"):
        if path.is_file():
            return path
    return packaged_conf() / "conf.yaml"


def packaged_conf() -> Path:
    """The folder with the configuration that came with the package, or with the checkout."""
    installed = PACKAGE / "_conf"
    return installed if installed.is_dir() else PACKAGE.parent / "conf"


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
        _report_same_uids(characters, config.folders.characters.name, findings)
    return Survey(config, tuple(characters), findings.all)


def _report_same_uids(characters: list[CharacterConfig], folder: str, findings: Findings) -> None:
    first: dict[str, str] = {}
    for character in characters:
        other = first.setdefault(character.conf_uid, character.file)
        if other != character.file:
            location = Location(f"{folder}/{character.file}", 0, "character_config.conf_uid")
            message = f"{character.conf_uid!r} is also that of {other}"
            findings.warning(location, message, "they share their conversations; give each its own")
