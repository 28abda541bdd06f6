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
from ..client import TimedClient
from ..context import CpuShare, ScenarioContext
from ..outcome import Check, ScenarioOutcome, Series, quantile
from ..stand_ins import THREE_SENTENCES, stand_ins

# Seconds that the median turn of three sentences may take longer than its engines, by how many ask at once.
# 100 turns at once share one core: 60 tokens and 3 sentences of each pass through it.
BOUNDS = {1: 0.003, 10: 0.02, 50: 0.1, 100: 0.25}
CPU_BOUND = 0.008  # seconds of CPU for a turn
# One client takes so many times as many turns, since the system counts CPU in steps of 10 ms.
FEW = 6
# How often the model alone is timed.
ALONE = 7


@attrs.frozen
class CrowdLevel:
    """Measured with ``clients`` at once: seconds of each turn, and the server's CPU seconds for a turn."""

    clients: int
    turns: Sequence[float]
    cpu: float
    share: CpuShare


async def run(context: ScenarioContext) -> ScenarioOutcome:
    """Measure one number of clients after the other, each with pages that are open already."""
    before = await context.probe.sample()
    levels = []
    engines = await _engines_alone(context)
    with context.share() as share:
        for clients in context.plan.crowd:
            context.progress(f"{clients} at once")
            levels.append(await ask_at_once(context, clients))
    checks = [_added(level, context, engines) for level in levels]
    checks.append(_slowest(levels[-1], context, engines))
    checks += [_cpu(level, context) for level in levels[-1:]]
    if context.own:
        checks.append(Check("the model alone takes (p50)", 1000 * engines, "ms"))
    checks.append(Check("the loop's longest pass", 1000 * (await context.probe.sample()).longest_pass, "ms"))
    checks += await context.left_over(before)
    return ScenarioOutcome("crowd", checks, _curves(levels, engines, context), share.share)


def _added(level: CrowdLevel, context: ScenarioContext, engines: float) -> Check:
    bound = BOUNDS.get(level.clients) if context.own else None
    return Check(
        f"{_noun(context)} with {level.clients} (p50)",
        1000 * (median(level.turns) - engines),
        "ms",
        None if bound is None else 1000 * bound,
        level.share.client_bound,
    )


def _slowest(level: CrowdLevel, context: ScenarioContext, engines: float) -> Check:
    milliseconds = 1000 * (quantile(level.turns, 0.99) - engines)
    what = f"{_noun(context)} with {level.clients} (p99)"
    return Check(what, milliseconds, "ms", client_bound=level.share.client_bound)


def _noun(context: ScenarioContext) -> str:
    return "added" if context.own else "a turn takes"


async def _engines_alone(context: ScenarioContext) -> float:
    """Seconds that the quick character's model takes for `THREE_SENTENCES` without a server; its TTS takes 0.

    Every engine waits by this machine's timers, which wake it up to a millisecond late, or more. 0 for
    a server that is not our own.
    """
    if not context.own:
        return 0.0
    context.progress("the model alone")
    took = []
    async with echo.open(
        read_settings(echo.EchoConfig, stand_ins(context.plan)["quick.yaml"].model)
    ) as model:
        for _ in range(ALONE):
            began = trio.current_time()
            async with model.reply(Prompt("", [Message("user", THREE_SENTENCES)])) as tokens:
                async for _ in tokens:
                    pass
            took.append(trio.current_time() - began)
    return median(took)


def _cpu(level: CrowdLevel, context: ScenarioContext) -> Check:
    return Check("CPU of a turn", 1000 * level.cpu, "ms", 1000 * CPU_BOUND if context.own else None)


def _curves(levels: Sequence[CrowdLevel], engines: float, context: ScenarioContext) -> list[Series]:
    added = [(float(level.clients), 1000 * (median(level.turns) - engines)) for level in levels]
    cpu = [(float(level.clients), 1000 * level.cpu) for level in levels if not math.isnan(level.cpu)]
    name = "time beyond the engines' own (p50)" if context.own else "a turn (p50)"
    return [
        Series(name, "clients at once", "ms", added),
        Series("CPU of the server for a turn", "clients at once", "ms", cpu),
    ]


async def ask_at_once(context: ScenarioContext, clients: int) -> CrowdLevel:
    """Let so many clients ask the same at once, several times, and wait until all turns have ended."""
    async with AsyncExitStack() as pages:
        connected = [await pages.enter_async_context(context.connect("quick.yaml")) for _ in range(clients)]
        turns: list[float] = []
        before = await context.probe.cpu()
        with context.share() as share:
            for _ in range(max(context.plan.crowd_turns, FEW * context.plan.crowd_turns // clients)):
                async with trio.open_nursery() as nursery:
                    for client in connected:
                        nursery.start_soon(_turn, context, client, turns)
        after = await context.probe.cpu()
    return CrowdLevel(clients, turns, (after - before) / len(turns), share)


async def _turn(context: ScenarioContext, client: TimedClient, turns: list[float]) -> None:
    began = trio.current_time()
    await client.ask(THREE_SENTENCES)
    turns.append(await client.finish_turn() - began)
    context.progress(f"turn {len(turns)} with others at once")
