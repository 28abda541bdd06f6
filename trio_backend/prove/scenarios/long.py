"""`long`: one conversation of hundreds of turns; the last must cost what the first did."""

from __future__ import annotations

from collections.abc import Sequence

import trio

from ..context import ScenarioContext
from ..outcome import Check, ScenarioOutcome, Series, quantile
from ..stand_ins import THREE_SENTENCES

# A conversation whose prompt grew with each turn would make them many times as slow.
GROWTH = 1.5
# Single turns are noise, and other programs make turns slower, never faster: the quicker ones of so many
# at either end are compared.
COMPARED = 100
QUICKER = 0.25


async def run(context: ScenarioContext) -> ScenarioOutcome:
    """On our own server with engines that cost no time, so that a turn is what the server adds."""
    before = await context.probe.sample()
    turns: list[float] = []
    with context.share() as share:
        async with context.connect("instant.yaml") as client:
            for number in range(context.plan.long_turns):
                context.progress(f"turn {number + 1} of {context.plan.long_turns}")
                began = trio.current_time()
                await client.ask(THREE_SENTENCES)
                await client.finish_turn()
                turns.append(trio.current_time() - began)
    checks = [*growth_checks(turns), *await context.left_over(before)]
    points = [(number + 1.0, 1000 * seconds) for number, seconds in enumerate(turns)]
    curve = Series("each turn of one conversation", "turn", "ms", points)
    return ScenarioOutcome("long", checks, [curve], share.share)


def growth_checks(turns: Sequence[float]) -> Sequence[Check]:
    """How the last of these ``turns``, in seconds, compare with the first."""
    compared = min(COMPARED, len(turns) // 2)
    first, last = quantile(turns[:compared], QUICKER), quantile(turns[-compared:], QUICKER)
    return [
        Check("the last turns relative to the first", last / first, "×", GROWTH),
        Check("a turn at first", 1000 * first, "ms"),
        Check("a turn at last", 1000 * last, "ms"),
    ]
