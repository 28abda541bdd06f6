"""The scenarios by their names."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from ..context import ScenarioContext
from ..outcome import ScenarioOutcome
from . import crowd, discard, idle, interrupt, long, overload, queue, soak, start, switch, visits, voice

Scenario: TypeAlias = Callable[[ScenarioContext], Awaitable[ScenarioOutcome]]

SCENARIOS: Mapping[str, Scenario] = {
    "start": start.run,
    "reload": visits.run_reload,
    "leave": visits.run_leave,
    "switch": switch.run,
    "interrupt": interrupt.run,
    "crowd": crowd.run,
    "overload": overload.run,
    "queue": queue.run,
    "long": long.run,
    "idle": idle.run,
    "voice": voice.run,
    "discard": discard.run,
    "soak": soak.run,
}
