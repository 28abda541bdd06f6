"""`Ledger`: all that one proof found, and where: what ``--json`` keeps and ``--report`` shows."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import attrs
import msgspec

from .outcome import Outcome, Verdict
from .plan import Plan


@attrs.frozen
class Ledger:
    """``server`` is the address that was tested, or "" for a server of our own."""

    when: str
    server: str
    machine: Mapping[str, str]
    plan: Plan
    outcomes: Sequence[Outcome]

    @classmethod
    def of(cls, plan: Plan, outcomes: Sequence[Outcome], *, server: str = "") -> Ledger:
        """The ledger of this moment and machine."""
        when = datetime.now(UTC).isoformat(timespec="seconds")
        return cls(when, server, _machine(), plan, outcomes)

    @property
    def verdicts(self) -> Mapping[str, Verdict]:
        return {outcome.scenario: outcome.verdict for outcome in self.outcomes}

    def to_json(self) -> bytes:
        """Everything, indented, with the verdicts."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        found["verdicts"] = dict(self.verdicts)
        return msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n"


def _machine() -> Mapping[str, str]:
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": str(os.cpu_count()),
        **{name: version(name) for name in ("trio-backend", "trio", "websockets")},
    }
