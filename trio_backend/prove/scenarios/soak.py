"""`soak`: all of it, again and again; nothing may be left over."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from itertools import cycle, islice

import trio

from ...protocol.incoming import InterruptSignal, SwitchConfig, TextInput
from ..context import ScenarioContext, receive_for, stand_in_file
from ..outcome import Check, ScenarioOutcome, Series
from ..probe import Sample
from ..stand_ins import HEAVY, QUESTION, SENTENCE
from . import crowd, queue, switch, visits

MEMORY_GROWTH = 2.0  # %
# What a process takes in its first minute it takes once: caches, arenas, worker threads.
WARM_UP = 60.0
AT_ONCE = 5
# More than come at once later, so that the first crowd takes all the memory that crowds need.
CROWD = 50


async def run(context: ScenarioContext) -> ScenarioOutcome:
    """Five visits at a time, of all kinds, for as long as the plan says."""
    if not context.probe.sees_process:
        return ScenarioOutcome("soak", skipped="memory can only be seen with --pid, or in /debug/tasks")
    before, kinds = await context.sample(), [*VISITS, *(OWN_VISITS if context.own else [])]
    cut = await _first_crowd(context, kinds)
    began, length = trio.current_time(), 60 * context.plan.soak_minutes
    samples: list[tuple[float, Sample]] = []
    one_after_the_other = cycle(kinds)
    with context.share() as share:
        while (now := trio.current_time() - began) < length:
            context.progress(f"{now / 60:.1f} of {length / 60:.1f} minutes")
            cut += await visits.visit_at_once(context, list(islice(one_after_the_other, AT_ONCE)))
            samples.append((trio.current_time() - began, await context.probe.sample()))
    checks = [
        *memory_checks(samples, length),
        Check("cycles", len(samples)),
        *visits.unended_checks(cut),
        *await context.left_over(before),
    ]
    memory = [(float(number), sample.memory / 1e6) for number, (_, sample) in enumerate(samples, 1)]
    curve = Series("memory of the server", "cycles", "MB", memory)
    return ScenarioOutcome("soak", checks, [curve], share.share)


def memory_checks(samples: Sequence[tuple[float, Sample]], length: float) -> Sequence[Check]:
    """How memory grew in a soak of ``length`` seconds, from samples with their moments."""
    span = min(WARM_UP, length / 4)
    sooner, later = _least(samples, span, 2 * span), _least(samples, length - span, math.inf)
    first = next((sample for at, sample in samples if at >= span), samples[-1][1])
    last = 100 * (samples[-1][1].memory / first.memory - 1)
    return [
        Check("memory grows by", 100 * (later / sooner - 1), "%", MEMORY_GROWTH),
        Check("memory of the last sample, more than of the first after a minute", last, "%"),
    ]


def _least(samples: Sequence[tuple[float, Sample]], begin: float, end: float) -> float:
    """The least memory seen in [begin, end) seconds: what is no longer used is still there for a while."""
    within = [sample.memory for at, sample in samples if begin <= at < end]
    return min(within, default=samples[-1][1].memory)


async def _first_crowd(context: ScenarioContext, kinds: Sequence[visits.ClientVisit]) -> int:
    """A crowd before anything is measured: a process keeps the memory of its largest one."""
    context.progress("the first crowd")
    if context.own:
        await crowd.ask_at_once(context, CROWD)
    return await visits.visit_at_once(context, [visit for visit in kinds for _ in range(AT_ONCE)])


async def try_characters(context: ScenarioContext) -> None:
    """Switch ten times, ask the last character, switch again, and leave while that one loads."""
    async with context.connect() as client:
        await switch.switch_quickly(client, [stand_in_file(file) for file in HEAVY])
        await client.ask(SENTENCE)
        await client.send(SwitchConfig(HEAVY[0]))


async def join_a_room(context: ScenarioContext) -> None:
    """Ask in a room that others may be in, and leave before the answer is over."""
    async with context.connect(path=queue.ROOM) as client:
        await client.send(TextInput(QUESTION))
        await receive_for(client, context.plan.stay)


async def interrupt_and_leave(context: ScenarioContext) -> None:
    """Ask, interrupt the answer, and leave."""
    async with context.connect() as client:
        await client.send(TextInput("Tell me everything you know. All of it."))
        await trio.sleep(context.plan.stay * random.random())
        await client.send(InterruptSignal(""))


# To leave in the middle of a turn comes twice: once as `leave` has it, once as `reload` has it.
VISITS = (*visits.LEAVING, visits.leave_in_the_turn, interrupt_and_leave)
OWN_VISITS = (try_characters, join_a_room)
"""Those for which a server must have the stand-in characters and rooms."""
