"""`long`: conversations of hundreds of turns; the last must cost what the first did."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import attrs
import trio

from ..context import ScenarioContext
from ..outcome import Check, ScenarioOutcome, Series, quantile
from ..stand_ins import COMPANION, THREE_SENTENCES

# A conversation whose prompt grew with each turn would make them many times as slow.
GROWTH = 1.5
# Single turns are noise, and other programs make turns slower, never faster: the quicker ones of so many
# at either end are compared.
COMPARED = 100
QUICKER = 0.25
# Seconds of CPU, on the event loop, for one of the companion's last turns: its rules work there.
COMPANION_CPU = 0.003
# What people say to a companion: each meets other rules, and some tell it facts that it keeps.
TOLD = (
    "Hello, how are you today?",
    "My name is Robin, and I live in a small town by the sea.",
    "I have a cat who sleeps on my keyboard.",
    "What do you think about the weather?",
    "I am a little tired because I worked all night.",
    "Do you remember what my cat does?",
    "Tell me a story about the sea.",
    "My sister wants to learn the violin.",
    "Why do people like music?",
    "I do not know what to cook this evening.",
)


@attrs.frozen
class LongConversation:
    """Seconds of each turn, and the server's CPU seconds for one of the last: in all, and on its loop.

    On the loop it is the median of rounds in which all is said that the user says.
    """

    turns: Sequence[float]
    cpu: float
    loop_cpu: float


async def run(context: ScenarioContext) -> ScenarioOutcome:
    """On our own server with engines that cost no time, so that a turn is what the server adds.

    With engines behind HTTP, a second conversation is with the companion.
    """
    before = await context.sample()
    with context.share() as share:
        plain = await _converse(context, "instant.yaml", (THREE_SENTENCES,))
        companion = await _converse(context, COMPANION, TOLD) if context.http_engines else None
    checks = [*growth_checks(plain.turns)]
    curves = [_curve("each turn of one conversation", plain)]
    if companion is not None:
        checks += growth_checks(companion.turns, " with the companion")
        name = "CPU of the companion's last turns"
        checks.append(
            Check(f"{name} on the event loop", 1000 * companion.loop_cpu, "ms", 1000 * COMPANION_CPU)
        )
        checks.append(Check(f"{name} in all threads", 1000 * companion.cpu, "ms"))
        curves.append(_curve("each turn with the companion", companion))
    checks += await context.left_over(before)
    return ScenarioOutcome("long", checks, curves, share.share)


async def _converse(context: ScenarioContext, file: str, told: Sequence[str]) -> LongConversation:
    """One conversation with the character of ``file``; the user says ``told``, one after the other."""
    turns: list[float] = []
    many = context.plan.long_turns
    last = _compared(many)
    # So that each round has each text; of a short conversation the last turns are one.
    in_round = min(len(told), last)
    async with context.open_page(file) as client:
        cpu, loop_cpu = 0.0, list[float]()
        for number in range(many):
            context.progress(f"turn {number + 1} of {many}{' with the companion' * (file == COMPANION)}")
            if number == many - last:
                cpu = await context.probe.cpu()
            if number >= many - last and (number - many) % in_round == 0:
                loop_cpu.append(await context.probe.loop_cpu())
            began = trio.current_time()
            await client.ask(told[number % len(told)])
            await client.finish_turn()
            turns.append(trio.current_time() - began)
        cpu = await context.probe.cpu() - cpu
        loop_cpu.append(await context.probe.loop_cpu())
    rounds = [after - before for before, after in pairwise(loop_cpu)]
    return LongConversation(turns, cpu / last, quantile(rounds, 0.5) / in_round)


def _compared(turns: int) -> int:
    return min(COMPARED, turns // 2)


def growth_checks(turns: Sequence[float], whose: str = "") -> Sequence[Check]:
    """How the last of these ``turns``, in seconds, compare with the first."""
    compared = _compared(len(turns))
    first, last = quantile(turns[:compared], QUICKER), quantile(turns[-compared:], QUICKER)
    return [
        Check(f"the last turns{whose} relative to the first", last / first, "×", GROWTH),
        Check(f"a turn{whose} at first", 1000 * first, "ms"),
        Check(f"a turn{whose} at last", 1000 * last, "ms"),
    ]


def _curve(name: str, conversation: LongConversation) -> Series:
    points = [(number + 1.0, 1000 * seconds) for number, seconds in enumerate(conversation.turns)]
    return Series(name, "turn", "ms", points)
