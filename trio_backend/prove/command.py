"""`prove`: from the command line to the exit code."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import attrs
import trio
from rich.console import Console

from ..errors import ConfigError
from .director import Audience, Order, direct
from .ledger import Ledger
from .load import raise_file_limit
from .outcome import all_well
from .plan import SCENARIOS, full, small
from .report import render
from .table import Board
from .visitor import Target


@attrs.frozen
class Request:
    """What was asked for on the command line. ``url`` "" stands for a server of our own."""

    scenarios: Sequence[str] = ()
    url: str = ""
    token: str = attrs.field(default="", repr=False)
    pid: int | None = None
    full: bool = False
    scale: float | None = None
    minutes: float | None = None
    json: Path | None = None
    report: Path | None = None


async def prove(request: Request) -> bool:
    """Play the scenarios, show and keep what was found; whether all bounds were met.

    Raises `ConfigError` for a scenario that does not exist, `NoConnection` for no server.
    """
    order = _order(request)
    raise_file_limit()  # the server that we start inherits it
    with Board(Console(stderr=False), order.scenarios) as board:
        outcomes = await direct(order, Audience(board.progress, board.outcome))
    ledger = Ledger.of(order.plan, outcomes, server=request.url)
    for path, text in ((request.json, ledger.to_json()), (request.report, render(ledger).encode())):
        if path is not None:
            await trio.Path(path).parent.mkdir(parents=True, exist_ok=True)
            await trio.Path(path).write_bytes(text)
    return all_well(outcomes)


def _order(request: Request) -> Order:
    unknown = [name for name in request.scenarios if name not in SCENARIOS]
    if unknown:
        raise ConfigError(f"there is no scenario {unknown[0]!r}: there are {', '.join(SCENARIOS)}")
    target = Target.of(request.url, request.token) if request.url else None
    # The engines of somebody else's server have the speed that they have.
    scale = 1.0 if request.scale is None and target is not None else request.scale
    plan = full(scale) if request.full else small(scale)
    if request.minutes is not None:
        if request.minutes <= 0:
            raise ConfigError(f"a soak of {request.minutes:g} minutes shows nothing: give more than 0")
        plan = attrs.evolve(plan, soak_minutes=request.minutes)
    return Order(request.scenarios or SCENARIOS, plan, target, request.pid)
