"""`discard`: nothing is left of turns that were begun in a pause, and that nobody wanted."""

from __future__ import annotations

import attrs
import trio

from ..context import ScenarioContext
from ..outcome import Check, ScenarioOutcome
from ..voice_client import OURS
from ..voice_scenario import VoiceScenario

# Samples of a message where many speak at once: 64 ms. Fewer would have the load generator do little else.
MANY, MANY_FRAME = 20, 1024
TRIES = 3
"""How often all of them speak, at most: a pause may be over before a turn was begun in it."""


async def run(context: ScenarioContext) -> ScenarioOutcome:
    """Speech with pauses of all lengths up to a second, none of which is the end of what is said."""
    scenario = await VoiceScenario.begin(context)
    if isinstance(scenario, str):
        return ScenarioOutcome("discard", skipped=scenario)
    wanted = context.plan.voice_discards
    before, asked, began = await context.sample(), await scenario.log(), await scenario.discarded()
    found = 0.0
    with context.share() as share:
        for _ in range(TRIES):
            context.progress(f"{found:.0f} of {wanted} provisional turns")
            await _pause_often(scenario)
            found = await scenario.discarded() - began
            if found >= wanted:
                break
    log = (await scenario.log()).more_than(asked)
    checks = [
        Check(f"fewer than {wanted} provisional turns by", max(0.0, wanted - found), "", 0),
        Check("provisional turns that were discarded", found, ""),
        Check("replies asked of the model", log.replies, ""),
        Check("sentences asked of the voice", len(log.speeches), ""),
    ]
    checks += await context.left_over(before)
    return ScenarioOutcome("discard", checks, client_share=share.share)


async def _pause_often(scenario: VoiceScenario) -> None:
    """All of the users speak at once, until they have paused as often as turns are wanted."""
    plan, (choppy,) = scenario.context.plan, scenario.corpus.of("choppy")
    rounds = -(-plan.voice_discards // (plan.voice_discarders * len(choppy.pauses)))
    form = attrs.evolve(OURS, frame=MANY_FRAME) if plan.voice_discarders >= MANY else OURS

    async def speak(number: int) -> None:
        async with scenario.client(scenario.listenings[number % len(scenario.listenings)], form) as client:
            await trio.sleep(0.1 * (number % 10))
            for _ in range(rounds):
                await client.say(choppy).over.wait()
                await client.be_quiet()

    async with trio.open_nursery() as nursery:
        for number in range(plan.voice_discarders):
            nursery.start_soon(speak, number)
