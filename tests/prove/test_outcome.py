"""The verdict: what is missed is said, what cannot be measured is left out."""

from __future__ import annotations

import json
import math
import re

import pytest

from trio_backend.client.address import ServerAddress
from trio_backend.prove.chart import draw
from trio_backend.prove.load import LoadJob, LoadOutput, only_known, read_job, read_output, write
from trio_backend.prove.outcome import (
    Check,
    ScenarioOutcome,
    ScenarioVerdict,
    Series,
    all_well,
    number,
    quantile,
    ratio,
)
from trio_backend.prove.plan import Plan, full, small
from trio_backend.prove.report import ProofReport, render

GOOD = Check("first sound later by", 3.0, "%", 5.0)
BAD = Check("silence after (p99)", 51.0, "ms", 50.0)
ENDLESS = Check("memory", math.inf, "MB", 20)
TOLD = Check("a turn at first", 4.2, "ms")


@pytest.mark.parametrize(
    ("outcome", "verdict", "headline"),
    [
        (ScenarioOutcome("a", [GOOD, TOLD]), "passed", "first sound later by 3 % (at most 5 %)"),
        (ScenarioOutcome("a", [GOOD, BAD]), "missed", "silence after (p99) 51 ms (at most 50 ms)"),
        (ScenarioOutcome("a", [TOLD]), "passed", "a turn at first 4.2 ms"),
        (ScenarioOutcome("a", skipped="no rooms"), "skipped", "no rooms"),
        (ScenarioOutcome("a", [BAD], problem="it hung up"), "failed", "it hung up"),
        (
            ScenarioOutcome("a", [Check("memory", math.inf, "MB", 20)]),
            "missed",
            "memory inf MB (at most 20 MB)",
        ),
        (ScenarioOutcome("a"), "passed", "nothing was measured"),
    ],
)
def test_the_verdict_and_its_number(
    outcome: ScenarioOutcome, verdict: ScenarioVerdict, headline: str
) -> None:
    """The headline is the first number that misses its bound, or the first of all."""
    assert outcome.verdict == verdict
    assert outcome.headline == headline
    assert all_well([outcome]) == (verdict in ("passed", "skipped"))


def test_a_bound_may_be_reached() -> None:
    """At most is at most."""
    assert Check("", 5.0, "", 5.0).met
    assert not Check("", 5.0001, "", 5.0).met
    assert not Check("", math.nan, "", 5.0).met


def test_a_busy_load_generator_marks_its_numbers() -> None:
    """From 85 % of a core on, the numbers may be the client's own."""
    assert ScenarioOutcome("a", client_share=0.9).client_bound
    assert not ScenarioOutcome("a", client_share=0.8).client_bound


def test_quantiles_are_values_that_were_seen() -> None:
    """Not something in between; of a hundred values, p99 leaves out one."""
    values = [float(value) for value in range(1, 101)]
    assert quantile(values, 0.99) == 99
    assert quantile(values, 0.5) == 50
    assert quantile([7.0], 0.99) == 7
    assert math.isnan(quantile([], 0.5))
    assert ratio([1.0, 2.0, 9.0], [1.0]) == 2


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.00123, "0.00123 s"), (12.345, "12.3 s"), (1234.5, "1234 s"), (math.nan, "unknown")],
)
def test_numbers_are_short(value: float, shown: str) -> None:
    """Three digits say enough."""
    assert number(value, "s") == shown


def test_what_is_unknown_is_left_out() -> None:
    """A server that shows no tasks has none too many, and none too few."""
    curve = Series("c", "x", "y", [(1.0, math.nan), (2.0, 3.0)])
    unknown = ScenarioOutcome(
        "a", [GOOD, Check("tasks", math.nan, "", 0)], [curve, Series("d", "x", "y", [])]
    )
    known = only_known(unknown)
    assert list(known.checks) == [GOOD]
    assert [list(series.points) for series in known.series] == [[(2.0, 3.0)]]


