"""`ConfigFolder` and `load_config`: a configuration from disk, or all that is wrong with it; blocking."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PureWindowsPath

import attrs

from ..errors import ConfigError
from .character import CharacterConfig
from .diagnostics import Finding, Findings, Place, did_you_mean
from .files import Documents, Folders
from .references import check_premises, read_models, read_prompts
from .schema import TOP_LEVEL, TOP_LEVEL_OTHERS, Props, character_of
from .structure import report_unknown, structured
from .system import SystemConfig
from .tree import Scalar, Table, Values, laid_over

PACKAGE = Path(__file__).parents[1]
MAX_TITLE = 200
MAX_NAME = 255  # bytes: the longest that common file systems take


@attrs.frozen
class Config:
    """A whole configuration. ``path`` is its ``conf.yaml``; ``character`` is the base character."""

    path: Path
    system: SystemConfig
    character: CharacterConfig

    @property
    def folders(self) -> Folders:
        root = self.path.parent
        return Folders(root, root / self.system.config_alts_dir)

    @property
    def frontend(self) -> Path | None:
        """The folder with another front end's build, if one is configured."""
        return self._beside(self.system.frontend_dir)

    @property
    def tls(self) -> tuple[Path, Path] | None:
        """The files of certificate chain and key, if TLS is configured."""
        certificate, key = self._beside(self.system.tls_certificate), self._beside(self.system.tls_key)
        return (certificate, key) if certificate and key else None

    def _beside(self, name: str) -> Path | None:
        return self.path.parent / Path(name).expanduser() if name else None


def _absolute(path: Path) -> Path:
    return path.absolute()


@attrs.frozen
class _Ground:
    """What all characters stand on: the base file, and the server's section of it."""

    document: Table
    system: SystemConfig
    folders: Folders
    props: Props
    values: Values


@attrs.define(eq=False)
class Library:
    """All files of one configuration. For one thread at a time; edits on disk are seen by the next call."""

    path: Path = attrs.field(converter=_absolute)
    environ: Mapping[str, str] = attrs.field(repr=False)
    _documents: Documents = attrs.field(factory=Documents, init=False)

    def base(self, findings: Findings) -> Config | None:
        """``conf.yaml``; None where it cannot be read.

        What is wrong in it is in ``findings``, and its default stands in, so that checking can go on.
        """
        ground = self._ground(findings)
        section = _character_section(ground.document, findings) if ground else None
        if ground is None or section is None:
            return None
        character = character_of(self.path.name, section, ground.props, ground.values)
        return Config(self.path, ground.system, character)

    def character(self, filename: str, findings: Findings) -> CharacterConfig | None:
        """The character of ``filename``, laid over the base; None where it cannot be read.

        As for `base`, what is wrong is in ``findings``. A name that is not that of a file in the characters'
        folder is an error too, and is not opened.
        """
        if filename == self.path.name:
            config = self.base(findings)
            return config.character if config else None
        ground = self._ground(findings)
        if ground is None:
            return None
        own = self._read_character(ground.folders, filename, findings)
        section = _character_section(own, findings) if own else None
        if section is None:
            return None
        under = ground.document.table("character_config")
        merged = laid_over(under, section) if under else section
        assert isinstance(merged, Table)
        return character_of(filename, merged, ground.props, ground.values)

    def folder(self) -> Folders | None:
        """Where the characters are; None where ``conf.yaml`` cannot be read."""
        ground = self._ground(Findings())
        return ground.folders if ground else None

    def filenames(self, folders: Folders) -> list[str]:
        """The files in the characters' folder without the base, sorted; none where there is no folder."""
        try:
            names = [entry.name for entry in folders.characters.iterdir() if entry.suffix == ".yaml"]
        except OSError:
            return []
        return sorted(name for name in names if name != self.path.name)

    def title(self, folders: Folders, filename: str) -> str:
        """The ``conf_name`` in that file, cut at `MAX_TITLE`, or else its own name."""
        own = self._read_character(folders, filename, Findings())
        title = own.find("character_config.conf_name") if own else None
        return title.text[:MAX_TITLE] if isinstance(title, Scalar) and title.text.strip() else filename

    def _read_character(self, folders: Folders, filename: str, findings: Findings) -> Table | None:
        place = Place(f"{folders.characters.name}/{filename[:80]}")
        if complaint := _refusal(folders.characters, filename):
            findings.error(place, complaint)
            return None
        own = self._documents.read(folders.characters / filename, place.file, findings)
        if own:
            _report_top(own, ("character_config",), findings)
        return own

    def _ground(self, findings: Findings) -> _Ground | None:
        document = self._documents.read(self.path, self.path.name, findings)
        if document is None:
            return None
        _report_top(document, TOP_LEVEL, findings)
        values = Values(self.environ, findings)
        section = _system_section(document, findings)
        report_unknown(SystemConfig, section, findings)
        system = structured(SystemConfig, section, values)
        root = self.path.parent
        check_premises(system, section, root, findings)
        folders = Folders(root, root / system.config_alts_dir)
        named = section.table("tool_prompts") or section
        prompts = read_prompts(system.tool_prompts, named, folders.prompts, findings)
        props = Props(root, prompts, read_models(folders.model_dict, findings))
        return _Ground(document, system, folders, props, values)


