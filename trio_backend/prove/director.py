"""Runs the scenarios one after the other, each with a load generator of its own."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from subprocess import PIPE

import attrs
import trio

from .job import Job, read_line, write
from .outcome import Outcome
from .own_server import open_own_server
from .plan import Plan
from .visitor import Target

# A load generator that says nothing for so long is stuck: its longest wait is a fraction of this.
SILENCE = 300.0


@attrs.frozen
class Order:
    """What is to be proved, in ``plan``'s sizes: of the server at ``target``, or of one of our own."""

    scenarios: Sequence[str]
    plan: Plan
    target: Target | None = None
    pid: int | None = None


@attrs.frozen
class Audience:
    """Who watches: ``progress`` gets a scenario and how far it is, ``outcome`` what came of one."""

    progress: Callable[[str, str], None]
    outcome: Callable[[Outcome], None]


async def direct(order: Order, audience: Audience) -> Sequence[Outcome]:
    """Play all scenarios of ``order``. Raises `NoConnection` if no server of our own can be started."""
    outcomes = []
    async with _open_template(order) as template:
        for scenario in order.scenarios:
            audience.progress(scenario, "begins")
            outcome = await _play(attrs.evolve(template, scenario=scenario), audience)
            audience.outcome(outcome)
            outcomes.append(outcome)
    return outcomes


@asynccontextmanager
async def _open_template(order: Order) -> AsyncIterator[Job]:
    if order.target is not None:
        yield Job("", order.target, order.plan, pid=order.pid)
        return
    async with open_own_server(order.plan) as server:
        yield Job("", server.target, server.plan, own=True, pid=server.pid)


async def _play(job: Job, audience: Audience) -> Outcome:
    outcome: Outcome | None = None
    async with trio.open_nursery() as nursery:
        load: trio.Process = await nursery.start(_generate, job)
        assert load.stdout is not None
        with trio.move_on_after(SILENCE) as patience:
            rest = b""
            async for data in load.stdout:
                patience.deadline = trio.current_time() + SILENCE
                *lines, rest = (rest + data).split(b"\n")
                for line in map(read_line, lines):
                    outcome = line.outcome or outcome
                    if line.progress:
                        audience.progress(job.scenario, line.progress)
        nursery.cancel_scope.cancel("played")
    if patience.cancelled_caught:
        return Outcome(job.scenario, problem=f"nothing happened for {SILENCE:.0f} s")
    return outcome or Outcome(job.scenario, problem="the load generator died; what it said is above")


async def _generate(job: Job, *, task_status: trio.TaskStatus[trio.Process]) -> None:
    await trio.run_process(
        [sys.executable, "-m", "trio_backend.prove.load"],
        stdin=write(job), stdout=PIPE, capture_stdout=False, check=False, task_status=task_status,
    )  # fmt: skip
