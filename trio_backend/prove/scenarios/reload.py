"""`reload`: visitors who ask, wait a little and close the page; what does the next one wait?"""

from __future__ import annotations

from ..outcome import Outcome, Series
from ..stage import Stage, leave_quietly, steady
from ..stand_ins import QUESTION

MORE_VISITS = 2


async def play(stage: Stage) -> Outcome:
    """The first sound of a fresh page, after more and more visits."""
    before, last = await stage.probe.look(), stage.plan.visits[-1]
    points: list[tuple[float, float]] = []
    done = 0
    with stage.share() as share:
        sooner = await stage.first_sounds()
        for visits in stage.plan.visits:
            while done < visits:
                stage.tell(f"visit {done + 1} of {last}")
                await pay_a_visit(stage)
                done += 1
            points.append((visits, await stage.first_sound()))
        later = [points[-1][1], *[await _after_more_visits(stage) for _ in sooner[1:]]]
    return Outcome(
        "reload",
        [*steady(stage, sooner, later), *await stage.probe.left_over(before)],
        [Series("first sound of a fresh page", "visits before", "seconds", points)],
        share.share,
    )


async def _after_more_visits(stage: Stage) -> float:
    # Who waits for a sound waits for all that is queued before it: the next to ask would find nothing.
    for _ in range(MORE_VISITS):
        await pay_a_visit(stage)
    return await stage.first_sound()


async def pay_a_visit(stage: Stage) -> None:
    """Ask for ten sentences, and close the page when the first has just been spoken."""
    async with stage.visit() as visitor:
        await visitor.say("text-input", text=QUESTION)
        await leave_quietly(visitor, stage.plan.stay)
