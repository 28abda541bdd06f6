"""`Library`: the folder with ``conf.yaml``, read and checked as often as wanted; blocking."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PureWindowsPath

import attrs

from .casting import Props, character_of
from .character import CharacterConfig
from .document import Scalar, Table, laid_over
from .documents import Documents
from .finding import Findings, Place, did_you_mean
from .model_dictionary import read_models
from .premises import check_premises
from .prompts import read_prompts
from .schema import Config, Folders
from .sections import TOP_LEVEL, TOP_LEVEL_OTHERS
from .structure import report_unknown, structured
from .system import SystemConfig
from .values import Values

MAX_TITLE = 200
MAX_NAME = 255  # bytes: the longest that common file systems take


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
