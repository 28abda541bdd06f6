"""What `trio-backend check` prints: each finding, what was looked at, and the sum; in words or as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator

import attrs

from ..engines.registry import missing_modules
from .findings import CheckedCharacter, CheckedConfig
from .recognition import limits, not_understood


@attrs.frozen
class CheckReport:
    """``strict`` makes each warning an error."""

    checked: CheckedConfig
    strict: bool = False

    @property
    def errors(self) -> int:
        """How many errors there are."""
        return sum(self._severity(one.severity) == "error" for one in self.checked.findings)

    def lines(self) -> Iterator[str]:
        """The report for people."""
        findings = self.checked.findings
        for finding in findings:
            yield f"{self._severity(finding.severity)}: {finding}"
        for each in self.checked.characters:
            yield self._character(each)
            message = not_understood(each.character)
            if message and each.character.asr is None:
                yield f"{each.character.file}: its persona {message}"
        for name, limit in self._limits().items():
            yield f"{name}: {limit}"
        for name, missing in self._missing().items():
            yield f"{name}: {missing}"
        notes = sum(one.severity == "note" for one in findings)
        more = f", {notes} keys without effect" if notes else ""
        warnings = len(findings) - notes - self.errors
        yield f"{self.checked.path}: {self.errors} errors, {warnings} warnings{more}"

    def json(self) -> str:
        """The report for programs: one object, with all findings and all characters."""
        findings = [
            {**attrs.asdict(one), "severity": self._severity(one.severity)} for one in self.checked.findings
        ]
        characters = [
            {
                "file": each.character.file,
                "name": each.character.conf_name,
                "engines": each.engines(),
                "findings": len(each.findings),
            }
            for each in self.checked.characters
        ]
        answer = {
            "file": str(self.checked.path),
            "errors": self.errors,
            "findings": findings,
            "characters": characters,
            "limits": self._limits(),
            "missing": self._missing(),
            "not_understood": {
                each.character.file: message
                for each in self.checked.characters
                if (message := not_understood(each.character))
            },
        }
        return json.dumps(answer, ensure_ascii=False, indent=2)

    def _limits(self) -> dict[str, str]:
        return limits(each.character for each in self.checked.characters)

    def _missing(self) -> dict[str, str]:
        """The embedded engines whose libraries are not installed, where no file has chosen them.

        Then it is no mistake in a file: characters come without a microphone, or in text.
        """
        embedded = {(kind, name) for each in self.checked.characters for kind, name in each.embedded()}
        found = {name: missing_modules(kind, name) for kind, name in sorted(embedded)}
        return {name: missing for name, missing in found.items() if missing}

    def _severity(self, severity: str) -> str:
        return "error" if self.strict and severity == "warning" else severity

    def _character(self, each: CheckedCharacter) -> str:
        engines = ", ".join(", then ".join(names) for names in each.engines().values())
        count = len(each.findings)
        verdict = f"{count} {'thing' if count == 1 else 'things'} to look at" if count else "fine"
        return f"{each.character.file}: {each.character.conf_name} with {engines}: {verdict}"