def test_jobs_and_lines_survive_the_pipe() -> None:
    """What the load generator is told, and what it answers, come out as they went in."""
    job = LoadJob(
        "reload", ServerAddress("localhost", 1, "/client-ws", token="secret"), full(), own=True, pid=7
    )
    assert write(read_job(write(job))) == write(job)
    outcome = ScenarioOutcome("a", [GOOD], [Series("c", "x", "y", [(1.0, 2.0)])], 0.5, 3.0)
    back = read_output(write(LoadOutput(outcome=outcome))).outcome
    assert back is not None
    assert back.headline == outcome.headline
    assert back.series[0].points[0] == (1.0, 2.0)
    assert read_output(write(LoadOutput("visit 3"))) == LoadOutput("visit 3")


def report() -> ProofReport:
    """One of each verdict, with a curve, and with text that means something in HTML."""
    curve = Series("first <sound>", "visits", "seconds", [(0.0, 1.6), (1.0, 5.1), (20.0, 42.3)])
    outcomes = [
        ScenarioOutcome("reload", [GOOD, TOLD], [curve], 0.9, 12.0),
        ScenarioOutcome("interrupt", [BAD]),
        ScenarioOutcome("queue", skipped="no rooms <here>"),
        ScenarioOutcome("soak", problem="it hung up"),
    ]
    return ProofReport("2026-01-31T00:00:00+00:00", "http://a&b", {"python": "3.11"}, small(), outcomes)


def test_the_report_is_json_with_verdicts() -> None:
    """All numbers and bounds, the sizes, the machine, and what became of each scenario."""
    found = json.loads(report().to_json())
    assert found["verdicts"] == {
        "reload": "passed",
        "interrupt": "missed",
        "queue": "skipped",
        "soak": "failed",
    }
    assert found["outcomes"][0]["checks"][0] == {
        "what": "first sound later by", "value": 3.0, "unit": "%", "bound": 5.0, "client_bound": False,
    }  # fmt: skip
    assert found["plan"]["scale"] == Plan().scale
    assert found["machine"] == {"python": "3.11"}
    told = ProofReport.of(small(), [], placement="server on core 1")
    assert told.machine["placement"] == "server on core 1"
    assert ", server on core 1</p>" in render(told)


def test_the_report_holds_everything_and_loads_nothing() -> None:
    """Charts inside, no script, no address that a browser would fetch, and all text escaped."""
    page = render(report())
    assert page.count("<svg") == 1
    assert "first &lt;sound&gt;" in page
    assert "no rooms &lt;here&gt;" in page
    assert "http://a&amp;b" in page
    assert "bounded by the load generator" in page
    assert not re.search(r"<script|<link|<img|@import|url\(|src=", page)


def test_a_curve_lies_within_its_frame() -> None:
    """Whatever its values: all points are drawn between the axes, later ones further right."""
    for points in ([(0.0, 0.0)], [(1.0, 0.001), (500.0, 0.0012)], [(0.0, 1.6), (100.0, 42.3)]):
        svg = draw(Series("c", "x", "y", points))
        (line,) = re.findall(r'<polyline points="([^"]*)"', svg)
        places = [tuple(map(float, place.split(","))) for place in line.split()]
        assert len(places) == len(points)
        assert places == sorted(places, key=lambda place: place[0])
        assert all(60 <= x <= 544 and 34 <= y <= 216 for x, y in places)


def test_curves_that_belong_together_share_a_chart() -> None:
    """With axes that have room for all; each other one is named at its end."""
    other = Series("the <other>", "x", "y", [(2.0, 9.0), (40.0, 3.0)])
    svg = draw(Series("one", "x", "y", [(1.0, 2.0), (2.0, 3.0)], [other, Series("none", "x", "y", [])]))
    assert svg.count("<polyline") == 3
    assert "the &lt;other&gt;" in svg
    assert ">50<" in svg
    assert ">10<" in svg
