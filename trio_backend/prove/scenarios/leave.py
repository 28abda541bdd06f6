"""`leave`: five ways of going; none of them may stay with the server."""

from __future__ import annotations

import trio

from ..outcome import Outcome
from ..stage import Stage, leave_quietly, steady
from ..stand_ins import QUESTION, SENTENCE


async def play(stage: Stage) -> Outcome:
    """What the next page waits for its first sound, after many have left in every way."""
    before = await stage.probe.look()
    with stage.share() as share:
        sooner, later = await stage.first_sounds(), []
        for number in range(stage.plan.leave_rounds):
            stage.tell(f"round {number + 1} of {stage.plan.leave_rounds}")
            async with trio.open_nursery() as nursery:
                nursery.cancel_scope.deadline = trio.current_time() + 2 * stage.plan.patience
                for way in (orderly, in_mid_turn, torn_away, stopped_reading, never_played):
                    nursery.start_soon(way, stage)
            later.append(await stage.first_sound())
    checks = [*steady(sooner, later), *await stage.probe.left_over(before)]
    return Outcome("leave", checks, client_share=share.share)


async def orderly(stage: Stage) -> None:
    """Listen to the end, then say goodbye."""
    async with stage.visit() as visitor:
        await visitor.ask(SENTENCE)
        await visitor.finish()


async def in_mid_turn(stage: Stage) -> None:
    """Say goodbye in the middle of a reply."""
    async with stage.visit() as visitor:
        await visitor.say("text-input", text=QUESTION)
        await leave_quietly(visitor, stage.plan.stay)


async def torn_away(stage: Stage) -> None:
    """The connection is reset in the middle of a reply."""
    async with stage.visit() as visitor:
        visitor.reset()
        await visitor.say("text-input", text=QUESTION)
        await leave_quietly(visitor, stage.plan.stay / 2)


async def stopped_reading(stage: Stage) -> None:
    """Ask, read nothing more, and be reset in the end."""
    async with stage.visit() as visitor:
        visitor.reset()
        await visitor.say("text-input", text=QUESTION)
        await trio.sleep(stage.plan.stay)


async def never_played(stage: Stage) -> None:
    """Get the whole reply, never say that it was played, and go."""
    async with stage.visit() as visitor:
        await visitor.ask(SENTENCE)
        await leave_quietly(visitor, stage.plan.stay)
