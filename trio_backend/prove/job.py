"""What the load generator is told, and what it answers: one JSON object a line."""

from __future__ import annotations

import math

import attrs
import msgspec

from .outcome import Outcome
from .plan import Plan
from .visitor import Target


@attrs.frozen
class Job:
    """One scenario against one server. ``own``: its characters are the stand-ins. ``pid`` as far as known."""

    scenario: str
    target: Target
    plan: Plan
    own: bool = False
    pid: int | None = None


@attrs.frozen
class Line:
    """How far it got, or in the end what came of it."""

    progress: str = ""
    outcome: Outcome | None = None


def write(message: Job | Line) -> bytes:
    """As one line of JSON."""
    return msgspec.json.encode(message) + b"\n"


def read_job(line: bytes) -> Job:
    return msgspec.json.decode(line, type=Job)


def read_line(line: bytes) -> Line:
    return msgspec.json.decode(line, type=Line)


def only_known(outcome: Outcome) -> Outcome:
    """Without the numbers that could not be seen: JSON has no word for them."""
    curves = [
        attrs.evolve(curve, points=[point for point in curve.points if all(map(math.isfinite, point))])
        for curve in outcome.series
    ]
    checks = [check for check in outcome.checks if not math.isnan(check.value)]
    return attrs.evolve(outcome, checks=checks, series=[curve for curve in curves if curve.points])
