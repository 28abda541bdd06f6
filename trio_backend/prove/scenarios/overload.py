"""`overload`: many more talk than one core carries; what becomes of those who talked before, and of the
others?"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import attrs
import trio

from ..client import Asked, TimedClient
from ..context import CpuShare, ScenarioContext
from ..outcome import Check, ScenarioOutcome, Series, quantile
from ..stand_ins import THREE_SENTENCES

# Seconds of a reply's sound, which those who talk listen to before they ask again.
PLAYBACK = 1.2
# Seconds. That long may a server let a turn wait for its own load by default (`max_wait`); and a quarter of
# that is what a first sound may come later in the median, for those who were in conversation before the
# others came.
MAX_WAIT = 1.0
LATER_BY = MAX_WAIT / 4
# Seconds within which everybody is answered or refused: that wait, and as much again for the model, and for
# the first sound of a turn that was admitted last.
TOLD_WITHIN = 2 * MAX_WAIT
# Seconds from the first refusal to a `/readyz` that says so, and from the end of the load to one that is
# well again.
UNREADY_WITHIN, READY_WITHIN = 6.0, 10.0
# Seconds after the last question that counts; who has heard nothing by then has no answer.
GIVE_UP = 10.0
POLL_INTERVAL = 0.1


@attrs.define(eq=False)
class QuestionLog:
    """What became of the questions of some clients."""

    asked: list[Asked] = attrs.field(factory=list)
    begun: int = 0

    @property
    def unanswered(self) -> int:
        """How many have had no answer yet."""
        return self.begun - len(self.asked)

    @property
    def answered(self) -> list[float]:
        """Seconds to each first sound."""
        return [each.seconds for each in self.asked if each.sounds]

    @property
    def refused(self) -> list[Asked]:
        """Those that were told to come back."""
        return [each for each in self.asked if not each.sounds]


@attrs.define(eq=False)
class _Readiness:
    """What `/readyz` said meanwhile, in seconds on Trio's clock."""

    context: ScenarioContext
    unready: float = math.nan

    async def watch(self) -> None:
        """Look until cancelled."""
        while math.isnan(self.unready):
            if not await self.context.probe.ready():
                self.unready = trio.current_time()
            await trio.sleep(POLL_INTERVAL)

    async def wait_ready(self) -> None:
        """Until it is well again, or for twice `READY_WITHIN`."""
        with trio.move_on_after(2 * READY_WITHIN):
            while not await self.context.probe.ready():  # noqa: ASYNC110 - a server tells only who asks
                await trio.sleep(POLL_INTERVAL)


@attrs.frozen
class _Seen:
    """``before`` and ``during`` the overload those who talked before; ``others`` are the rest.

    ``unready_after`` is how long after the first refusal `/readyz` said so, ``ready_after`` how long after
    the end of the load it was well again, in seconds.
    """

    before: QuestionLog
    during: QuestionLog
    others: QuestionLog
    unready_after: float
    ready_after: float


async def run(context: ScenarioContext) -> ScenarioOutcome:
    """Let some talk, then many more, who ask all at once and go on; who is refused comes back when told."""
    sample, readiness, share = await context.sample(), _Readiness(context), CpuShare()
    before, during, others = QuestionLog(), QuestionLog(), QuestionLog()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(readiness.watch)
        file, plan = "" if context.http_engines else "quick.yaml", context.plan
        async with (
            context.open_pages(plan.talkers, file) as talkers,
            context.open_pages(plan.overload, file) as more,
        ):
            await _load(context, (talkers, more), (before, during, others), share)
            ended = trio.current_time()
            context.progress("nobody talks any more")
            await readiness.wait_ready()
            ready_after = trio.current_time() - ended
        nursery.cancel_scope.cancel("measured")
    unready_after = 0.0
    if refusals := [each.at for each in (*during.refused, *others.refused)]:
        at = ended if math.isnan(readiness.unready) else readiness.unready
        unready_after = max(0.0, at - min(refusals))
    seen = _Seen(before, during, others, unready_after, ready_after)
    checks = [*_checks(context, seen, share), *await context.left_over(sample)]
    return ScenarioOutcome("overload", checks, _curves(seen), share.share)


