"""`interrupt`: a barge-in at random moments; how long until silence, and until no work is left?"""

from __future__ import annotations

import math
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import attrs
import trio

from ...client.messages import (
    ReceivedAudio,
    ReceivedForceNewMessage,
    ReceivedFullText,
    ReceivedHeartbeatAck,
    ReceivedSynthComplete,
)
from ...protocol.hello import Hello
from ...protocol.incoming import Heartbeat, InterruptSignal, TextInput
from ..client import TimedClient
from ..context import ScenarioContext, steady_checks
from ..engines import RepliesWatch
from ..outcome import Check, ScenarioOutcome, Series, quantile
from ..stand_ins import ENDLESS, LONG_WINDED, QUESTION, REAL, THREE_SENTENCES

# Seconds. Silence within 50 ms is what the project promises, and with it no more words from the model; child
# processes end within twice that.
SILENT_WITHIN, CLOSED_WITHIN, IDLE_WITHIN = 0.05, 0.05, 0.1
# Speech that comes so long after the server has answered would be heard. As long as the bound itself, and no
# server that answers at once could miss it.
LISTEN_ON = 2 * SILENT_WITHIN
GIVE_UP = 5.0  # seconds
# A hundredth of what is measured; a load generator that never sleeps would take the server's CPU.
POLL_INTERVAL = 0.001
# Seconds of a reply's sound, which those who talk listen to before they ask again: four pieces of 0.3 s.
PLAYBACK = 1.2
# Seconds after which all of them have asked for the first time.
TALKING_AFTER = 2.0
_SPEECH = (ReceivedAudio, ReceivedFullText, ReceivedSynthComplete, ReceivedForceNewMessage)


@attrs.frozen
class BargeInTimes:
    """Seconds from the barge-in to the last message of the turn, and until no task worked for it.

    ``closed`` is when the model's connection was closed; NaN of a turn that had none.
    """

    silent: float
    idle: float
    closed: float


