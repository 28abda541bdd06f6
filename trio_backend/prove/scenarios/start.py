"""`start`: how long until the program answers, and until a server is ready."""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Sequence
from statistics import median
from subprocess import DEVNULL, PIPE

import trio

from ...errors import NoConnection
from ..context import ScenarioContext
from ..outcome import Check, ScenarioOutcome

HELP_BOUND, READY_BOUND = 0.3, 1.5  # seconds
PROGRAM = (sys.executable, "-m", "trio_backend")
_READY = re.compile(rb" is at (https?://\S+)")


async def run(context: ScenarioContext) -> ScenarioOutcome:
    """``--help``, and ``serve`` with the embedded engines; the median of several times."""
    if not context.own:
        return ScenarioOutcome("start", skipped="only a server that prove starts itself can be timed")
    helped, ready = [], []
    with context.share() as share:
        for number in range(context.plan.starts):
            context.progress(f"start {number + 1} of {context.plan.starts}")
            helped.append(await _help())
            ready.append(await _ready())
    return ScenarioOutcome("start", start_checks(helped, ready), client_share=share.share)


def start_checks(helped: Sequence[float], ready: Sequence[float]) -> Sequence[Check]:
    """The medians of these durations, in seconds."""
    return [
        Check("--help answers after", 1000 * median(helped), "ms", 1000 * HELP_BOUND),
        Check("serve is ready after", 1000 * median(ready), "ms", 1000 * READY_BOUND),
    ]


async def _help() -> float:
    began = trio.current_time()
    await trio.run_process([*PROGRAM, "--help"], stdout=DEVNULL)
    return trio.current_time() - began


async def _ready() -> float:
    """From the start of the program to the log line that has its address."""
    began = trio.current_time()
    with tempfile.TemporaryDirectory() as folder:
        async with trio.open_nursery() as nursery:
            server: trio.Process = await nursery.start(_serve, folder)
            assert server.stderr is not None
            log = b""
            async for data in server.stderr:
                log = (log + data)[-10_000:]
                if _READY.search(log):
                    break
            else:
                raise NoConnection(f"the server did not start:\n{log.decode(errors='replace')}")
            took = trio.current_time() - began
            nursery.cancel_scope.cancel("it is ready")
    return took


async def _serve(folder: str, *, task_status: trio.TaskStatus[trio.Process]) -> None:
    await trio.run_process(
        [*PROGRAM, "serve", "--port", "0"],
        cwd=folder, stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE, check=False, capture_stderr=False,
        task_status=task_status,
    )  # fmt: skip
