"""`interrupt`: a barge-in at random moments; how long until silence, and until nothing works for it?"""

from __future__ import annotations

import math
import random
from contextlib import AsyncExitStack

import attrs
import trio
import trio.lowlevel

from ..model import Model, open_model
from ..outcome import Check, Outcome, Series, quantile
from ..stage import Stage, steady
from ..stand_ins import QUESTION, REAL
from ..visitor import Visitor

SILENT_WITHIN, IDLE_WITHIN = 0.05, 0.1
# What still comes so long after the server has answered would be heard.
LISTEN_ON = 0.05
GIVE_UP = 5.0
_SAYS = frozenset({"audio", "full-text", "backend-synth-complete", "force-new-message"})


@attrs.frozen
class BargeIn:
    """Seconds from the barge-in to the last message of the turn, and until no task worked for it."""

    silent: float
    idle: float


async def play(stage: Stage) -> Outcome:
    """As many barge-ins as the plan says, each at another moment of a turn.

    On a server of our own, every second one is at a character with a real connection to its model and
    child processes for a voice, which must be gone too; unless this machine has no voice.
    """
    before, moments = await stage.probe.look(), random.Random(5)
    found: list[BargeIn] = []
    async with AsyncExitStack() as stack:
        share = stack.enter_context(stage.share())
        sooner, later = await stage.first_sounds(), []
        model = await stack.enter_async_context(open_model(stage.plan.model_port if stage.own else 0))
        pages = [await stack.enter_async_context(stage.visit())]
        if stage.own and await _speaks(page := await stack.enter_async_context(stage.visit(REAL))):
            pages.append(page)
        for number in range(stage.plan.interrupts):
            stage.tell(f"barge-in {number + 1} of {stage.plan.interrupts}")
            moment = moments.uniform(0, 2.0 * stage.plan.stay / 2.5)
            found.append(
                await _Cut(stage, model, before.children).barge_in(pages[number % len(pages)], moment)
            )
            if number % max(1, stage.plan.interrupts // stage.plan.median_of) == 0:
                later.append(await stage.first_sound())
    silent, idle = [each.silent for each in found], [each.idle for each in found]
    checks = [
        Check("silence after (p99)", 1000 * quantile(silent, 0.99), "ms", 1000 * SILENT_WITHIN),
        Check(f"no {_work(stage)} after (p99)", 1000 * quantile(idle, 0.99), "ms", 1000 * IDLE_WITHIN),
        Check("of them with a real connection and voice", stage.plan.interrupts // 2 * (len(pages) - 1)),
        *steady(stage, sooner, later),
        *await stage.probe.left_over(before),
    ]
    return Outcome("interrupt", checks, [_curve("silence", silent), _curve("no work", idle)], share.share)


def _work(stage: Stage) -> str:
    """What can be seen of it."""
    return "work" if stage.probe.shows_tasks else "child process"


async def _speaks(visitor: Visitor) -> bool:
    """Whether its character says something that can be heard."""
    with trio.move_on_after(GIVE_UP) as patience:
        await visitor.ask(QUESTION)
    await visitor.say("interrupt-signal", text="")
    return not patience.cancelled_caught


@attrs.define(eq=False)
class _Cut:
    """One barge-in, watched from both ends."""

    _stage: Stage
    _model: Model
    _children: float
    """Processes that the server has anyway."""
    _silent: float = math.nan
    _idle: float = math.nan

    async def barge_in(self, visitor: Visitor, moment: float) -> BargeIn:
        """Ask, cut in ``moment`` seconds later, and wait until nothing of the turn is left."""
        await visitor.say("text-input", text=QUESTION)
        with trio.move_on_after(moment):
            while True:
                await visitor.hear()
        began = trio.current_time()
        await visitor.say("interrupt-signal", text="Now this is")
        # The answer to this comes after the server has taken notice of the other.
        await visitor.say("heartbeat")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._wait_idle, began)
            self._silent = await _last_word(visitor, began)
        return BargeIn(self._silent, self._idle)

    async def _wait_idle(self, began: float) -> None:
        """Until no task works for the turn, no child process, and no connection to its model is open."""
        if not self._stage.probe.sees_process:
            return
        with trio.move_on_after(GIVE_UP):
            while self._model.open or not await self._is_idle():
                await trio.lowlevel.checkpoint()
        self._idle = trio.current_time() - began

    async def _is_idle(self) -> bool:
        sight = await self._stage.probe.look()
        return not sight.turns > 0 and sight.children <= self._children


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


def _curve(name: str, seconds: list[float]) -> Series:
    ordered = sorted(each for each in seconds if not math.isnan(each))
    points = [(100 * (at + 1) / len(ordered), 1000 * each) for at, each in enumerate(ordered)]
    return Series(f"{name} after a barge-in", "% of barge-ins", "ms", points)
