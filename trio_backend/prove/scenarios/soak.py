"""`soak`: all of it, again and again; nothing may stay."""

from __future__ import annotations

import random

import trio

from ..outcome import Check, Outcome, Series
from ..probe import Sight
from ..stage import Stage, leave_quietly
from ..stand_ins import HEAVY, QUESTION, SENTENCE
from ..visitor import open_visitor
from . import leave, queue, reload, switch

MEMORY_GROWTH = 2.0  # %
# What a process takes in its first minute it takes once: caches, arenas, worker threads.
WARM_UP = 60.0
VISITORS = 5


async def play(stage: Stage) -> Outcome:
    """Five visitors at a time, in all ways of coming and going, for as long as the plan says."""
    if not stage.probe.sees_process:
        return Outcome("soak", skipped="memory can only be seen with --pid, or in /debug/tasks")
    before, began = await stage.probe.look(), trio.current_time()
    length = 60 * stage.plan.soak_minutes
    sights: list[tuple[float, Sight]] = []
    with stage.share() as share:
        while (now := trio.current_time() - began) < length:
            stage.tell(f"{now / 60:.1f} of {length / 60:.1f} minutes")
            await _cycle(stage)
            sights.append((trio.current_time() - began, await stage.probe.look()))
    settled = min(WARM_UP, length / 2)
    warm = next((sight for at, sight in sights if at >= settled), sights[-1][1])
    checks = [
        Check("memory grows by", 100 * (sights[-1][1].memory / warm.memory - 1), "%", MEMORY_GROWTH),
        Check("cycles", len(sights)),
        *await stage.probe.left_over(before),
    ]
    memory = [(at / 60, sight.memory / 1e6) for at, sight in sights]
    return Outcome("soak", checks, [Series("memory of the server", "minutes", "MB", memory)], share.share)


async def _cycle(stage: Stage) -> None:
    ways = [
        leave.orderly, leave.in_mid_turn, leave.torn_away, leave.stopped_reading, leave.never_played,
        reload.pay_a_visit, barge_in, *([try_characters, join_a_room] if stage.own else []),
    ]  # fmt: skip
    async with trio.open_nursery() as nursery:
        nursery.cancel_scope.deadline = trio.current_time() + 2 * stage.plan.patience
        for _ in range(VISITORS):
            nursery.start_soon(random.choice(ways), stage)


async def try_characters(stage: Stage) -> None:
    """Change one's mind ten times, meet the last one, choose yet another, and go while that one loads."""
    async with stage.visit() as visitor:
        await switch.change_mind(visitor, HEAVY)
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
