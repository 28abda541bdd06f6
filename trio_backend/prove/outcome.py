"""What a scenario found: numbers, their bounds, and the verdict. No I/O."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from statistics import median
from typing import Literal, TypeAlias

import attrs

ScenarioVerdict: TypeAlias = Literal["passed", "missed", "skipped", "failed"]

# With this share of a core the load generator itself begins to be what is measured.
CLIENT_BOUND = 0.85
LEFT_OVER = " more than before"
"""How the name of a `Check` ends that says what a server did not clean up."""


@attrs.frozen
class Check:
    """A number and the most that it may be; without a ``bound`` it is only shown.

    ``client_bound``: it may be the load generator's own, which had no time left meanwhile.
    """

    what: str
    value: float
    unit: str = ""
    bound: float | None = None
    client_bound: bool = False

    @property
    def met(self) -> bool:
        """Whether the bound holds; NaN, which could not be measured, holds none."""
        return self.bound is None or self.value <= self.bound

    @property
    def nothing_left(self) -> bool:
        """Whether it says that nothing was left over; tables put all of these into one line."""
        return self.bound == self.value == 0 and self.what.endswith(LEFT_OVER)

    def __str__(self) -> str:
        told = f"{self.what} {number(self.value, self.unit)}"
        if self.bound is None:
            return told
        return f"{told} (at most {number(self.bound, self.unit)})"


@attrs.frozen
class Series:
    """A curve for the report: ``points`` of x and y; ``also`` are others that share its chart."""

    name: str
    x: str
    y: str
    points: Sequence[tuple[float, float]]
    also: Sequence[Series] = ()


@attrs.frozen
class ScenarioOutcome:
    """The result of a scenario.

    ``client_share`` is how much of one core the load generator used while the numbers were taken.
    ``skipped`` says why there was nothing to see, ``problem`` what went so wrong that it could not be seen.
    """

    scenario: str
    checks: Sequence[Check] = ()
    series: Sequence[Series] = ()
    client_share: float = 0.0
    seconds: float = 0.0
    skipped: str = ""
    problem: str = ""

    @property
    def verdict(self) -> ScenarioVerdict:
        if self.problem:
            return "failed"
        if self.skipped:
            return "skipped"
        return "passed" if all(check.met for check in self.checks) else "missed"

    @property
    def client_bound(self) -> bool:
        """Whether some of the numbers may be the load generator's own."""
        return self.client_share > CLIENT_BOUND or any(check.client_bound for check in self.checks)

    @property
    def headline(self) -> str:
        """One line for a table: the first number that missed its bound, otherwise the first number."""
        if self.problem or self.skipped:
            return self.problem or self.skipped
        missed = [check for check in self.checks if not check.met]
        return str(next(iter([*missed, *self.checks]), "nothing was measured"))


def all_well(outcomes: Iterable[ScenarioOutcome]) -> bool:
    """Whether no bound was missed, and nothing failed."""
    return all(outcome.verdict in ("passed", "skipped") for outcome in outcomes)


def ratio(after: Sequence[float], before: Sequence[float]) -> float:
    """The median of ``after`` relative to that of ``before``."""
    return median(after) / max(median(before), 1e-9)


def quantile(values: Iterable[float], share: float) -> float:
    """The smallest value that is at least as great as ``share`` of them; NaN of none."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else math.nan


def number(value: float, unit: str) -> str:
    """``value`` as a person reads it: three digits, and the unit."""
    if math.isnan(value):
        return "unknown"
    shown = f"{value:.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.3g}"
    return f"{shown} {unit}".rstrip()
