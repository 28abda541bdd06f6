"""`start`: how long until the program answers, and until a server is ready."""

from __future__ import annotations

import re
import sys
import tempfile
from statistics import median
from subprocess import DEVNULL, PIPE

import trio

from ...errors import NoConnection
from ..outcome import Check, Outcome
from ..stage import Stage

HELP_BOUND, READY_BOUND = 0.3, 1.5
PROGRAM = (sys.executable, "-m", "trio_backend")
_READY = re.compile(rb" is at (https?://\S+)")


async def play(stage: Stage) -> Outcome:
    """``--help``, and ``serve`` with the embedded engines; the median of several times."""
    if not stage.own:
        return Outcome("start", skipped="only with a server of our own")
    helped, ready = [], []
    with stage.share() as share:
        for number in range(stage.plan.starts):
            stage.tell(f"start {number + 1} of {stage.plan.starts}")
            helped.append(await _help())
            ready.append(await _ready())
    checks = [
        Check("--help answers after", 1000 * median(helped), "ms", 1000 * HELP_BOUND),
        Check("serve is ready after", 1000 * median(ready), "ms", 1000 * READY_BOUND),
    ]
    return Outcome("start", checks, client_share=share.share)


async def _help() -> float:
    began = trio.current_time()
    await trio.run_process([*PROGRAM, "--help"], stdout=DEVNULL)
    return trio.current_time() - began


async def _ready() -> float:
    """From the start of the program to the line that says where it is."""
    began = trio.current_time()
    with tempfile.TemporaryDirectory() as folder:
        async with trio.open_nursery() as nursery:
            server: trio.Process = await nursery.start(_serve, folder)
            assert server.stderr is not None
            said = b""
            async for data in server.stderr:
                said = (said + data)[-10_000:]
                if _READY.search(said):
                    break
            else:
                raise NoConnection(f"the server did not start:\n{said.decode(errors='replace')}")
            took = trio.current_time() - began
            nursery.cancel_scope.cancel("it is ready")
    return took


async def _serve(folder: str, *, task_status: trio.TaskStatus[trio.Process]) -> None:
    await trio.run_process(
        [*PROGRAM, "serve", "--port", "0"],
        cwd=folder, stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE, check=False, capture_stderr=False,
        task_status=task_status,
    )  # fmt: skip
