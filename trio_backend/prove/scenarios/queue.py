"""`queue`: rooms, in which many ask the same character; how long does a message wait in an idle one?"""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import trio

from ...errors import NoConnection
from ..outcome import Check, Outcome, Series, quantile
from ..stage import Stage, own_choice
from ..visitor import Visitor, open_visitor

ROOM, OTHER_ROOM = "/proxy-ws?room=prove", "/proxy-ws?room=prove-quiet"
P50, P99 = 0.002, 0.01
MEMORY = 20.0  # MB
# What others allow a client to say at once is less than what our own server does here.
GENTLE = 100


async def play(stage: Stage) -> Outcome:
    """From a message to the beginning of its turn; then a flood, of which nothing may be lost silently."""
    before = await stage.probe.look()
    with stage.share() as share:
        try:
            async with open_visitor(stage.target, ROOM) as visitor:
                waits = await _ask_an_idle_room(stage, visitor)
                flood = await _flood(stage, visitor)
        except NoConnection as error:
            if stage.own or not error.lasting:
                raise
            return Outcome("queue", skipped=f"no rooms here: {error}")
    checks = [
        Check("dispatch in an idle room (p50)", 1000 * quantile(waits, 0.5), "ms", 1000 * P50),
        Check("dispatch in an idle room (p99)", 1000 * quantile(waits, 0.99), "ms", 1000 * P99),
        Check(f"of {flood.sent} messages thrown at it, without any answer", flood.unanswered, "", 0),
        Check("refused, and told so", flood.refused),
        Check("memory after the flood grows by", flood.memory, "MB", MEMORY),
        Check("dispatch in another room meanwhile (p50)", 1000 * quantile(flood.elsewhere, 0.5), "ms"),
        *await stage.probe.left_over(before),
    ]
    ordered = [(100 * (at + 1) / len(waits), 1000 * wait) for at, wait in enumerate(sorted(waits))]
    curve = Series("from a message to its turn, in an idle room", "% of messages", "ms", ordered)
    return Outcome("queue", checks, [curve], share.share)


async def _ask_an_idle_room(stage: Stage, visitor: Visitor) -> Sequence[float]:
    if stage.own:
        await visitor.become(own_choice("instant.yaml"))
    waits = []
    for number in range(stage.plan.room_messages):
        stage.tell(f"message {number + 1} of {stage.plan.room_messages}")
        waits.append(await _dispatch(visitor))
    return waits


async def _dispatch(visitor: Visitor) -> float:
    """Say something, and how long it took until its turn began; then let the turn end."""
    began = trio.current_time()
    await visitor.say("text-input", text="Hello there.")
    while not (await visitor.hear()).begins_turn:
        pass
    took = trio.current_time() - began
    await visitor.finish()
    return took


@attrs.frozen
class _Flood:
    sent: int
    refused: int
    unanswered: int
    memory: float
    elsewhere: Sequence[float]


async def _flood(stage: Stage, visitor: Visitor) -> _Flood:
    """Throw messages at the room as fast as they go, and wait until each was answered or refused."""
    count = stage.plan.room_flood if stage.own else min(stage.plan.room_flood, GENTLE)
    stage.tell(f"{count} messages at once")
    before, answers, elsewhere = await stage.probe.look(), _Answers(count), list[float]()
    async with open_visitor(stage.target, OTHER_ROOM) as quiet, trio.open_nursery() as nursery:
        if stage.own:
            await quiet.become(own_choice("instant.yaml"))
        nursery.cancel_scope.deadline = trio.current_time() + stage.plan.patience
        nursery.start_soon(_ask_elsewhere, quiet, elsewhere)
        nursery.start_soon(_throw, visitor, count)
        await answers.count(visitor)
        nursery.cancel_scope.cancel("all were answered")
    memory = ((await stage.probe.look()).memory - before.memory) / 1e6
    return _Flood(count, answers.refused, answers.missing, memory, elsewhere)


async def _throw(visitor: Visitor, count: int) -> None:
    for _ in range(count):
        await visitor.say("text-input", text="Hello there.")


async def _ask_elsewhere(quiet: Visitor, waits: list[float]) -> None:
    while True:
        waits.append(await _dispatch(quiet))


@attrs.define(eq=False)
class _Answers:
    """How each message was answered: by a turn that ended, or by a refusal."""

    expected: int
    refused: int = 0
    answered: int = 0

    @property
    def missing(self) -> int:
        return self.expected - self.refused - self.answered

    async def count(self, visitor: Visitor) -> None:
        """Until none is missing."""
        while self.missing > 0:
            heard = await visitor.hear()
            if heard.type == "backend-synth-complete":
                await visitor.say("frontend-playback-complete")
            self.refused += heard.type == "error"
            self.answered += heard.ends_turn
