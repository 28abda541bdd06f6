"""`crowd`: many ask at once; what does the server add to what its engines need?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AsyncExitStack
from statistics import median

import attrs
import trio

from ...engines.base import Message, Prompt
from ...engines.llm import echo
from ...engines.settings import read_settings
from ..outcome import Check, Outcome, Series, quantile
from ..stage import Share, Stage
from ..stand_ins import THREE, stand_ins
from ..visitor import Visitor

# Seconds that a turn of three sentences may take longer than its engines, by how many ask at once; the
# half of all turns is below.
BOUNDS = {1: 0.003, 10: 0.02, 50: 0.1, 100: 0.25}
CPU_BOUND = 0.008
# One client takes so many times as many turns, since the system counts CPU in steps of 10 ms.
FEW = 6
# The engines alone are timed so often.
ALONE = 7


@attrs.frozen
class Level:
    """What came of so many clients: seconds of each turn, the server's CPU for each, the load's own share."""

    clients: int
    turns: Sequence[float]
    cpu: float
    share: Share


async def play(stage: Stage) -> Outcome:
    """One level after the other, each with pages that are open already."""
    before = await stage.probe.look()
    levels = []
    engines = await _engines_alone(stage)
    with stage.share() as share:
        for clients in stage.plan.crowd:
            stage.tell(f"{clients} at once")
            levels.append(await ask_at_once(stage, clients))
    checks = [_added(level, stage, engines) for level in levels]
    checks.append(_slowest(levels[-1], stage, engines))
    checks += [_cpu(level, stage) for level in levels[-1:]]
    if stage.own:
        checks.append(Check("the model alone takes (p50)", 1000 * engines, "ms"))
    checks.append(Check("the loop's longest pass", 1000 * (await stage.probe.look()).longest_pass, "ms"))
    checks += await stage.probe.left_over(before)
    return Outcome("crowd", checks, _curves(levels, engines, stage), share.share)


def _added(level: Level, stage: Stage, engines: float) -> Check:
    bound = BOUNDS.get(level.clients) if stage.own else None
    return Check(
        f"{_noun(stage)} with {level.clients} (p50)",
        1000 * (median(level.turns) - engines),
        "ms",
        None if bound is None else 1000 * bound,
        level.share.client_bound,
    )


def _slowest(level: Level, stage: Stage, engines: float) -> Check:
    milliseconds = 1000 * (quantile(level.turns, 0.99) - engines)
    what = f"{_noun(stage)} with {level.clients} (p99)"
    return Check(what, milliseconds, "ms", client_bound=level.share.client_bound)


def _noun(stage: Stage) -> str:
    return "added" if stage.own else "a turn takes"


async def _engines_alone(stage: Stage) -> float:
    """Seconds that the quick character's model takes for `THREE` with no server around it; its voice takes 0.

    Every engine waits by this machine's timers, which wake it up to a millisecond late, or more. 0 for
    engines that are somebody else's.
    """
    if not stage.own:
        return 0.0
    stage.tell("the model alone")
    took = []
    async with echo.open(read_settings(echo.EchoConfig, stand_ins(stage.plan)["quick.yaml"].model)) as model:
        for _ in range(ALONE):
            began = trio.current_time()
            async with model.reply(Prompt("", [Message("user", THREE)])) as tokens:
                async for _ in tokens:
                    pass
            took.append(trio.current_time() - began)
    return median(took)


def _cpu(level: Level, stage: Stage) -> Check:
    return Check("CPU of a turn", 1000 * level.cpu, "ms", 1000 * CPU_BOUND if stage.own else None)


def _curves(levels: Sequence[Level], engines: float, stage: Stage) -> list[Series]:
    added = [(float(level.clients), 1000 * (median(level.turns) - engines)) for level in levels]
    cpu = [(float(level.clients), 1000 * level.cpu) for level in levels if not math.isnan(level.cpu)]
    name = "time beyond the engines' own (p50)" if stage.own else "a turn (p50)"
    return [
        Series(name, "clients at once", "ms", added),
        Series("CPU of the server for a turn", "clients at once", "ms", cpu),
    ]


async def ask_at_once(stage: Stage, clients: int) -> Level:
    """So many pages ask the same again and again, all at once."""
    async with AsyncExitStack() as pages:
        visitors = [await pages.enter_async_context(stage.visit("quick.yaml")) for _ in range(clients)]
        turns: list[float] = []
        before = await stage.probe.cpu()
        with stage.share() as share:
            for _ in range(max(stage.plan.crowd_turns, FEW * stage.plan.crowd_turns // clients)):
                async with trio.open_nursery() as nursery:
                    for visitor in visitors:
                        nursery.start_soon(_turn, stage, visitor, turns)
        after = await stage.probe.cpu()
    return Level(clients, turns, (after - before) / len(turns), share)


async def _turn(stage: Stage, visitor: Visitor, turns: list[float]) -> None:
    began = trio.current_time()
    await visitor.ask(THREE)
    turns.append(await visitor.finish() - began)
    stage.tell(f"turn {len(turns)} with others at once")
