"""`trio-backend prove` several times, in turns with another version: medians, spreads and ratios.

``python benchmarks/compare.py [--runs N] [--against PROGRAM] [--verdicts] [--write FILE] [SCENARIO …]``

``--against "PYTHONPATH=../old python -m trio_backend"`` measures that program too, with the same load
generator and the same engines, run by run in turns, so that what else the machine does meets both. A ratio
below 1 says that this version is quicker.

``--verdicts`` then runs ``prove idle interrupt crowd long`` as a user does: of this version on itself and on
the other one, and the other version's own one. ``--write benchmarks/http-engines`` keeps everything in
``http-engines.md`` and ``http-engines.json``, with the machine's processor, but without its name.

The table of benchmarks/http-engines.md, in a quarter of an hour on two idle cores (without ``--verdicts`` in
six minutes; that with ``--runs 1`` in two):

    nox -s bench -- compare crowd --runs 3 --verdicts --write benchmarks/http-engines \\
        --against "PYTHONPATH=/path/to/old/checkout python -m trio_backend"
"""

from __future__ import annotations

import argparse
import math
import os
import platform
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from subprocess import DEVNULL
from typing import TypeAlias

import attrs
import msgspec
import trio

from trio_backend.prove.load import raise_file_limit
from trio_backend.prove.outcome import LEFT_OVER, ScenarioOutcome
from trio_backend.prove.own_server import ServerProgram
from trio_backend.prove.plan import WITH_HTTP_ENGINES, full, small
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
        return f"{_number(self.median)} [{_number(self.least)}–{_number(self.most)}]"


