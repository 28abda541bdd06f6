"""The live table of the scenarios: where each is, its number, its verdict."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from .outcome import Check, ScenarioOutcome, number

_MARK = " [client-bound: the load generator had no time left]"
_COLOUR = {"passed": "green", "missed": "red", "failed": "red", "skipped": "yellow"}


@attrs.define(eq=False)
class ProgressTable:
    """Shows how far each scenario is, and its outcome: on a terminal live, elsewhere as a few lines."""

    _console: Console
    _scenarios: Sequence[str]
    _live: Live = attrs.field(init=False)
    _progress: dict[str, str] = attrs.field(factory=dict, init=False)
    _outcomes: dict[str, ScenarioOutcome] = attrs.field(factory=dict, init=False)

    def __attrs_post_init__(self) -> None:
        # Drawn when something happens: rich's own thread would be one that nobody owns.
        self._live = Live(self._table(), console=self._console, auto_refresh=False, transient=True)

    def __enter__(self) -> ProgressTable:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._live.stop()
        if self._console.is_terminal:
            self._console.print(self._table())

    def progress(self, scenario: str, text: str) -> None:
        """Show how far ``scenario`` is."""
        self._progress[scenario] = text
        self._draw()

    def outcome(self, outcome: ScenarioOutcome) -> None:
        """Show what came of it."""
        self._outcomes[outcome.scenario] = outcome
        if not self._console.is_terminal:
            told = "\n    ".join(_lines(outcome))
            self._console.print(told, highlight=False, markup=False, soft_wrap=True)
        self._draw()

    def _draw(self) -> None:
        if self._console.is_terminal:
            self._live.update(self._table(), refresh=True)

    def _table(self) -> Table:
        table = Table("scenario", "verdict", "measurements", "load generator", expand=False)
        for scenario in self._scenarios:
            outcome = self._outcomes.get(scenario)
            if outcome is None:
                table.add_row(scenario, "", f"[dim]{escape(self._progress.get(scenario, ''))}[/]", "")
            else:
                colour = _COLOUR[outcome.verdict]
                share = f"{100 * outcome.client_share:.0f} %{' !' if outcome.client_bound else ''}"
                table.add_row(scenario, f"[{colour}]{outcome.verdict}[/]", _seen(outcome), share)
        if any(outcome.client_bound for outcome in self._outcomes.values()):
            table.caption = "! the load generator had no time left: these numbers may be its own"
        return table


def _lines(outcome: ScenarioOutcome) -> Sequence[str]:
    """The verdict with its number, and then the other numbers."""
    first = f"{outcome.scenario}: {outcome.verdict}: {outcome.headline}{_MARK * outcome.client_bound}"
    if outcome.problem or outcome.skipped:
        return [first]
    numbers = [check for check in _told(outcome) if str(check) != outcome.headline]
    others = [str(check) + _MARK * check.client_bound for check in numbers]
    load = f"the load generator used {100 * outcome.client_share:.0f} % of a core"
    return [first, *others, load + _MARK * outcome.client_bound]


def _told(outcome: ScenarioOutcome) -> Sequence[Check]:
    """All numbers but those that say that nothing was left over."""
    return [check for check in outcome.checks if not check.nothing_left]


def _seen(outcome: ScenarioOutcome) -> str:
    if outcome.problem or outcome.skipped:
        return escape(outcome.headline)
    return "\n".join(map(_row, _told(outcome)))


def _row(check: Check) -> str:
    told = f"{escape(check.what)} [bold]{number(check.value, check.unit)}[/]{' !' * check.client_bound}"
    if check.bound is None:
        return told
    colour = "green" if check.met else "red"
    return f"{told} [{colour}](at most {number(check.bound, check.unit)})[/]"
