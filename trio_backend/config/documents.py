"""`Documents`: parsed files, kept until they change on disk; blocking, for one thread at a time."""

from __future__ import annotations

from pathlib import Path

import attrs

from .document import Table
from .finding import Finding, Findings, Place
from .parse import parse
from .reading import FileTooLarge, read_file

MAX_FILE_SIZE = 2**20
MAX_KEPT = 256


@attrs.define(eq=False)
class Documents:
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
            findings.error(Place(shown), "there is no such file")
            return None
        except OSError as error:
            findings.error(Place(shown), f"cannot be read: {error.strerror}")
            return None
        _, table, found = self._kept[path]
        findings.extend(found)
        return table

    def _keep(self, path: Path, stamp: tuple[int, int, int, str], shown: str) -> None:
        found, table = Findings(), None
        try:
            table = parse(read_file(path, MAX_FILE_SIZE), shown, found)
        except FileTooLarge:
            found.error(Place(shown), "the file is over 1 MiB", "is it a configuration?")
        self._kept.pop(path, None)
        while len(self._kept) >= MAX_KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept[path] = (stamp, table, found.all)
