"""`ConfigFolder`: ``conf.yaml`` and the files beside it, read and checked as often as wanted; blocking."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import attrs

from ..errors import FileTooLarge
from .character import CharacterConfig
from .choices import wyoming_engines
from .config_folders import Config as Config
from .config_folders import ConfigFolders
from .diagnostics import Finding, Findings, Location, did_you_mean
from .engine_sections import EngineSections
from .files import FileCache
from .listing import CharacterListing, list_characters, location_of, refusal, title_of
from .references import ReferencedFiles, check_references
from .schema import SYSTEM_OTHER_KEYS, TOP_LEVEL, TOP_LEVEL_OTHER_KEYS, References, build_character
from .structure import report_unknown, structured
from .system import SystemConfig
from .tree import Table, Values, overlay
from .yaml import parse

# Bytes of a YAML file: 200 times the conf.yaml that is shipped.
MAX_FILE_SIZE = 2**20


def _absolute(path: Path) -> Path:
    return path.absolute()


@attrs.frozen
class _Document:
    """A YAML file, parsed; ``table`` is None where that is not possible."""

    table: Table | None
    findings: tuple[Finding, ...]


@attrs.frozen
class _ServerSection:
    """``system_config`` of a ``conf.yaml``, checked, as far as that needs no other file."""

    document: Table
    section: Table
    system: SystemConfig
    findings: tuple[Finding, ...]


@attrs.frozen
class _BaseFile:
    """``conf.yaml`` with its server section understood: what every character of the folder is built with."""

    document: Table
    system: SystemConfig
    folders: ConfigFolders
    references: References
    values: Values


@attrs.define(eq=False)
class ConfigFolder:
    """A ``conf.yaml`` and the files beside it. An edit on disk is seen by the next call.

    For one thread at a time. No method raises for what is wrong in a file: that goes to the findings.
    """

    path: Path = attrs.field(converter=_absolute)
    environ: Mapping[str, str] = attrs.field(repr=False)
    _documents: FileCache[_Document] = attrs.field(
        factory=lambda: FileCache(_document, MAX_FILE_SIZE), init=False
    )
    _references: ReferencedFiles = attrs.field(factory=ReferencedFiles, init=False)
    # Of the last ``conf.yaml`` that was read.
    _server: _ServerSection | None = attrs.field(default=None, init=False)

    def base(self, findings: Findings) -> Config | None:
        """``conf.yaml``; None where it cannot be read.

        What is wrong in it is in ``findings``, and its default stands in, so that checking can go on.
        """
        base = self._base_file(findings)
        section = self._first_character(base, findings) if base else None
        if base is None or section is None:
            return None
        character = build_character(self.path.name, section, base.references, base.values)
        engines = wyoming_engines(character, base.system.wyoming, base.document, base.values)
        return Config(self.path, base.system, character, wyoming=engines)

    def character(self, filename: str, findings: Findings) -> CharacterConfig | None:
        """The character of ``filename``, laid over the base key by key; None where it cannot be read.

        As for `base`, what is wrong is in ``findings``. ``filename`` comes from clients: what is not the name
        of a file in the characters' folder is an error, and is not opened.
        """
        if filename == self.path.name:
            config = self.base(findings)
            return config.character if config else None
        base = self._base_file(findings)
        merged = self._merged(base, filename, findings) if base else None
        if base is None or merged is None:
            return None
        return build_character(filename, merged, base.references, base.values)

    def engine_sections(self, filename: str, findings: Findings) -> EngineSections | None:
        """The settings that the character of ``filename`` has for any engine; as for `character`."""
        base = self._base_file(findings)
        if base is None:
            return None
        name = base.system.first_character if filename == self.path.name else filename
        section = self._merged(base, name, findings) if name else base.document.table("character_config")
        shown = location_of(base.folders.characters, name).file if name else filename
        return None if section is None else EngineSections(self.path.parent, shown, section, self.environ)

    def _merged(self, base: _BaseFile, filename: str, findings: Findings) -> Table | None:
        """``character_config`` of ``filename`` over that of the base."""
        own = self._read_character(base.folders.characters, filename, findings)
        section = _character_section(own, findings) if own else None
        if section is None:
            return None
        common = base.document.table("character_config")
        merged = overlay(common, section) if common else section
        assert isinstance(merged, Table)
        return merged

    def _first_character(self, base: _BaseFile, findings: Findings) -> Table | None:
        """``character_config`` of the base, with the file of the first character over it, if it names one."""
        name, folder = base.system.first_character, base.folders.characters
        named = base.document.find("system_config.first_character")
        if not name or named is None:
            return _character_section(base.document, findings)
        if reason := refusal(folder, name):
            findings.error(named.location, f"{name[:80]!r}: {reason}", f"name a file in {folder.name}/")
            return _character_section(base.document, findings)
        return self._merged(base, name, findings)

    def listing(self) -> CharacterListing | None:
        """The characters' files; None where ``conf.yaml`` cannot be read. Only that file is opened."""
        document = self._read(self.path, self.path.name, Findings())
        if document is None:
            return None
        system = self._server_section(document).system
        folder = self.path.parent / system.config_alts_dir
        # The first character is known by the name of ``conf.yaml``.
        without = {self.path.name, system.first_character}
        return list_characters(folder, without, partial(self._known_title, folder))

    def title(self, folder: Path, filename: str) -> str:
        """What the character in that file of the characters' ``folder`` calls itself; see `title_of`."""
        return title_of(self._read_character(folder, filename, Findings()), filename)

    def place(self, filename: str, key: str) -> Location:
        """Where ``key`` is in the file of a character, or in ``conf.yaml``; else the file as a whole."""
        findings, document = Findings(), None
        if filename == self.path.name:
            document, shown = self._read(self.path, filename, findings), filename
        elif (listing := self.listing()) is None:
            shown = filename
        else:
            document = self._read_character(listing.folder, filename, findings)
            shown = location_of(listing.folder, filename).file
        node = document.find(key) if document else None
        return node.location if node else Location(shown, 0, key)

    def _known_title(self, folder: Path, filename: str) -> str | None:
        """The file's `title`, where it was read before and has not changed since."""
        try:
            kept = self._documents.unchanged(folder / filename, location_of(folder, filename).file)
        except OSError:
            return None
        return None if kept is None else title_of(kept.table, filename)

    def _read_character(self, folder: Path, filename: str, findings: Findings) -> Table | None:
        location = location_of(folder, filename)
        if reason := refusal(folder, filename):
            findings.error(location, reason)
            return None
        own = self._read(folder / filename, location.file, findings)
        if own:
            _report_top(own, ("character_config",), findings)
        return own

    def _base_file(self, findings: Findings) -> _BaseFile | None:
        document = self._read(self.path, self.path.name, findings)
        if document is None:
            return None
        server = self._server_section(document)
        findings.extend(server.findings)
        system, section, root = server.system, server.section, self.path.parent
        # Not kept: the files that it looks for may come and go while ``conf.yaml`` stays the same.
        check_references(system, section, root, findings)
        folders = ConfigFolders(root, root / system.config_alts_dir)
        named = section.table("tool_prompts") or section
        prompts = self._references.prompts(system.tool_prompts, named, folders.prompts, findings)
        references = References(root, prompts, self._references.models(folders.model_dict, findings))
        return _BaseFile(document, system, folders, references, Values(self.environ, findings))

    def _server_section(self, document: Table) -> _ServerSection:
        if self._server is None or self._server.document is not document:
            self._server = _server_section(document, self.environ)
        return self._server

    def _read(self, path: Path, shown: str, findings: Findings) -> Table | None:
        """The file's tree; None where it cannot be read, with the reason in ``findings``."""
        try:
            document = self._documents.read(path, shown)
        except FileNotFoundError:
            findings.error(Location(shown), "there is no such file")
        except FileTooLarge:
            findings.error(Location(shown), "the file is over 1 MiB", "is it a configuration?")
        except OSError as error:
            findings.error(Location(shown), f"cannot be read: {error.strerror}")
        else:
            findings.extend(document.findings)
            return document.table
        return None