async def _load(
    context: ScenarioContext,
    pages: tuple[Sequence[TimedClient], Sequence[TimedClient]],
    logs: tuple[QuestionLog, QuestionLog, QuestionLog],
    share: CpuShare,
) -> None:
    """The whole load, on ``pages`` of those who talk first and of the others.

    Each question goes to the log of `_Seen` that it belongs to.
    """
    plan = context.plan
    talkers, others = pages
    context.progress(f"{plan.talkers} talk")
    async with _talk(talkers, PLAYBACK) as talk:
        await trio.sleep(plan.overload_seconds / 2)
        talk.log = logs[0]
        await trio.sleep(plan.overload_seconds)
        context.progress(f"{plan.talkers} talk, and {plan.overload} more")
        began, cpu = trio.current_time(), context.load_cpu()
        talk.log = logs[1]
        async with _talk(others, 0.0) as more:
            more.log = logs[2]
            await trio.sleep(plan.overload_seconds)
            share.add(trio.current_time() - began, context.load_cpu() - cpu)
            # They go on, but what is asked from now on may find no time for an answer.
            talk.log = more.log = QuestionLog()
            with trio.move_on_after(GIVE_UP):
                while logs[1].unanswered or logs[2].unanswered:  # noqa: ASYNC110 - many tasks answer
                    await trio.sleep(POLL_INTERVAL)
    # A closing handshake would have to read first what the server still says, one client after the other.
    for client in (*talkers, *others):
        await client.reset()


def _checks(context: ScenarioContext, seen: _Seen, share: CpuShare) -> list[Check]:
    bound_by_client = share.client_bound
    before, during, others = seen.before, seen.during, seen.others
    all_asked = [*during.asked, *others.asked]
    checks = []
    for name, part, most in (("p50", 0.5, LATER_BY), ("p99", 0.99, MAX_WAIT)):
        later = max(0.0, quantile(during.answered, part) - quantile(before.answered, part))
        what = f"first sound of those who talked before later by ({name})"
        checks.append(Check(what, 1000 * later, "ms", 1000 * most, bound_by_client))
    told = 1000 * quantile([each.seconds for each in all_asked], 0.99)
    checks += [
        Check("answered or refused within (p99)", told, "ms", 1000 * TOLD_WITHIN, bound_by_client),
        Check("questions without an answer", during.unanswered + others.unanswered, "", 0),
        Check(
            "refusals that say not when",
            sum(not each.retry_after for each in during.refused + others.refused),
            "",
            0,
        ),
        Check("/readyz said so after", seen.unready_after, "s", UNREADY_WITHIN),
        Check("/readyz was well again after", seen.ready_after, "s", READY_WITHIN),
    ]
    for name, log in (("those who talked before", during), ("the others", others)):
        checks += [
            Check(f"first sound of {name} (p50)", 1000 * quantile(log.answered, 0.5), "ms"),
            Check(f"first sound of {name} (p99)", 1000 * quantile(log.answered, 0.99), "ms"),
            Check(f"refused of {name}", 100 * len(log.refused) / max(1, len(log.asked)), "%"),
        ]
    answered = len(during.answered) + len(others.answered)
    return [
        *checks,
        Check("first sound before (p50)", 1000 * quantile(before.answered, 0.5), "ms"),
        Check("first sound before (p99)", 1000 * quantile(before.answered, 0.99), "ms"),
        Check("answered in a second", answered / context.plan.overload_seconds),
        Check("load generator's share of a core", 100 * share.share, "%"),
    ]


def _curves(seen: _Seen) -> Sequence[Series]:
    named = {
        "before": seen.before.answered,
        "of those who talked before, during": seen.during.answered,
        "of the others": seen.others.answered,
    }
    return [
        Series(
            f"first sound {name}",
            "% of questions",
            "ms",
            [(100 * (at + 1) / len(values), 1000 * one) for at, one in enumerate(sorted(values))],
        )
        for name, values in named.items()
    ]


@attrs.define(eq=False)
class _Talk:
    """Clients who ask, listen, and ask again. Each question goes to the ``log`` of when it was asked."""

    log: QuestionLog = attrs.field(factory=QuestionLog)

    async def go_on(self, client: TimedClient, delay: float) -> None:
        """One client, until cancelled."""
        await trio.sleep(delay)
        while True:
            log = self.log
            log.begun += 1
            asked = await client.ask_once(THREE_SENTENCES)
            log.asked.append(asked)
            if asked.sounds:
                await client.finish_turn(PLAYBACK)
            else:
                await trio.sleep(asked.retry_after or MAX_WAIT)


@asynccontextmanager
async def _talk(clients: Sequence[TimedClient], within: float) -> AsyncIterator[_Talk]:
    """Let ``clients`` begin one after the other ``within`` so many seconds, and talk during the block."""
    talk = _Talk()
    async with trio.open_nursery() as nursery:
        for number, client in enumerate(clients):
            nursery.start_soon(talk.go_on, client, number * within / len(clients))
        yield talk
        nursery.cancel_scope.cancel("they have talked enough")
