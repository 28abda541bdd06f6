"""`long`: one conversation of hundreds of turns; the last must cost what the first did."""

from __future__ import annotations

import trio

from ..outcome import Check, Outcome, Series, quantile
from ..stage import Stage
from ..stand_ins import THREE

GROWTH = 1.5
# Single turns are noise, and other programs make turns slower, never faster: the quicker ones of so many
# at either end are compared.
COMPARED = 100
QUICKER = 0.25


async def play(stage: Stage) -> Outcome:
    """On a server of our own with engines that cost no time, so that a turn is what the server adds."""
    before = await stage.probe.look()
    turns: list[float] = []
    with stage.share() as share:
        async with stage.visit("instant.yaml") as visitor:
            for number in range(stage.plan.long_turns):
                stage.tell(f"turn {number + 1} of {stage.plan.long_turns}")
                began = trio.current_time()
                await visitor.ask(THREE)
                await visitor.finish()
                turns.append(trio.current_time() - began)
    compared = min(COMPARED, len(turns) // 2)
    first, last = quantile(turns[:compared], QUICKER), quantile(turns[-compared:], QUICKER)
    checks = [
        Check("the last turns take, of the first", last / first, "×", GROWTH),
        Check("a turn at first", 1000 * first, "ms"),
        Check("a turn at last", 1000 * last, "ms"),
        *await stage.probe.left_over(before),
    ]
    points = [(number + 1.0, 1000 * seconds) for number, seconds in enumerate(turns)]
    return Outcome(
        "long", checks, [Series("each turn of one conversation", "turn", "ms", points)], share.share
    )