def _document(data: bytes, shown: str) -> _Document:
    findings = Findings()
    return _Document(parse(data, shown, findings), findings.all)


def _server_section(document: Table, environ: Mapping[str, str]) -> _ServerSection:
    findings = Findings()
    _report_top(document, TOP_LEVEL, findings)
    section = _system_section(document, findings)
    report_unknown(SystemConfig, section, findings, SYSTEM_OTHER_KEYS)
    system = structured(SystemConfig, section, Values(environ, findings))
    return _ServerSection(document, section, system, findings.all)


def _system_section(document: Table, findings: Findings) -> Table:
    node = document.find("system_config")
    if isinstance(node, Table):
        return node
    if node:
        findings.error(node.location, "must be a section with keys of its own")
    return Table(Location(document.location.file, 1, "system_config"), {})


def _character_section(document: Table, findings: Findings) -> Table | None:
    node = document.find("character_config")
    if isinstance(node, Table):
        return node
    location = node.location if node else Location(document.location.file, 1, "character_config")
    message = "must be a section with keys of its own" if node else "is missing"
    findings.error(location, message, "see conf.yaml")
    return None


def _report_top(document: Table, known: tuple[str, ...], findings: Findings) -> None:
    # A file without any known section was written for something else; one error says so.
    if not any(key in document.entries for key in known):
        return
    for key, node in document.entries.items():
        if findings.is_full("warning", document.location.file):
            break  # Comparing a key with all known ones takes 0.15 ms, and a file may hold 100 000.
        if key in TOP_LEVEL_OTHER_KEYS:
            findings.note(node.location, TOP_LEVEL_OTHER_KEYS[key])
        elif key not in known:
            remedy = did_you_mean(key, known) or f"here counts only {' and '.join(known)}"
            findings.warning(node.location, "this key is not known", remedy)
