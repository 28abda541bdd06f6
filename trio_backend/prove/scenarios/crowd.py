"""`crowd`: many ask at once; what does the server add to what its engines need?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

import attrs
import trio

from ...engines.base import Message, Prompt
from ...engines.llm import echo
from ...engines.settings import read_settings
from ..client import TimedClient
from ..context import CpuShare, ScenarioContext
from ..engines import ALONE, ModelTimes
from ..outcome import CLIENT_BOUND, Check, ScenarioOutcome, Series, quantile
from ..stand_ins import THREE_SENTENCES, stand_ins

# With engines behind HTTP. Seconds that the first sound may come later in the median than the model's first
# clause, by how many ask at once: all pass through one core, so half of them wait for the other half.
FIRST_SOUND_BOUNDS = {1: 0.003, 10: 0.012, 50: 0.06, 100: 0.15, 200: 0.4}
# The CPU of a turn is compared at this many: for one client each token is a wake-up of its own, for more the
# turns wait for each other.
CPU_CLIENTS, CPU_BOUND = 50, 0.005
# One asks after the other, 50 in a second: some three of them wait for their first sound at any moment, so
# that none has an excuse to wait longer than among ten who ask at once.
STAGGER, STAGGERED_BOUND = 0.02, FIRST_SOUND_BOUNDS[10]

# With engines inside the server: seconds that the median turn of three sentences may take longer than its
# engines. 100 turns at once share one core: 60 tokens and 3 sentences of each pass through it.
INSIDE_BOUNDS = {1: 0.003, 10: 0.02, 50: 0.1, 100: 0.25}
INSIDE_CPU_BOUND = 0.008  # seconds of CPU for a turn
# One client takes so many times as many turns, since the system counts CPU in steps of 10 ms.
FEW = 6


@attrs.frozen
class CrowdLevel:
    """Measured with so many ``clients``: seconds to each first sound and to the end of each turn's sound.

    ``cpu`` has the server's CPU seconds for a turn. ``share`` is that of the load from the questions to the
    last of their first sounds, where a slow load generator would be taken for a slow server.
    """

    clients: int
    firsts: Sequence[float]
    turns: Sequence[float]
    cpu: float
    share: CpuShare


async def run(context: ScenarioContext) -> ScenarioOutcome:
    """Measure one number of clients after the other, each with pages that are open already."""
    before = await context.sample()
    levels = []
    engines = await _engines_alone(context)
    with context.share() as share:
        for clients in context.plan.crowd:
            context.progress(f"{clients} at once")
            levels.append(await ask_at_once(context, clients))
        most = context.plan.crowd[-1]
        context.progress(f"{most}, one after the other")
        staggered = await ask_at_once(context, most, stagger=STAGGER)
    checks = _http_checks(levels, engines) if context.http_engines else _checks(levels, engines, context)
    checks.append(_staggered(staggered, engines, context))
    checks += [_load_share(level) for level in levels]
    checks += _engine_checks(engines, context)
    checks.append(Check("the loop's longest pass", 1000 * (await context.probe.sample()).longest_pass, "ms"))
    checks += await context.left_over(before)
    return ScenarioOutcome("crowd", checks, _curves(levels, engines, context), share.share)


def _http_checks(levels: Sequence[CrowdLevel], engines: ModelTimes) -> list[Check]:
    checks = []
    for level in levels:
        added = 1000 * (median(level.firsts) - engines.first_clause)
        bound = FIRST_SOUND_BOUNDS.get(level.clients)
        checks.append(_check(level, "added until first sound", added, bound))
    checks += [
        _check(level, "added to the turn", 1000 * (median(level.turns) - engines.whole)) for level in levels
    ]
    last = levels[-1]
    slowest = 1000 * (quantile(last.firsts, 0.99) - engines.first_clause)
    checks.append(_check(last, "added until first sound", slowest, measure="p99"))
    for level in levels:
        bound = 1000 * CPU_BOUND if level.clients == CPU_CLIENTS else None
        checks.append(Check(f"CPU of a turn with {level.clients}", 1000 * level.cpu, "ms", bound))
    return checks


def _checks(levels: Sequence[CrowdLevel], engines: ModelTimes, context: ScenarioContext) -> list[Check]:
    """With engines inside the server, whose turns are compared, or with a server that is not our own."""
    noun, bounds = ("added", INSIDE_BOUNDS) if context.own else ("a turn takes", {})
    checks = [
        _check(level, noun, 1000 * (median(level.turns) - engines.whole), bounds.get(level.clients))
        for level in levels
    ]
    last = levels[-1]
    checks.append(_check(last, noun, 1000 * (quantile(last.turns, 0.99) - engines.whole), measure="p99"))
    checks += [_check(level, "first sound", 1000 * median(level.firsts)) for level in levels]
    checks.append(
        Check("CPU of a turn", 1000 * last.cpu, "ms", 1000 * INSIDE_CPU_BOUND if context.own else None)
    )
    return checks


def _check(
    level: CrowdLevel, noun: str, value: float, bound: float | None = None, measure: str = "p50"
) -> Check:
    """``value`` in milliseconds, ``bound`` in seconds."""
    name, most = f"{noun} with {level.clients} ({measure})", None if bound is None else 1000 * bound
    return Check(name, value, "ms", most, level.share.client_bound)


def _staggered(level: CrowdLevel, engines: ModelTimes, context: ScenarioContext) -> Check:
    if not context.http_engines:
        return _check(level, "first sound, staggered,", 1000 * median(level.firsts))
    added = 1000 * (median(level.firsts) - engines.first_clause)
    return _check(level, "added until first sound, staggered,", added, STAGGERED_BOUND)


def _load_share(level: CrowdLevel) -> Check:
    what = f"load generator's share of the wait with {level.clients}"
    return Check(what, 100 * level.share.share, "% of a core", 100 * CLIENT_BOUND)


def _engine_checks(engines: ModelTimes, context: ScenarioContext) -> Sequence[Check]:
    if not context.own:
        return []
    whole = Check("the model alone takes (p50)", 1000 * engines.whole, "ms")
    if not context.http_engines:
        return [whole]
    return [whole, Check("the model's first clause takes (p50)", 1000 * engines.first_clause, "ms")]


async def _engines_alone(context: ScenarioContext) -> ModelTimes:
    """The times of the model without a server between; 0 for a server that is not our own."""
    context.progress("the model alone")
    if context.http_engines is not None:
        return await context.http_engines.alone()
    return ModelTimes(0.0, await _echo_alone(context) if context.own else 0.0)


async def _echo_alone(context: ScenarioContext) -> float:
    """Seconds that the quick character's model takes for `THREE_SENTENCES`.

    Every engine waits by this machine's timers, which wake it up to a millisecond late, or more.
    """
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


def _curves(levels: Sequence[CrowdLevel], engines: ModelTimes, context: ScenarioContext) -> list[Series]:
    turns = [(float(level.clients), 1000 * (median(level.turns) - engines.whole)) for level in levels]
    firsts = [
        (float(level.clients), 1000 * (median(level.firsts) - engines.first_clause)) for level in levels
    ]
    cpu = [(float(level.clients), 1000 * level.cpu) for level in levels if not math.isnan(level.cpu)]
    name = "time beyond the engines' own (p50)" if context.own else "a turn (p50)"
    first_name = (
        "first sound beyond the model's first clause (p50)" if context.http_engines else "first sound (p50)"
    )
    return [
        Series(first_name, "clients at once", "ms", firsts),
        Series(name, "clients at once", "ms", turns),
        Series("CPU of the server for a turn", "clients at once", "ms", cpu),
    ]


@attrs.define(eq=False)
class _Round:
    """One question of each client: when their first sounds came, and the share of the load until the last."""

    context: ScenarioContext
    share: CpuShare
    firsts: list[float]
    turns: list[float]
    _waiting: int = 0

    async def ask(self, clients: Sequence[TimedClient], stagger: float) -> None:
        began, cpu = trio.current_time(), self.context.load_cpu()
        self._waiting = len(clients)

        async def turn(client: TimedClient, delay: float) -> None:
            await trio.sleep(delay)
            asked = trio.current_time()
            self.firsts.append(await client.ask(THREE_SENTENCES))
            self._waiting -= 1
            if not self._waiting:
                self.share.add(trio.current_time() - began, self.context.load_cpu() - cpu)
            self.turns.append(await client.finish_turn() - asked)
            self.context.progress(f"turn {len(self.turns)} with others at once")

        async with trio.open_nursery() as nursery:
            for number, client in enumerate(clients):
                nursery.start_soon(turn, client, number * stagger)


async def ask_at_once(context: ScenarioContext, clients: int, *, stagger: float = 0.0) -> CrowdLevel:
    """Let so many clients ask the same at once, several times, and wait until all turns have ended.

    With ``stagger`` each asks so many seconds after the one before it, and once.
    """
    file = "" if context.http_engines else "quick.yaml"
    async with context.open_pages(clients, file) as connected:
        share, firsts, turns = CpuShare(), list[float](), list[float]()
        rounds = max(context.plan.crowd_turns, FEW * context.plan.crowd_turns // clients)
        before = await context.probe.cpu()
        for _ in range(1 if stagger else rounds):
            await _Round(context, share, firsts, turns).ask(connected, stagger)
        after = await context.probe.cpu()
    return CrowdLevel(clients, firsts, turns, (after - before) / len(turns), share)