def _system_section(document: Table, findings: Findings) -> Table:
    node = document.find("system_config")
    if isinstance(node, Table):
        return node
    if node:
        findings.error(node.place, "must be a section with keys of its own")
    return Table(Place(document.place.file, 1, "system_config"), {})


def _character_section(document: Table, findings: Findings) -> Table | None:
    node = document.find("character_config")
    if isinstance(node, Table):
        return node
    place = node.place if node else Place(document.place.file, 1, "character_config")
    findings.error(place, "must be a section with keys of its own" if node else "is missing", "see conf.yaml")
    return None


def _report_top(document: Table, known: tuple[str, ...], findings: Findings) -> None:
    # A file without any known section was written for something else; one error says so.
    if not any(key in document.entries for key in known):
        return
    for key, node in document.entries.items():
        if findings.is_full("warning", document.place.file):
            break  # To look for what was meant takes time.
        if key not in known and key not in TOP_LEVEL_OTHERS:
            remedy = did_you_mean(key, known) or f"here counts only {' and '.join(known)}"
            findings.warning(node.place, "this key is not known", remedy)


def _refusal(folder: Path, filename: str) -> str:
    """Why ``filename`` is not opened in ``folder``; empty if it may be."""
    if len(filename.encode(errors="replace")) > MAX_NAME:
        return "the name is too long"
    # Seen through both systems' eyes: a name that is harmless here may be a path there.
    plain = filename == Path(filename).name == PureWindowsPath(filename).name
    if not plain or not filename.isprintable() or not filename.endswith(".yaml"):
        return "this is not the name of a character file, such as ann.yaml"
    path = folder / filename
    if not path.is_file():
        return "there is no such character file"
    return "" if path.resolve().parent == folder.resolve() else "lies outside the characters' folder"


@attrs.frozen
class Loaded:
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


def load_config(path: Path, *, environ: Mapping[str, str]) -> Loaded:
    """The configuration in ``path``, with its base character.

    Raises `ConfigError` with one line per mistake: ``file:line: key: what is wrong; what is allowed``.
    """
    findings = Findings()
    config = Library(path, environ).base(findings)
    if config is None or findings.errors:
        raise ConfigError("\n".join(str(finding) for finding in findings.errors))
    return Loaded(config, findings.warnings)


def survey(path: Path, environ: Mapping[str, str]) -> Survey:
    """Read ``path`` and every character beside it, whatever is wrong with them."""
    findings, library = Findings(), Library(path, environ)
    config = library.base(findings)
    characters = [config.character] if config else []
    folders = library.folder()
    for filename in library.filenames(folders) if folders else ():
        own = Findings()
        character = library.character(filename, own)
        findings.extend(own.all)
        if character:
            characters.append(character)
    if config:
        _report_twins(characters, config.folders.characters.name, findings)
    return Survey(config, tuple(characters), findings.all)


def examine(path: Path, environ: Mapping[str, str]) -> list[Finding]:
    """All errors and warnings about ``path``, the characters beside it, and what they refer to."""
    return list(survey(path, environ).findings)


def _report_twins(characters: list[CharacterConfig], folder: str, findings: Findings) -> None:
    first: dict[str, str] = {}
    for character in characters:
        other = first.setdefault(character.conf_uid, character.file)
        if other != character.file:
            place = Place(f"{folder}/{character.file}", 0, "character_config.conf_uid")
            message = f"{character.conf_uid!r} is also that of {other}"
            findings.warning(place, message, "they share their conversations; give each its own")
