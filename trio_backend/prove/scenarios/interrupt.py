"""`interrupt`: a barge-in at random moments; how long until silence, and until nothing works for it?"""

from __future__ import annotations

import math
import random

import attrs
import trio

from ..outcome import Check, Outcome, Series, quantile
from ..stage import Stage, steady
from ..stand_ins import QUESTION
from ..visitor import Visitor

SILENT_WITHIN, IDLE_WITHIN = 0.05, 0.1
# What still comes so long after the server has answered would be heard.
LISTEN_ON = 0.05
_SAYS = frozenset({"audio", "full-text", "backend-synth-complete", "force-new-message"})


@attrs.frozen
class BargeIn:
    """Seconds from the barge-in to the last message of the turn, and until no task worked for it."""

    silent: float
    idle: float


async def play(stage: Stage) -> Outcome:
    """As many barge-ins as the plan says, each at another moment of a turn."""
    before, moments = await stage.probe.look(), random.Random(5)
    with stage.share() as share:
        sooner, later, found = await stage.first_sounds(), [], []
        async with stage.visit() as visitor:
            for number in range(stage.plan.interrupts):
                stage.tell(f"barge-in {number + 1} of {stage.plan.interrupts}")
                moment = moments.uniform(0, 2.0 * stage.plan.stay / 2.5)
                found.append(await _barge_in(stage, visitor, moment))
                if number % (stage.plan.interrupts // stage.plan.median_of) == 0:
                    later.append(await stage.first_sound())
    silent, idle = [each.silent for each in found], [each.idle for each in found]
    checks = [
        Check("silence after (p99)", 1000 * quantile(silent, 0.99), "ms", 1000 * SILENT_WITHIN),
        Check("no work after (p99)", 1000 * quantile(idle, 0.99), "ms", 1000 * IDLE_WITHIN),
        *steady(sooner, later),
        *await stage.probe.left_over(before),
    ]
    return Outcome("interrupt", checks, [_curve("silence", silent), _curve("no work", idle)], share.share)


async def _barge_in(stage: Stage, visitor: Visitor, moment: float) -> BargeIn:
    await visitor.say("text-input", text=QUESTION)
    with trio.move_on_after(moment):
        while True:
            await visitor.hear()
    began = trio.current_time()
    await visitor.say("interrupt-signal", text="Now this is")
    # The answer to this comes after the server has taken notice of the other.
    await visitor.say("heartbeat")
    silent, idle = math.nan, math.nan

    async def watch() -> None:
        nonlocal idle
        idle = await _until_idle(stage, began)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch)
        silent = await _last_word(visitor, began)
    return BargeIn(silent, idle)


async def _last_word(visitor: Visitor, began: float) -> float:
    """When the last message of the turn came, in seconds after ``began``; 0 if none came."""
    last = 0.0
    with trio.move_on_after(1.0) as scope:
        while True:
            heard = await visitor.hear()
            if heard.type in _SAYS:
                last = trio.current_time() - began
            if heard.type == "heartbeat-ack":
                scope.deadline = trio.current_time() + LISTEN_ON
    return last


async def _until_idle(stage: Stage, began: float) -> float:
    """When no task worked for the turn any more; NaN if that cannot be seen."""
    if not stage.probe.shows_tasks:
        return math.nan
    with trio.move_on_after(5):
        while (await stage.probe.look()).turns > 0:
            pass
    return trio.current_time() - began


def _curve(name: str, seconds: list[float]) -> Series:
    ordered = sorted(each for each in seconds if not math.isnan(each))
    points = [(100 * (at + 1) / len(ordered), 1000 * each) for at, each in enumerate(ordered)]
    return Series(f"{name} after a barge-in", "% of barge-ins", "ms", points)
