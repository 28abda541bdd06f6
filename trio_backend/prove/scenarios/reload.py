"""`reload`: users who ask, wait a little and close the page; what does the next one wait?"""

from __future__ import annotations

from ...protocol.incoming import TextInput
from ..context import ScenarioContext, receive_for, steady_checks
from ..outcome import ScenarioOutcome, Series
from ..stand_ins import QUESTION

MORE_VISITS = 2


async def run(context: ScenarioContext) -> ScenarioOutcome:
    """The first sound of a new page, after more and more visits."""
    before, last = await context.probe.sample(), context.plan.visits[-1]
    points: list[tuple[float, float]] = []
    done = 0
    with context.share() as share:
        sooner = await context.first_sounds()
        for visits in context.plan.visits:
            while done < visits:
                context.progress(f"visit {done + 1} of {last}")
                await ask_and_leave(context)
                done += 1
            points.append((visits, await context.first_sound()))
        later = [points[-1][1], *[await _after_more_visits(context) for _ in sooner[1:]]]
    return ScenarioOutcome(
        "reload",
        [*steady_checks(context, sooner, later), *await context.left_over(before)],
        [Series("first sound of a new page", "visits before", "seconds", points)],
        share.share,
    )


async def _after_more_visits(context: ScenarioContext) -> float:
    # A page that waits for a sound waits for all that is queued before it: the next would find nothing.
    for _ in range(MORE_VISITS):
        await ask_and_leave(context)
    return await context.first_sound()


async def ask_and_leave(context: ScenarioContext) -> None:
    """Ask for ten sentences, and close the page when the first has just been spoken."""
    async with context.connect() as client:
        await client.send(TextInput(QUESTION))
        await receive_for(client, context.plan.stay)
