"""`reload` and `leave`: clients that come, ask and leave, in every way; what does the next one wait?

Both are about what a server still does for clients that have gone: the fault that this project was begun for.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

import trio

from ...protocol.incoming import TextInput
from ..context import ScenarioContext, receive_for, steady_checks
from ..outcome import Check, ScenarioOutcome, Series
from ..stand_ins import LOUD, QUESTION, SENTENCE

ClientVisit: TypeAlias = Callable[[ScenarioContext], Awaitable[None]]
"""A client that connects, does something and leaves in one of the ways."""

RECEIVE_BUFFER = 16 * 1024
"""Bytes that the kernel keeps for a client that does not read."""
MORE_VISITS = 2
"""Before each of the last measurements of `reload`."""


async def run_reload(context: ScenarioContext) -> ScenarioOutcome:
    """The first sound of a new page, after more and more visits."""
    before, last = await context.sample(), context.plan.visits[-1]
    points: list[tuple[float, float]] = []
    done = 0
    with context.share() as share:
        sooner = await context.first_sounds()
        for visits in context.plan.visits:
            while done < visits:
                context.progress(f"visit {done + 1} of {last}")
                await leave_in_the_turn(context)
                done += 1
            points.append((visits, await context.first_sound()))
        later = [points[-1][1], *[await _after_more_visits(context) for _ in sooner[1:]]]
    return ScenarioOutcome(
        "reload",
        [*steady_checks(context, sooner, later), *await context.left_over(before)],
        [Series("first sound of a new page", "visits before", "seconds", points)],
        share.share,
    )


async def run_leave(context: ScenarioContext) -> ScenarioOutcome:
    """The first sound of a new page, after many clients have left in every way."""
    before = await context.sample()
    with context.share() as share:
        sooner, later, cut = await context.first_sounds(), list[float](), 0
        for number in range(context.plan.leave_rounds):
            context.progress(f"round {number + 1} of {context.plan.leave_rounds}")
            cut += await visit_at_once(context, LEAVING)
            later.append(await context.first_sound())
    checks = [
        *steady_checks(context, sooner, later),
        *unended_checks(cut),
        *await context.left_over(before),
    ]
    return ScenarioOutcome("leave", checks, client_share=share.share)


async def _after_more_visits(context: ScenarioContext) -> float:
    # A page that waits for a sound waits for all that is queued before it: the next would find nothing.
    for _ in range(MORE_VISITS):
        await leave_in_the_turn(context)
    return await context.first_sound()


async def visit_at_once(context: ScenarioContext, visits: Sequence[ClientVisit]) -> int:
    """Run these visits at once; how many had to be cut, since the server did not let them end."""
    cut = 0

    async def run_visit(visit: ClientVisit) -> None:
        nonlocal cut
        with trio.move_on_after(2 * context.plan.sound_timeout) as timeout:
            await visit(context)
        cut += timeout.cancelled_caught

    async with trio.open_nursery() as nursery:
        for visit in visits:
            nursery.start_soon(run_visit, visit)
    return cut


def unended_checks(cut: int) -> Sequence[Check]:
    """That no visit had to be cut; nothing, if none had."""
    return [Check("visits that the server did not end", cut, "", 0)] if cut else []


async def leave_after_the_turn(context: ScenarioContext) -> None:
    """Receive the reply to its end, then close the connection."""
    async with context.connect() as client:
        await client.ask(SENTENCE)
        await client.finish_turn()


async def leave_in_the_turn(context: ScenarioContext) -> None:
    """Ask for ten sentences, and close the connection when the first has just been spoken."""
    async with context.connect() as client:
        await client.send(TextInput(QUESTION))
        await receive_for(client, context.plan.stay)


async def reset_in_the_turn(context: ScenarioContext) -> None:
    """Reset the connection in the middle of a reply."""
    async with context.connect() as client:
        await client.send(TextInput(QUESTION))
        await receive_for(client, context.plan.stay / 2)
        await client.reset()


async def stop_reading(context: ScenarioContext) -> None:
    """Ask, read nothing more, and reset the connection in the end.

    On our own server the answer is larger than what the kernel takes, so that the server has to wait.
    """
    async with context.connect(LOUD, receive_buffer=RECEIVE_BUFFER) as client:
        await client.send(TextInput(QUESTION))
        await trio.sleep(context.plan.stay)
        await client.reset()


async def leave_without_playback(context: ScenarioContext) -> None:
    """Receive the whole reply, never say that it was played, and close the connection."""
    async with context.connect() as client:
        await client.ask(SENTENCE)
        await receive_for(client, context.plan.stay)


LEAVING: Sequence[ClientVisit] = (
    leave_after_the_turn,
    leave_in_the_turn,
    reset_in_the_turn,
    stop_reading,
    leave_without_playback,
)
