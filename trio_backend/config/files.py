"""Files of a configuration: bounded, ordinary files only, read again when they have changed; blocking."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import attrs

from .diagnostics import Finding, Findings, Location
from .tree import Table
from .yaml import parse


@attrs.frozen
class ConfigFolders:
    """The folders of a configuration, beside ``conf.yaml``. Any of them may be missing on disk."""

    root: Path
    characters: Path

    @property
    def prompts(self) -> Path:
        return self.root / "prompts"

    @property
    def model_dict(self) -> Path:
        """The model dictionary, a JSON file."""
        return self.root / "model_dict.json"

    @property
    def live2d_models(self) -> Path:
        return self.root / "live2d-models"

    @property
    def backgrounds(self) -> Path:
        return self.root / "backgrounds"

    @property
    def avatars(self) -> Path:
        return self.root / "avatars"


class FileTooLarge(OSError):
    """A file is larger than its reader allows."""


def read_file(path: Path, limit: int) -> bytes:
    """All that is in ``path``.

    Raises `FileTooLarge` where that is more than ``limit`` bytes, and `OSError` where it cannot be read or
    is no ordinary file: a pipe would keep its reader waiting for ever.
    """
    # Without O_NONBLOCK, opening a pipe waits until somebody writes to it.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        handle = os.open(path, flags)
    except ValueError as error:
        # A NUL in the name: no file has one.
        raise OSError(None, "no file can have this name") from error
    with open(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(None, "it is no ordinary file")
        # One byte more than allowed says that it is too large, even if it grew since it was opened.
        data = file.read(limit + 1)
    if len(data) > limit:
        raise FileTooLarge(None, "it is too large")
    return data


MAX_FILE_SIZE = 2**20
MAX_KEPT = 256


@attrs.define(eq=False)
class ParsedFiles:
    """Parsed files, up to ``MAX_KEPT``, parsed again when they have changed; the oldest makes room."""

    _kept: dict[Path, tuple[object, Table | None, tuple[Finding, ...]]] = attrs.field(
        factory=dict, init=False
    )

    def read(self, path: Path, shown: str, findings: Findings) -> Table | None:
        """The file's tree; None where it cannot be read, with the reason in ``findings``."""
        try:
            stat = path.stat()
            stamp = (stat.st_mtime_ns, stat.st_size, stat.st_ino, shown)
            if path not in self._kept or self._kept[path][0] != stamp:
                self._keep(path, stamp, shown)
        except FileNotFoundError:
            findings.error(Location(shown), "there is no such file")
            return None
        except OSError as error:
            findings.error(Location(shown), f"cannot be read: {error.strerror}")
            return None
        _, table, found = self._kept[path]
        findings.extend(found)
        return table

    def _keep(self, path: Path, stamp: tuple[int, int, int, str], shown: str) -> None:
        found, table = Findings(), None
        try:
            table = parse(read_file(path, MAX_FILE_SIZE), shown, found)
        except FileTooLarge:
            found.error(Location(shown), "the file is over 1 MiB", "is it a configuration?")
        self._kept.pop(path, None)
        while len(self._kept) >= MAX_KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept[path] = (stamp, table, found.all)
