"""`trio-backend prove` several times, in turns with another version: medians, spreads and ratios.

``python benchmarks/compare.py [--runs N] [--against PROGRAM] [--json FILE] [SCENARIO …]``

``--against "PYTHONPATH=../old python -m trio_backend"`` measures that program too, with the same load
generator and the same engines, run by run in turns, so that what else the machine does meets both. A ratio
below 1 says that this version is quicker.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import TypeAlias

import attrs
import msgspec
import trio

from trio_backend.prove.load import raise_file_limit
from trio_backend.prove.outcome import LEFT_OVER, ScenarioOutcome
from trio_backend.prove.own_server import ServerProgram
from trio_backend.prove.plan import WITH_HTTP_ENGINES, full, small
from trio_backend.prove.report import ProofReport
from trio_backend.prove.runner import ProgressListener, ProofRun, run_scenarios

Figures: TypeAlias = dict[tuple[str, str], list[float]]
"""What each run measured, by the scenario and the name of the figure."""


@attrs.frozen
class Spread:
    """The median of several runs, and the least and the most of them."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        return cls(median(values), min(values), max(values))

    def __str__(self) -> str:
        return f"{self.median:.3g} [{self.least:.3g}–{self.most:.3g}]"


@attrs.frozen
class Row:
    """One figure of this version and, where it was measured, of the other one."""

    scenario: str
    what: str
    unit: str
    bound: float | None
    ours: Spread
    theirs: Spread | None

    @property
    def ratio(self) -> float:
        """Ours to theirs; NaN where there is none."""
        return self.ours.median / self.theirs.median if self.theirs and self.theirs.median else math.nan


async def measure(run: ProofRun, name: str, figures: Figures) -> Sequence[ScenarioOutcome]:
    """All scenarios of ``run`` once; their figures are added to ``figures``."""
    listener = ProgressListener(lambda _scenario, _progress: None, lambda outcome: tell(name, outcome))
    outcomes = await run_scenarios(run, listener)
    for outcome in outcomes:
        for check in outcome.checks:
            figures.setdefault((outcome.scenario, check.what), []).append(check.value)
    return outcomes


def tell(name: str, outcome: ScenarioOutcome) -> None:
    """Say on standard error how far it is."""
    print(f"{name}: {outcome.scenario}: {outcome.verdict}: {outcome.headline}", file=sys.stderr, flush=True)


async def compare(arguments: argparse.Namespace) -> None:
    """Measure, and print a table."""
    raise_file_limit()
    plan = full() if arguments.full else small()
    ours = ProofRun(arguments.scenarios or WITH_HTTP_ENGINES, plan)
    programs = {"this": ours}
    if arguments.against:
        programs["other"] = attrs.evolve(ours, program=ServerProgram.parse(arguments.against))
    found: dict[str, Figures] = {name: {} for name in programs}
    last: Sequence[ScenarioOutcome] = []
    for number in range(arguments.runs):
        for name, run in programs.items():
            outcomes = await measure(run, f"{name}, run {number + 1}", found[name])
            last = outcomes if name == "this" else last
    rows = rows_of(last, found)
    print(f"{ours.cores}; {arguments.runs} runs, median [least–most]\n")
    print(table(rows, compared=bool(arguments.against)))
    if arguments.json:
        machine = ProofReport.of(plan, [], placement=str(ours.cores)).machine
        kept = {
            "machine": machine,
            "runs": arguments.runs,
            "figures": [
                {**msgspec.to_builtins(row), "ratio": None if math.isnan(row.ratio) else row.ratio}
                for row in rows
            ],
        }
        text = msgspec.json.format(msgspec.json.encode(kept), indent=1) + b"\n"
        await trio.Path(arguments.json).write_bytes(text)


def rows_of(outcomes: Sequence[ScenarioOutcome], found: Mapping[str, Figures]) -> Sequence[Row]:
    """A row for each figure of ``outcomes`` that says more than that nothing was left over."""
    rows = []
    for outcome in outcomes:
        for check in outcome.checks:
            if check.what.endswith(LEFT_OVER) and not check.value:
                continue
            key = (outcome.scenario, check.what)
            theirs = found.get("other", {}).get(key)
            rows.append(
                Row(
                    *key,
                    check.unit,
                    check.bound,
                    Spread.of(found["this"][key]),
                    Spread.of(theirs) if theirs else None,
                )
            )
    return rows


def table(rows: Sequence[Row], *, compared: bool) -> str:
    """``rows`` as Markdown."""
    head = ["scenario", "figure", "at most", "this version", *(["the other", "ratio"] if compared else [])]
    lines = [head, ["---"] * len(head)]
    for row in rows:
        bound = "" if row.bound is None else f"{row.bound:g}"
        line = [row.scenario, f"{row.what}, {row.unit}".rstrip(", "), bound, str(row.ours)]
        if compared:
            line += [str(row.theirs or ""), "" if math.isnan(row.ratio) else f"{row.ratio:.2f}"]
        lines.append(line)
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("scenarios", nargs="*", help="idle, interrupt, crowd and long by default")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--against", default="", help="another program to measure in turns")
    parser.add_argument("--json", type=Path, help="file to write all figures to")
    parser.add_argument("--full", action="store_true", help="the sizes of prove --full")
    trio.run(compare, parser.parse_args())


if __name__ == "__main__":
    main()
