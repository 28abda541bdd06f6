"""`idle`: many pages are open and silent; what does each cost?"""

from __future__ import annotations

import trio

from ..context import ScenarioContext, receive_for
from ..outcome import Check, ScenarioOutcome

# Of each connection: seconds of CPU until it is greeted, or until an opened page has all that it shows at
# first, from a store of thousands of conversations; and bytes.
CPU_TO_CONNECT, CPU_TO_OPEN = 0.004, 0.0025
MEMORY = 60_000
# Of one core, by all connections together: timers that wake up for each of them would show here.
CPU_WHEN_IDLE = 0.01
# More at once would wait for the load generator, which has one core too.
CONNECTING_AT_ONCE = 10
# Seconds until the last greeting has been sent, and seconds that no run lasts.
SETTLED = 1.0
FOREVER = 86_400.0


async def run(context: ScenarioContext) -> ScenarioOutcome:
    """CPU and memory of each connection, and the CPU of all of them when nothing happens.

    With engines behind HTTP the connections are opened as pages open them, otherwise only greeted.
    """
    if not context.probe.sees_process:
        return ScenarioOutcome(
            "idle", skipped="CPU and memory can only be seen with --pid, or in /debug/tasks"
        )
    start, count = await context.sample(), context.plan.idle
    with context.share() as share:
        async with trio.open_nursery() as nursery:
            context.progress(f"{count} connect")
            await _connect(context, nursery)
            await trio.sleep(SETTLED)
            connected = await context.probe.sample()
            context.progress(f"{count} say nothing for {context.plan.idle_seconds:g} s")
            # What it does once because so many came is not what they cost from then on.
            await trio.sleep(context.plan.idle_settling)
            began, used = trio.current_time(), await context.probe.cpu()
            await trio.sleep(context.plan.idle_seconds)
            idle = (await context.probe.cpu() - used) / (trio.current_time() - began)
            nursery.cancel_scope.cancel("all leave")
    what, bound = (
        ("an opened page", CPU_TO_OPEN) if context.http_engines else ("a connection", CPU_TO_CONNECT)
    )
    checks = [
        Check(f"CPU of {what}", 1000 * (connected.cpu - start.cpu) / count, "ms", 1000 * bound),
        Check(
            "memory of a connection", (connected.memory - start.memory) / count / 1000, "kB", MEMORY / 1000
        ),
        Check(f"CPU of {count} idle connections", 100 * idle, "% of a core", 100 * CPU_WHEN_IDLE),
        *await context.left_over(start),
    ]
    return ScenarioOutcome("idle", checks, client_share=share.share)


async def _connect(context: ScenarioContext, nursery: trio.Nursery) -> None:
    """Connect all of them, a few at a time; they stay until ``nursery`` is cancelled."""
    places = trio.Semaphore(CONNECTING_AT_ONCE)

    async def start() -> None:
        async with places:
            await nursery.start(_stay, context)

    async with trio.open_nursery() as connecting:
        for _ in range(context.plan.idle):
            connecting.start_soon(start)


async def _stay(context: ScenarioContext, task_status: trio.TaskStatus[None]) -> None:
    async with context.open_page() as client:
        task_status.started()
        await receive_for(client, FOREVER)
