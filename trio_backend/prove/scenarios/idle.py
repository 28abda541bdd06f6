"""`idle`: many pages are open, and nobody says anything; what does each cost?"""

from __future__ import annotations

import trio

from ..outcome import Check, Outcome
from ..stage import Stage, leave_quietly

CPU_TO_CONNECT = 0.004
MEMORY = 60_000
# Of one core.
CPU_WHEN_IDLE = 0.01
CONNECTING_AT_ONCE = 10
SETTLED = 1.0


async def play(stage: Stage) -> Outcome:
    """CPU and memory of each connection, and the CPU of all of them when nothing happens."""
    if not stage.probe.sees_process:
        return Outcome("idle", skipped="what it costs can only be seen with --pid, or in /debug/tasks")
    start, count = await stage.probe.look(), stage.plan.idle
    with stage.share() as share:
        async with trio.open_nursery() as nursery:
            stage.tell(f"{count} connect")
            await _connect(stage, nursery)
            await trio.sleep(SETTLED)
            connected = await stage.probe.look()
            stage.tell(f"{count} say nothing for {stage.plan.idle_seconds:g} s")
            # What it does once because so many came is not what they cost from then on.
            await trio.sleep(stage.plan.idle_settling)
            began, used = trio.current_time(), await stage.probe.cpu()
            await trio.sleep(stage.plan.idle_seconds)
            idle = (await stage.probe.cpu() - used) / (trio.current_time() - began)
            nursery.cancel_scope.cancel("all leave")
    checks = [
        Check("CPU of a connection", 1000 * (connected.cpu - start.cpu) / count, "ms", 1000 * CPU_TO_CONNECT),
        Check(
            "memory of a connection", (connected.memory - start.memory) / count / 1000, "kB", MEMORY / 1000
        ),
        Check(f"CPU of {count} idle connections", 100 * idle, "% of a core", 100 * CPU_WHEN_IDLE),
        *await stage.probe.left_over(start),
    ]
    return Outcome("idle", checks, client_share=share.share)


async def _connect(stage: Stage, nursery: trio.Nursery) -> None:
    """All of them, a few at a time; they stay until ``nursery`` is cancelled."""
    doors = trio.CapacityLimiter(CONNECTING_AT_ONCE)
    async with trio.open_nursery() as connecting:
        for _ in range(stage.plan.idle):
            await doors.acquire_on_behalf_of(token := object())
            connecting.start_soon(_start, nursery, stage, doors, token)


async def _start(nursery: trio.Nursery, stage: Stage, doors: trio.CapacityLimiter, token: object) -> None:
    try:
        await nursery.start(_stay, stage)
    finally:
        doors.release_on_behalf_of(token)


async def _stay(stage: Stage, task_status: trio.TaskStatus[None]) -> None:
    async with stage.visit() as visitor:
        task_status.started()
        await leave_quietly(visitor, 86_400)
