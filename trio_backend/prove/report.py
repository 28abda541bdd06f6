"""The report of a run: as JSON, and as one HTML page with everything in it. No I/O."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from importlib.metadata import version
from typing import Any

import attrs
import msgspec

from .chart import draw
from .outcome import CLIENT_BOUND, LEFT_OVER, Check, ScenarioOutcome, ScenarioVerdict, number
from .plan import Plan

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2330; --paper: #fbfaf7; --line: #d8d4ca; --soft: #6b7280;
        --good: #1d7a4c; --bad: #b3261e; --curve: #2f5fb3; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8e6e1; --paper: #16181d; --line: #3a3e47; --soft: #9aa3b2;
          --good: #5fc592; --bad: #ff8a80; --curve: #8ab4ff; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
       margin: 2rem auto; max-width: 72rem; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: 0; }
h2 { font-size: 1.15rem; margin: 2rem 0 .3rem; }
p { color: var(--soft); margin: .2rem 0 1rem; }
table { border-collapse: collapse; }
td, th { text-align: left; padding: .15rem 1.2rem .15rem 0; border-bottom: 1px solid var(--line); }
th:not(:first-child), td.number { text-align: right; font-variant-numeric: tabular-nums; }
.passed { color: var(--good); } .missed, .failed { color: var(--bad); } .skipped { color: var(--soft); }
.found { display: flex; flex-wrap: wrap; gap: 1rem 2.5rem; align-items: flex-start; }
.charts { flex: 1 1 22rem; display: grid; gap: 1rem;
          grid-template-columns: repeat(auto-fit, minmax(20rem, 1fr)); }
svg { width: 100%; height: auto; max-width: 34rem; }
svg text { fill: var(--soft); font-size: 11px; }
svg .title { fill: var(--ink); font-size: 13px; font-weight: 600; }
svg line { stroke: var(--line); }
svg circle { fill: var(--curve); }
svg polyline { fill: none; stroke: var(--curve); stroke-width: 2; stroke-linejoin: round; }
"""

_CLIENT_BOUND = " <small>(bounded by the load generator, not by the server)</small>"


@attrs.frozen
class ProofReport:
    """All that one run found, and where.

    ``server`` is the address or the program that was tested, "" for this program's own server.
    """

    when: str
    server: str
    machine: Mapping[str, str]
    plan: Plan
    outcomes: Sequence[ScenarioOutcome]

    @classmethod
    def of(
        cls, plan: Plan, outcomes: Sequence[ScenarioOutcome], *, server: str = "", placement: str = ""
    ) -> ProofReport:
        """The report of this moment and machine; ``placement`` says which process ran on which core."""
        when = datetime.now(UTC).isoformat(timespec="seconds")
        machine = {**_machine(), **({"placement": placement} if placement else {})}
        return cls(when, server, machine, plan, outcomes)

    @property
    def verdicts(self) -> Mapping[str, ScenarioVerdict]:
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


def render(report: ProofReport) -> str:
    """``report`` as an HTML page that loads nothing from anywhere."""
    machine = ", ".join(
        value if name == "placement" else f"{name} {value}" for name, value in report.machine.items()
    )
    tested = escape(report.server) or "a server with simulated engines"
    return "\n".join(
        [
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>trio-backend prove, {escape(report.when)}</title><style>{_STYLE}</style></head><body>",
            "<h1>Does the server stay as fast as it was?</h1>",
            f"<p>{escape(report.when)} · {tested} · {escape(machine)}</p>",
            *(_section(outcome) for outcome in report.outcomes),
            "</body></html>",
            "",
        ]
    )


def _section(outcome: ScenarioOutcome) -> str:
    head = f'<h2>{escape(outcome.scenario)} <span class="{outcome.verdict}">{outcome.verdict}</span></h2>'
    if outcome.problem or outcome.skipped:
        return f"<section>{head}<p>{escape(outcome.headline)}</p></section>"
    rows = "".join(_row(check) for check in outcome.checks if not check.nothing_left) + _left_nothing(outcome)
    charts = "".join(draw(series) for series in outcome.series if series.points)
    return (
        f"<section>{head}<p>{outcome.seconds:.0f} s; the load generator used "
        f"{100 * outcome.client_share:.0f} % of a core{_mark(outcome)}</p>"
        f'<div class="found"><table><tr><th>measurement</th><th>value</th><th>at most</th></tr>{rows}</table>'
        f'<div class="charts">{charts}</div></div></section>'
    )


def _left_nothing(outcome: ScenarioOutcome) -> str:
    nothing = [check.what.removesuffix(LEFT_OVER) for check in outcome.checks if check.nothing_left]
    if not nothing:
        return ""
    return f'<tr><td colspan="3" class="passed">nothing left over: {escape(", ".join(nothing))}</td></tr>'


def _mark(outcome: ScenarioOutcome) -> str:
    if outcome.client_share > CLIENT_BOUND:
        return ": these numbers are bounded by the load generator, not by the server"
    return ""


def _row(check: Check) -> str:
    bound = "" if check.bound is None else number(check.bound, check.unit)
    verdict = "" if check.bound is None else ("passed" if check.met else "missed")
    return (
        f"<tr><td>{escape(check.what)}{_CLIENT_BOUND * check.client_bound}</td>"
        f'<td class="number {verdict}">{escape(number(check.value, check.unit))}</td>'
        f'<td class="number">{escape(bound)}</td></tr>'
    )
