"""`Finding`: one thing that is wrong with a configuration, where it stands, and what to do about it."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable
from typing import Literal

import attrs
from loguru import logger

Severity = Literal["error", "warning", "note"]
"""A note is told to whoever asks what is in a file (`check`), not at each start."""


# Of one severity in one file: nobody reads more, and a file of 1 MiB could have 100 000.
MAX_FINDINGS = 100
# Characters of a message, and of its remedy: they may hold what stands in the file.
MAX_MESSAGE = 400
# Of findings: enough for all of a large folder. Beyond that they are forgotten, and logged again.
MAX_LOGGED = 1_000


@attrs.frozen
class Location:
    """Where something is: a file, relative to the folder of ``conf.yaml``; a line from 1 on; a dotted key.

    The line is 0 for the file as a whole, and the key ``""``.
    """

    file: str
    line: int = 0
    key: str = ""

    def inside(self, key: str, line: int) -> Location:
        """The location of ``key``, one level below this one."""
        return Location(self.file, line, f"{self.key}.{key}" if self.key else key)

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.file


@attrs.frozen
class Finding:
    """``str(finding)`` is one line: ``file:line: key: message; remedy``. It holds no secret and no prompt."""

    severity: Severity
    file: str
    line: int
    key: str
    message: str
    remedy: str = ""

    def __str__(self) -> str:
        where = str(Location(self.file, self.line))
        what = "; ".join(part for part in (self.message, self.remedy) if part)
        return ": ".join(part for part in (where, self.key, what) if part)


@attrs.define(eq=False)
class Findings:
    """Collects what is found, once for each location and severity: further ones mostly follow from the first.

    Of each file it keeps `MAX_FINDINGS` errors, and as many warnings.
    """

    _found: dict[tuple[Severity, Location], Finding] = attrs.field(factory=dict, init=False)
    _counts: Counter[tuple[Severity, str]] = attrs.field(factory=Counter, init=False)

    def error(self, location: Location, message: str, remedy: str = "") -> None:
        self._add("error", location, message, remedy)

    def warning(self, location: Location, message: str, remedy: str = "") -> None:
        self._add("warning", location, message, remedy)

    def note(self, location: Location, message: str, remedy: str = "") -> None:
        self._add("note", location, message, remedy)

    def extend(self, found: Iterable[Finding]) -> None:
        """Add findings that were collected elsewhere."""
        for finding in found:
            key = finding.severity, Location(finding.file, finding.line, finding.key)
            if key not in self._found and not self.is_full(finding.severity, finding.file):
                self._found[key] = finding
                self._counts[finding.severity, finding.file] += 1

    def is_full(self, severity: Severity, file: str) -> bool:
        """Whether no more of them are kept, so that looking for more is wasted time."""
        return self._counts[severity, file] >= MAX_FINDINGS

    def _add(self, severity: Severity, location: Location, message: str, remedy: str) -> None:
        message, remedy = _shortened(message), _shortened(remedy)
        self.extend([Finding(severity, location.file, location.line, location.key, message, remedy)])

    @property
    def all(self) -> tuple[Finding, ...]:
        """All findings: files in the order of their first finding, and within a file by line."""
        found = self._found.values()
        files = list(dict.fromkeys(finding.file for finding in found))
        return tuple(sorted(found, key=lambda finding: (files.index(finding.file), finding.line)))

    @property
    def errors(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.all if finding.severity == "error")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.all if finding.severity == "warning")


@attrs.define(eq=False)
class FindingLog:
    """Logs findings, each once, by whatever way they come: the check at the start of a server, a file that is
    edited later, an engine that is opened. Notes are not logged.
    """

    _told: set[Finding] = attrs.field(factory=set)

    def tell(self, finding: Finding) -> None:
        """Log ``finding``, with its severity as the level, unless an equal one was logged."""
        if finding.severity == "note" or finding in self._told:
            return
        if len(self._told) > MAX_LOGGED:
            self._told.clear()
        self._told.add(finding)
        logger.log(finding.severity.upper(), "{}", finding)


def _shortened(text: str) -> str:
    return text if len(text) <= MAX_MESSAGE else f"{text[:MAX_MESSAGE]}…"


def did_you_mean(word: str, known: Iterable[str], *, likeness: float = 0.75) -> str:
    """``did you mean 'port'?`` where something known is close to ``word``, else nothing.

    ``likeness`` is the share of letters in common, in 0..1, from which on two words are close.
    """
    # difflib's default of 0.6 takes any two words for each other that end in _config, or in _tts.
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=likeness)
    return f"did you mean {close[0]!r}?" if close else ""
