"""`queue`: rooms, in which many ask the same character; how long does a message wait in an idle one?"""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import trio

from ...client.messages import ReceivedControl, ReceivedError, ReceivedSynthComplete
from ...errors import NoConnection
from ...protocol.incoming import FrontendPlaybackComplete, TextInput
from ..client import TimedClient
from ..context import ScenarioContext, stand_in_file
from ..outcome import Check, ScenarioOutcome, Series, quantile

ROOM, OTHER_ROOM = "/proxy-ws?room=prove", "/proxy-ws?room=prove-quiet"
# Seconds from a message to the start of its turn, in a room where no turn runs.
P50, P99 = 0.002, 0.01
# MB that the server may take for good: what a room's queue refuses must not be kept.
MEMORY = 20.0
# Other servers limit what a client may send at once more strictly than our own is configured to here.
FOREIGN_FLOOD = 100


@attrs.frozen
class Flood:
    """The answers to ``sent`` messages at once.

    ``memory`` is what the server took meanwhile, in MB; ``elsewhere`` has the seconds that messages waited in
    another room.
    """

    sent: int
    refused: int
    unanswered: int
    memory: float
    elsewhere: Sequence[float]


async def run(context: ScenarioContext) -> ScenarioOutcome:
    """From a message to the start of its turn; then a flood, of which no message may be lost silently."""
    before = await context.sample()
    with context.share() as share:
        try:
            async with context.connect(path=ROOM) as client:
                waits = await _ask_in_an_idle_room(context, client)
                flood = await _flood(context, client)
        except NoConnection as error:
            if context.own or not error.lasting:
                raise
            async with context.connect():  # a server that accepts no client at all is a failure
                return ScenarioOutcome("queue", skipped=f"the server has no rooms: {error}")
    checks = [
        Check("dispatch in an idle room (p50)", 1000 * quantile(waits, 0.5), "ms", 1000 * P50),
        Check("dispatch in an idle room (p99)", 1000 * quantile(waits, 0.99), "ms", 1000 * P99),
        Check(f"messages without an answer, of {flood.sent} sent at once", flood.unanswered, "", 0),
        Check("messages refused with an error", flood.refused),
        Check("memory after the flood grows by", flood.memory, "MB", MEMORY),
        Check("dispatch in another room meanwhile (p50)", 1000 * quantile(flood.elsewhere, 0.5), "ms"),
        *await context.left_over(before),
    ]
    ordered = [(100 * (at + 1) / len(waits), 1000 * wait) for at, wait in enumerate(sorted(waits))]
    curve = Series("from a message to its turn, in an idle room", "% of messages", "ms", ordered)
    return ScenarioOutcome("queue", checks, [curve], share.share)


async def _ask_in_an_idle_room(context: ScenarioContext, client: TimedClient) -> Sequence[float]:
    if context.own:
        await client.switch_to(stand_in_file("instant.yaml"))
    waits = []
    for number in range(context.plan.room_messages):
        context.progress(f"message {number + 1} of {context.plan.room_messages}")
        waits.append(await _dispatch(client))
    return waits


async def _dispatch(client: TimedClient) -> float:
    """Send a message; seconds until its turn has begun. The turn runs to its end."""
    began = trio.current_time()
    await client.send(TextInput("Hello there."))
    while True:
        message = await client.receive()
        if isinstance(message, ReceivedControl) and message.starts_turn:
            break
    took = trio.current_time() - began
    await client.finish_turn()
    return took


async def _flood(context: ScenarioContext, client: TimedClient) -> Flood:
    """Send messages to the room as fast as it takes them, and wait until each was answered or refused."""
    count = context.plan.room_flood if context.own else min(context.plan.room_flood, FOREIGN_FLOOD)
    context.progress(f"{count} messages at once")
    before, answers, elsewhere = await context.probe.sample(), _Answers(count), list[float]()
    async with context.connect("instant.yaml", path=OTHER_ROOM) as other, trio.open_nursery() as nursery:
        nursery.cancel_scope.deadline = trio.current_time() + context.plan.sound_timeout
        nursery.start_soon(_ask_repeatedly, other, elsewhere)
        nursery.start_soon(_send_all, client, count)
        await answers.count(client)
        nursery.cancel_scope.cancel("all were answered")
    memory = ((await context.probe.sample()).memory - before.memory) / 1e6
    return Flood(count, answers.refused, answers.missing, memory, elsewhere)


async def _send_all(client: TimedClient, count: int) -> None:
    for _ in range(count):
        await client.send(TextInput("Hello there."))


async def _ask_repeatedly(client: TimedClient, waits: list[float]) -> None:
    while True:
        waits.append(await _dispatch(client))


@attrs.define(eq=False)
class _Answers:
    """How each message was answered: by a turn that ended, or by an error."""

    expected: int
    refused: int = 0
    answered: int = 0

    @property
    def missing(self) -> int:
        return self.expected - self.refused - self.answered

    async def count(self, client: TimedClient) -> None:
        """Until none is missing."""
        while self.missing > 0:
            match await client.receive():
                case ReceivedSynthComplete():
                    await client.send(FrontendPlaybackComplete())
                case ReceivedError():
                    self.refused += 1
                case ReceivedControl(ends_turn=True):
                    self.answered += 1
