"""`leave`: five ways of going; none of them may stay with the server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

import trio

from ..outcome import Check, Outcome
from ..stage import Stage, leave_quietly, steady
from ..stand_ins import LOUD, QUESTION, SENTENCE

Way: TypeAlias = Callable[[Stage], Awaitable[None]]

SMALL = 16 * 1024
"""Bytes that the kernel keeps for who does not read."""


async def play(stage: Stage) -> Outcome:
    """What the next page waits for its first sound, after many have left in every way."""
    before = await stage.probe.look()
    with stage.share() as share:
        sooner, later, cut = await stage.first_sounds(), list[float](), 0
        for number in range(stage.plan.leave_rounds):
            stage.tell(f"round {number + 1} of {stage.plan.leave_rounds}")
            cut += await visit(stage, WAYS)
            later.append(await stage.first_sound())
    checks = [*steady(stage, sooner, later), *endless(cut), *await stage.probe.left_over(before)]
    return Outcome("leave", checks, client_share=share.share)


async def visit(stage: Stage, ways: Sequence[Way]) -> int:
    """Come and go in these ways at once; how many visits had to be cut since the server did not end them."""
    cut = 0

    async def come_and_go(way: Way) -> None:
        nonlocal cut
        with trio.move_on_after(2 * stage.plan.patience) as patience:
            await way(stage)
        cut += patience.cancelled_caught

    async with trio.open_nursery() as nursery:
        for way in ways:
            nursery.start_soon(come_and_go, way)
    return cut


def endless(cut: int) -> Sequence[Check]:
    """That no visit had to be cut; nothing, if none had."""
    return [Check("visits that the server did not end", cut, "", 0)] if cut else []


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
    """Ask, read nothing more, and be reset in the end.

    On a server of our own the answer is larger than what the kernel takes, so that the server has to wait.
    """
    async with stage.visit(LOUD, receive_buffer=SMALL) as visitor:
        visitor.reset()
        await visitor.say("text-input", text=QUESTION)
        await trio.sleep(stage.plan.stay)


async def never_played(stage: Stage) -> None:
    """Get the whole reply, never say that it was played, and go."""
    async with stage.visit() as visitor:
        await visitor.ask(SENTENCE)
        await leave_quietly(visitor, stage.plan.stay)


WAYS: Sequence[Way] = (orderly, in_mid_turn, torn_away, stopped_reading, never_played)
