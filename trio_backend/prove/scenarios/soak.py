"""`soak`: all of it, again and again; nothing may stay."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from itertools import cycle, islice

import trio

from ..outcome import Check, Outcome, Series
from ..probe import Sight
from ..stage import Stage, leave_quietly, own_choice
from ..stand_ins import HEAVY, QUESTION, SENTENCE
from ..visitor import open_visitor
from . import crowd, leave, queue, reload, switch

MEMORY_GROWTH = 2.0  # %
# What a process takes in its first minute it takes once: caches, arenas, worker threads.
WARM_UP = 60.0
VISITORS = 5
CROWD = 50


async def play(stage: Stage) -> Outcome:
    """Five visitors at a time, in all ways of coming and going, for as long as the plan says."""
    if not stage.probe.sees_process:
        return Outcome("soak", skipped="memory can only be seen with --pid, or in /debug/tasks")
    before, ways = await stage.probe.look(), [*WAYS, *(OWN_WAYS if stage.own else [])]
    cut = await _first_crowd(stage, ways)
    began, length = trio.current_time(), 60 * stage.plan.soak_minutes
    sights: list[tuple[float, Sight]] = []
    turn_by_turn = cycle(ways)
    with stage.share() as share:
        while (now := trio.current_time() - began) < length:
            stage.tell(f"{now / 60:.1f} of {length / 60:.1f} minutes")
            cut += await leave.visit(stage, list(islice(turn_by_turn, VISITORS)))
            sights.append((trio.current_time() - began, await stage.probe.look()))
    span = min(WARM_UP, length / 4)
    sooner, later = _least(sights, span, 2 * span), _least(sights, length - span, math.inf)
    checks = [
        Check("memory grows by", 100 * (later / sooner - 1), "%", MEMORY_GROWTH),
        Check("memory at the last look, more than at the first after a minute", _last(sights, span), "%"),
        Check("cycles", len(sights)),
        *leave.endless(cut),
        *await stage.probe.left_over(before),
    ]
    memory = [(float(number), sight.memory / 1e6) for number, (_, sight) in enumerate(sights, 1)]
    return Outcome("soak", checks, [Series("memory of the server", "cycles", "MB", memory)], share.share)


async def _first_crowd(stage: Stage, ways: Sequence[leave.Way]) -> int:
    """What a process takes at its first crowd it keeps: later ones, which are smaller, find it there."""
    stage.tell("a crowd first")
    if stage.own:
        await crowd.ask_at_once(stage, CROWD)
    return await leave.visit(stage, [way for way in ways for _ in range(VISITORS)])


def _least(sights: Sequence[tuple[float, Sight]], begin: float, end: float) -> float:
    """The least memory seen in [begin, end) seconds: what is no longer used is still there for a while."""
    within = [sight.memory for at, sight in sights if begin <= at < end]
    return min(within, default=sights[-1][1].memory)


def _last(sights: Sequence[tuple[float, Sight]], settled: float) -> float:
    """By how many percent the last look saw more memory than the first one after ``settled`` seconds."""
    first = next((sight for at, sight in sights if at >= settled), sights[-1][1])
    return 100 * (sights[-1][1].memory / first.memory - 1)


async def try_characters(stage: Stage) -> None:
    """Change one's mind ten times, meet the last one, choose yet another, and go while that one loads."""
    async with stage.visit() as visitor:
        await switch.change_mind(visitor, [own_choice(file) for file in HEAVY])
        await visitor.ask(SENTENCE)
        await visitor.say("switch-config", file=HEAVY[0])


async def join_a_room(stage: Stage) -> None:
    """Ask in a room that others may be in, and go before the answer is over."""
    async with open_visitor(stage.target, queue.ROOM) as visitor:
        await visitor.say("text-input", text=QUESTION)
        await leave_quietly(visitor, stage.plan.stay)


async def barge_in(stage: Stage) -> None:
    """Cut in, ask for something else, and go."""
    async with stage.visit() as visitor:
        await visitor.say("text-input", text="Tell me everything you know. All of it.")
        await trio.sleep(stage.plan.stay * random.random())
        await visitor.say("interrupt-signal", text="")


WAYS = (*leave.WAYS, reload.pay_a_visit, barge_in)
OWN_WAYS = (try_characters, join_a_room)
"""Those in which somebody else's server would have to be known."""
