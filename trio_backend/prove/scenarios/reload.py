"""`reload`: visitors who ask, wait a little and close the page; what does the next one wait?"""

from __future__ import annotations

from statistics import median

from ..outcome import Outcome, Series
from ..stage import Stage, leave_quietly, steady
from ..stand_ins import QUESTION


async def play(stage: Stage) -> Outcome:
    """The first sound of a fresh page, after more and more visits."""
    before = await stage.probe.look()
    found: dict[int, list[float]] = {}
    done = 0
    with stage.share() as share:
        for visits in stage.plan.visits:
            while done < visits:
                stage.tell(f"visit {done + 1} of {stage.plan.visits[-1]}")
                await pay_a_visit(stage)
                done += 1
            found[visits] = list(await stage.first_sounds())
    points = [(float(visits), median(seconds)) for visits, seconds in found.items()]
    first, last = found[stage.plan.visits[0]], found[stage.plan.visits[-1]]
    return Outcome(
        "reload",
        [*steady(first, last), *await stage.probe.left_over(before)],
        [Series("first sound of a fresh page", "visits before", "seconds", points)],
        share.share,
    )


async def pay_a_visit(stage: Stage) -> None:
    """Ask for ten sentences, and close the page when the first has just been spoken."""
    async with stage.visit() as visitor:
        await visitor.say("text-input", text=QUESTION)
        await leave_quietly(visitor, stage.plan.stay)
