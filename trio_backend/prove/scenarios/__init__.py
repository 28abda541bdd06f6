"""The scenarios by their names."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from ..outcome import Outcome
from ..stage import Stage
from . import crowd, idle, interrupt, leave, long, queue, reload, soak, start, switch

Scenario: TypeAlias = Callable[[Stage], Awaitable[Outcome]]

SCENARIOS: Mapping[str, Scenario] = {
    "start": start.play,
    "reload": reload.play,
    "leave": leave.play,
    "switch": switch.play,
    "interrupt": interrupt.play,
    "crowd": crowd.play,
    "queue": queue.play,
    "long": long.play,
    "idle": idle.play,
    "soak": soak.play,
}
