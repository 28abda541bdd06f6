"""`queue`: rooms, in which many ask the same character."""

from __future__ import annotations

from ...errors import NoConnection
from ..outcome import Outcome
from ..stage import Stage
from ..visitor import open_visitor


async def play(stage: Stage) -> Outcome:
    try:
        async with open_visitor(stage.target, "/proxy-ws"):
            pass
    except NoConnection:
        return Outcome("queue", skipped="this server has no rooms (/proxy-ws)")
    return Outcome("queue", skipped="…")
