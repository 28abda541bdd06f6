"""The scenarios by their names."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from ..context import ScenarioContext
from ..outcome import ScenarioOutcome
from . import crowd, idle, interrupt, leave, long, queue, reload, soak, start, switch

Scenario: TypeAlias = Callable[[ScenarioContext], Awaitable[ScenarioOutcome]]

SCENARIOS: Mapping[str, Scenario] = {
    "start": start.run,
    "reload": reload.run,
    "leave": leave.run,
    "switch": switch.run,
    "interrupt": interrupt.run,
    "crowd": crowd.run,
    "queue": queue.run,
    "long": long.run,
    "idle": idle.run,
    "soak": soak.run,
}
