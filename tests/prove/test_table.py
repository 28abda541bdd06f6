"""The progress of a run: a live table on a terminal, a few lines for each scenario elsewhere."""

from __future__ import annotations

import io
import re

from rich.console import Console

from trio_backend.prove.outcome import Check, ScenarioOutcome
from trio_backend.prove.table import ProgressTable

SCENARIOS = ["reload", "crowd", "soak"]
LATER, TASKS = Check("first sound later by", 1.5, "%", 5), Check("tasks more than before", 0, "", 0)
RELOAD = ScenarioOutcome("reload", [LATER, Check("first sound before", 807, "ms"), TASKS])
ADDED = Check("added with 100 (p50)", 300.0, "ms", 250.0, client_bound=True)
CROWD = ScenarioOutcome("crowd", [ADDED], client_share=0.5)


def watched(*, terminal: bool) -> str:
    """All that is shown while two scenarios are played and a third one goes on."""
    console = Console(
        file=io.StringIO(), force_terminal=terminal, width=120, no_color=True, legacy_windows=False
    )
    with ProgressTable(console, SCENARIOS) as table:
        table.progress("reload", "visit 3 of 20")
        table.outcome(RELOAD)
        table.outcome(CROWD)
        table.progress("soak", "0.1 of 20.0 minutes")
    assert isinstance(console.file, io.StringIO)
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", console.file.getvalue())


def test_a_terminal_shows_how_far_each_scenario_is() -> None:
    """First where it stands, then its verdict and its numbers; what leaves nothing behind takes no line."""
    shown = watched(terminal=True)
    last = shown[shown.rindex("scenario") :]
    assert shown.index("visit 3 of 20") < shown.index("passed")
    assert "first sound later by 1.5 % (at most 5 %)" in last
    assert "0.1 of 20.0 minutes" in last
    assert "more than before" not in last


def test_a_number_of_the_load_itself_is_marked() -> None:
    """On both, with what the mark means."""
    assert "added with 100 (p50) 300 ms ! (at most 250 ms)" in watched(terminal=True)
    assert "! the load generator had no time left" in watched(terminal=True)
    assert "[client-bound" in watched(terminal=False)


def test_elsewhere_each_scenario_is_a_few_lines() -> None:
    """Nothing is drawn, and nothing is said of what is not over."""
    mark = " [client-bound: the load generator had no time left]"
    assert watched(terminal=False).splitlines() == [
        "reload: passed: first sound later by 1.5 % (at most 5 %)",
        "    first sound before 807 ms",
        "    the load generator used 0 % of a core",
        f"crowd: missed: added with 100 (p50) 300 ms (at most 250 ms){mark}",
        f"    the load generator used 50 % of a core{mark}",
    ]