def _number(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


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


@attrs.frozen
class Verdict:
    """What one ``prove`` said: its exit status, and each number that missed its bound."""

    what: str
    status: int
    missed: Sequence[str]


class _Check(msgspec.Struct):
    what: str
    value: float | None = None
    unit: str = ""
    bound: float | None = None

    @property
    def missed(self) -> bool:
        return self.bound is not None and not (self.value is not None and self.value <= self.bound)

    def __str__(self) -> str:
        value = math.nan if self.value is None else self.value
        return f"{self.what} {_number(value)} {self.unit} (at most {self.bound or 0:g})"


class _Outcome(msgspec.Struct):
    scenario: str
    checks: Sequence[_Check] = ()
    problem: str = ""


class _Report(msgspec.Struct):
    """What is read of the JSON that every version's ``prove`` writes."""

    outcomes: Sequence[_Outcome]


async def verdict(what: str, program: ServerProgram, *arguments: str) -> Verdict:
    """Run ``prove`` of ``program``, in a process of its own."""
    print(f"{what} …", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder) / "found.json"
        done = await trio.run_process(
            [*program.command, "prove", *WITH_HTTP_ENGINES, "--json", str(found), *arguments],
            # Elsewhere, or `python -m` would take the package that lies here.
            cwd=folder, stdout=DEVNULL, check=False, env={**os.environ, **program.environment},
        )  # fmt: skip
        missed: list[str] = []
        with suppress(FileNotFoundError):  # it has failed, and said why
            report = msgspec.json.decode(await trio.Path(found).read_bytes(), type=_Report)
            for outcome in report.outcomes:
                missed += [f"{outcome.scenario}: {one}" for one in outcome.checks if one.missed]
                missed += [f"{outcome.scenario}: {outcome.problem}"] if outcome.problem else []
    return Verdict(what, done.returncode, missed)


async def verdicts(against: str) -> Sequence[Verdict]:
    """Of the other version's own ``prove``, and of this one on both."""
    found = []
    if against:
        found += [
            await verdict("the other version's own `prove`, on itself", ServerProgram.parse(against)),
            await verdict("this `prove`, on the other version", ServerProgram(), "--program", against),
        ]
    return [*found, await verdict("this `prove`, on this version", ServerProgram())]


async def compare(arguments: argparse.Namespace) -> None:
    """Measure, and print a table."""
    raise_file_limit()
    began = time.monotonic()
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
    result = Comparison(
        f"{datetime.now(UTC):%Y-%m-%d}",
        machine(),
        str(ours.cores),
        arguments.runs,
        rows_of(last, found),
        await verdicts(arguments.against) if arguments.verdicts else (),
    )
    text = result.markdown()
    print(text)
    if arguments.write:
        kept = trio.Path(arguments.write)
        await kept.with_suffix(".md").write_text(text)
        await kept.with_suffix(".json").write_bytes(result.to_json())
    print(f"took {time.monotonic() - began:.0f} s", file=sys.stderr)


@attrs.frozen
class Comparison:
    """All that was found, and where; nothing in it names this machine or its folders."""

    when: str
    machine: Mapping[str, str]
    placement: str
    runs: int
    rows: Sequence[Row]
    verdicts: Sequence[Verdict]

    @property
    def compared(self) -> bool:
        return any(row.theirs for row in self.rows)

    def markdown(self) -> str:
        """The table of what many clients wait, then all figures, then what ``prove`` said."""
        where = ", ".join(f"{name} {value}" for name, value in self.machine.items())
        parts = [
            "# This version and the one before, with engines behind HTTP",
            f"{self.when}; {where}; {self.placement}. {self.runs} × each, in turns: median "
            "[least–most]. Written by `benchmarks/compare.py`, which says how.",
            *([summary(self.rows)] if any(FIRST_SOUND in row.what for row in self.rows) else []),
            "## All figures",
            table(self.rows, compared=self.compared),
        ]
        if self.verdicts:
            parts.append("## What `prove` says")
        for one in self.verdicts:
            missed = "".join(f"\n  - {line}" for line in one.missed)
            parts.append(f"- {one.what}: exit status {one.status}, {len(one.missed)} bounds missed{missed}")
        return "\n\n".join(parts) + "\n"

    def to_json(self) -> bytes:
        figures = [
            {**msgspec.to_builtins(row), "ratio": None if math.isnan(row.ratio) else row.ratio}
            for row in self.rows
        ]
        kept = {**msgspec.to_builtins(self), "rows": figures}
        return msgspec.json.format(msgspec.json.encode(kept), indent=1) + b"\n"


def machine() -> Mapping[str, str]:
    """What decides how fast it is; not its name."""
    processor = platform.processor() or platform.machine()
    with suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        processor = next(line for line in lines if line.startswith("model name")).partition(": ")[2]
    return {
        "processor": processor,
        "cores": str(os.cpu_count()),
        "Python": platform.python_version(),
        "kernel": f"{platform.system()} {platform.release()}",
    }


FIRST_SOUND, CPU = "added until first sound with ", "CPU of a turn with "


def summary(rows: Sequence[Row]) -> str:
    """First sound and CPU by the number of clients, in milliseconds: both versions, ratio and bound."""
    shown = {
        f"{name}{row.what.removeprefix(start).partition(' ')[0]}": row
        for start, name in ((FIRST_SOUND, "first sound, "), (CPU, "CPU of a turn, "))
        for row in rows
        if row.what.startswith(start) and not row.what.endswith("(p99)")
    }
    lines = [["ms, by clients at once", "at most", "this version", "the other", "ratio"], ["---"] * 5]
    for name, row in shown.items():
        bound = "" if row.bound is None else f"{row.bound:g}"
        ratio = "" if math.isnan(row.ratio) else f"{row.ratio:.2f}"
        lines.append([name, bound, str(row.ours), str(row.theirs or ""), ratio])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


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
    parser.add_argument("--verdicts", action="store_true", help="run prove as a user does, on both")
    parser.add_argument("--write", help="file to write all to, without its .md and .json")
    parser.add_argument("--full", action="store_true", help="the sizes of prove --full")
    trio.run(compare, parser.parse_args())


if __name__ == "__main__":
    main()