async def run(context: ScenarioContext) -> ScenarioOutcome:
    """Measure as many barge-ins as the plan says, each at another moment of a turn.

    On our own server, every second one interrupts a character with a real connection to its model and
    child processes for its TTS, which must be gone too; unless this machine has no TTS. With engines behind
    HTTP, half of all are measured while others talk; then the work of a single turn cannot be told apart.
    """
    before, moments = await context.sample(), random.Random(5)
    quiet, busy = list[BargeInTimes](), list[BargeInTimes]()
    async with AsyncExitStack() as stack:
        share = stack.enter_context(context.share())
        sooner, later = await context.first_sounds(), []
        watch = RepliesWatch()
        if context.own and context.engines is not None:
            watch = await stack.enter_async_context(context.engines.watch(ENDLESS))
        pages = await _open_pages(context, stack)
        barge_in = _BargeIn(context, watch, before.children)
        count = context.plan.interrupts
        alone = count - count // 2 if context.http_engines else count
        for number in range(alone):
            context.progress(f"barge-in {number + 1} of {count}")
            moment = moments.uniform(0, 2.0 * context.plan.stay / 2.5)
            quiet.append(await barge_in.measure(pages[number % len(pages)], moment))
            if number % max(1, alone // context.plan.median_of) == 0:
                later.append(await context.first_sound())
        if alone < count:
            async with _others_talk(context):
                for number in range(alone, count):
                    context.progress(f"barge-in {number + 1} of {count}, while others talk")
                    moment = moments.uniform(0, 2.0 * context.plan.stay / 2.5)
                    busy.append(await barge_in.measure(pages[0], moment, alone=False))
    checks = [
        *_barge_in_checks(context, quiet),
        *_busy_checks(context, busy),
        Check("barge-ins with a real connection to the model and real speech", alone // 2 * (len(pages) - 1)),
        *steady_checks(context, sooner, later),
        *await context.left_over(before),
    ]
    curves = [*_curves(quiet, ""), *(_curves(busy, " while others talk") if busy else [])]
    return ScenarioOutcome("interrupt", checks, curves, share.share)


async def _open_pages(context: ScenarioContext, stack: AsyncExitStack) -> Sequence[TimedClient]:
    """The characters that are interrupted in turns; the second one is real."""
    first = LONG_WINDED if context.http_engines else ""
    pages = [await stack.enter_async_context(context.open_page(first))]
    if context.own and await _speaks(page := await stack.enter_async_context(context.open_page(REAL))):
        pages.append(page)
    for page in pages:
        # After an interruption a page without it has no sound for half a second, and nothing to be silenced.
        await page.send(Hello([]))
    return pages


def _barge_in_checks(context: ScenarioContext, quiet: Sequence[BargeInTimes]) -> Sequence[Check]:
    work = "work" if context.probe.shows_tasks else "child process"
    silent, idle = [each.silent for each in quiet], [each.idle for each in quiet]
    return [
        Check("silence after (p99)", 1000 * quantile(silent, 0.99), "ms", 1000 * SILENT_WITHIN),
        Check(f"no {work} after (p99)", 1000 * quantile(idle, 0.99), "ms", 1000 * IDLE_WITHIN),
        *_closed_check("", quiet),
    ]


def _busy_checks(context: ScenarioContext, busy: Sequence[BargeInTimes]) -> Sequence[Check]:
    if not busy:
        return []
    others = f" while {context.plan.talkers} others talk"
    silent = [each.silent for each in busy]
    return [
        Check(f"silence after{others} (p99)", 1000 * quantile(silent, 0.99), "ms", 1000 * SILENT_WITHIN),
        *_closed_check(others, busy),
    ]


def _closed_check(others: str, found: Sequence[BargeInTimes]) -> Sequence[Check]:
    closed = [each.closed for each in found if not math.isnan(each.closed)]
    if not closed:
        return []
    what = f"the model's connection closed after{others} (p99)"
    return [Check(what, 1000 * quantile(closed, 0.99), "ms", 1000 * CLOSED_WITHIN)]


async def _speaks(client: TimedClient) -> bool:
    """Whether its character's speech has sound."""
    with trio.move_on_after(GIVE_UP) as timeout:
        await client.ask(QUESTION)
    await client.send(InterruptSignal(""))
    return not timeout.cancelled_caught


@asynccontextmanager
async def _others_talk(context: ScenarioContext) -> AsyncIterator[None]:
    """Clients who ask, listen to the reply and ask again, each beginning at another moment."""
    count = context.plan.talkers
    async with context.open_pages(count) as talkers, trio.open_nursery() as nursery:
        for number, client in enumerate(talkers):
            nursery.start_soon(_talk, client, number * PLAYBACK / count)
        await trio.sleep(TALKING_AFTER)
        yield
        nursery.cancel_scope.cancel("all barge-ins were measured")


async def _talk(client: TimedClient, delay: float) -> None:
    await trio.sleep(delay)
    while True:
        await client.ask(THREE_SENTENCES)
        await client.finish_turn(PLAYBACK)


@attrs.frozen
class _BargeIn:
    """Barge-ins, watched by the client, by the engines and in the process, which has ``children`` anyway."""

    _context: ScenarioContext
    _replies: RepliesWatch
    _children: float

    async def measure(self, client: TimedClient, moment: float, *, alone: bool = True) -> BargeInTimes:
        """Ask, interrupt ``moment`` seconds later, and wait until nothing of the turn is left.

        Without ``alone`` others talk, and ``idle`` of the answer is NaN.
        """
        asked = trio.current_time()
        await client.send(TextInput(QUESTION))
        with trio.move_on_after(moment):
            while True:
                await client.receive()
        began = trio.current_time()
        idle = math.nan

        async def watch() -> None:
            nonlocal idle
            if self._context.probe.sees_process:
                await self._wait_idle()
                idle = trio.current_time() - began

        await client.send(InterruptSignal("Now this is"))
        # Messages are handled in order: the answer to this comes after the turn was interrupted.
        await client.send(Heartbeat())
        async with trio.open_nursery() as nursery:
            if alone:
                nursery.start_soon(watch)
            silent = await _last_speech(client, began)
        return BargeInTimes(silent, idle, await self._closed(asked, began))

    async def _closed(self, asked: float, began: float) -> float:
        """Seconds after ``began`` at which the reply to the question of ``asked`` ended.

        It is looked at after the silence: a request that was under way at the barge-in arrives later.
        """
        with trio.move_on_after(GIVE_UP) as timeout:
            await self._replies.wait_none()
        if timeout.cancelled_caught:
            return trio.current_time() - began
        ended = self._replies.none_since
        return math.nan if ended < asked else max(0.0, ended - began)

    async def _wait_idle(self) -> None:
        """Until no task works for the turn, and no child process."""
        with trio.move_on_after(GIVE_UP):
            while not await self._is_idle():  # noqa: ASYNC110 - another process sets no event here
                await trio.sleep(POLL_INTERVAL)

    async def _is_idle(self) -> bool:
        sample = await self._context.probe.sample()
        return not sample.turns > 0 and sample.children <= self._children


async def _last_speech(client: TimedClient, began: float) -> float:
    """When the last message of the turn came, in seconds after ``began``; 0 if none came."""
    last = 0.0
    with trio.move_on_after(1.0) as scope:
        while True:
            message = await client.receive()
            if isinstance(message, _SPEECH):
                last = trio.current_time() - began
            if isinstance(message, ReceivedHeartbeatAck):
                scope.deadline = trio.current_time() + LISTEN_ON
    return last


def _curves(found: Sequence[BargeInTimes], others: str) -> Sequence[Series]:
    return [
        _curve(f"silence after a barge-in{others}", [each.silent for each in found]),
        _curve(f"no work after a barge-in{others}", [each.idle for each in found]),
        _curve(f"connection closed after a barge-in{others}", [each.closed for each in found]),
    ]


def _curve(name: str, seconds: Sequence[float]) -> Series:
    ordered = sorted(each for each in seconds if not math.isnan(each))
    points = [(100 * (at + 1) / len(ordered), 1000 * each) for at, each in enumerate(ordered)]
    return Series(name, "% of barge-ins", "ms", points)
