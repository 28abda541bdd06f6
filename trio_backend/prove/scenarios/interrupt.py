"""`interrupt`: a barge-in at random moments; how long until silence, and until no work is left?"""

from __future__ import annotations

import math
import random
from contextlib import AsyncExitStack

import attrs
import trio

from ...client.messages import (
    ReceivedAudio,
    ReceivedForceNewMessage,
    ReceivedFullText,
    ReceivedHeartbeatAck,
    ReceivedSynthComplete,
)
from ...protocol.incoming import Heartbeat, InterruptSignal, TextInput
from ..client import TimedClient
from ..context import ScenarioContext, steady_checks
from ..outcome import Check, ScenarioOutcome, Series, quantile
from ..stand_ins import QUESTION, REAL, StandInModel, open_model

# Seconds. Silence within 50 ms is what the project promises; connections and processes end within twice that.
SILENT_WITHIN, IDLE_WITHIN = 0.05, 0.1
# Speech that comes so long after the server has answered would be heard. As long as the bound itself, and no
# server that answers at once could miss it.
LISTEN_ON = 2 * SILENT_WITHIN
GIVE_UP = 5.0  # seconds
# A hundredth of what is measured; a load generator that never sleeps would take the server's CPU.
POLL_INTERVAL = 0.001
_SPEECH = (ReceivedAudio, ReceivedFullText, ReceivedSynthComplete, ReceivedForceNewMessage)


@attrs.frozen
class BargeInTimes:
    """Seconds from the barge-in to the last message of the turn, and until no task worked for it."""

    silent: float
    idle: float


async def run(context: ScenarioContext) -> ScenarioOutcome:
    """Measure as many barge-ins as the plan says, each at another moment of a turn.

    On our own server, every second one interrupts a character with a real connection to its model and
    child processes for its TTS, which must be gone too; unless this machine has no TTS.
    """
    before, moments = await context.probe.sample(), random.Random(5)
    found: list[BargeInTimes] = []
    async with AsyncExitStack() as stack:
        share = stack.enter_context(context.share())
        sooner, later = await context.first_sounds(), []
        model = await stack.enter_async_context(open_model(context.plan.model_port if context.own else 0))
        pages = [await stack.enter_async_context(context.connect())]
        if context.own and await _speaks(page := await stack.enter_async_context(context.connect(REAL))):
            pages.append(page)
        barge_in = _BargeIn(context, model, before.children)
        for number in range(context.plan.interrupts):
            context.progress(f"barge-in {number + 1} of {context.plan.interrupts}")
            moment = moments.uniform(0, 2.0 * context.plan.stay / 2.5)
            found.append(await barge_in.measure(pages[number % len(pages)], moment))
            if number % max(1, context.plan.interrupts // context.plan.median_of) == 0:
                later.append(await context.first_sound())
    silent, idle = [each.silent for each in found], [each.idle for each in found]
    work = "work" if context.probe.shows_tasks else "child process"
    checks = [
        Check("silence after (p99)", 1000 * quantile(silent, 0.99), "ms", 1000 * SILENT_WITHIN),
        Check(f"no {work} after (p99)", 1000 * quantile(idle, 0.99), "ms", 1000 * IDLE_WITHIN),
        Check(
            "barge-ins with a real connection to the model and real speech",
            context.plan.interrupts // 2 * (len(pages) - 1),
        ),
        *steady_checks(context, sooner, later),
        *await context.left_over(before),
    ]
    curves = [_curve("silence", silent), _curve("no work", idle)]
    return ScenarioOutcome("interrupt", checks, curves, share.share)


async def _speaks(client: TimedClient) -> bool:
    """Whether its character's speech has sound."""
    with trio.move_on_after(GIVE_UP) as timeout:
        await client.ask(QUESTION)
    await client.send(InterruptSignal(""))
    return not timeout.cancelled_caught


@attrs.frozen
class _BargeIn:
    """Barge-ins, watched by the client, by the model and in the process, which has ``children`` anyway."""

    _context: ScenarioContext
    _model: StandInModel
    _children: float

    async def measure(self, client: TimedClient, moment: float) -> BargeInTimes:
        """Ask, interrupt ``moment`` seconds later, and wait until nothing of the turn is left."""
        await client.send(TextInput(QUESTION))
        with trio.move_on_after(moment):
            while True:
                await client.receive()
        began = trio.current_time()
        idle = math.nan

        async def watch() -> None:
            nonlocal idle
            if self._context.probe.sees_process:
                await self._wait_idle()
                idle = trio.current_time() - began

        await client.send(InterruptSignal("Now this is"))
        # Messages are handled in order: the answer to this comes after the turn was interrupted.
        await client.send(Heartbeat())
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch)
            silent = await _last_speech(client, began)
        return BargeInTimes(silent, idle)

    async def _wait_idle(self) -> None:
        """Until no task works for the turn, no child process, and no connection to its model is open."""
        with trio.move_on_after(GIVE_UP):
            while True:
                if not self._model.open and await self._is_idle():
                    break
                await trio.sleep(POLL_INTERVAL)

    async def _is_idle(self) -> bool:
        sample = await self._context.probe.sample()
        return not sample.turns > 0 and sample.children <= self._children


async def _last_speech(client: TimedClient, began: float) -> float:
    """When the last message of the turn came, in seconds after ``began``; 0 if none came."""
    last = 0.0
    with trio.move_on_after(1.0) as scope:
        while True:
            message = await client.receive()
            if isinstance(message, _SPEECH):
                last = trio.current_time() - began
            if isinstance(message, ReceivedHeartbeatAck):
                scope.deadline = trio.current_time() + LISTEN_ON
    return last


def _curve(name: str, seconds: list[float]) -> Series:
    ordered = sorted(each for each in seconds if not math.isnan(each))
    points = [(100 * (at + 1) / len(ordered), 1000 * each) for at, each in enumerate(ordered)]
    return Series(f"{name} after a barge-in", "% of barge-ins", "ms", points)
