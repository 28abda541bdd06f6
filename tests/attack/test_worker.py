"""An engine's child process that is killed while it is idle, as by a system that is out of memory."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import psutil
import pytest
import trio

from tests.children import Children
from trio_backend.engines.worker import WorkerJob, open_worker
from trio_backend.errors import EngineError


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs a signal that cannot be refused")
@pytest.mark.parametrize("reaped", [True, False], ids=["long ago", "just now"])
async def test_no_utterance_is_lost_with_an_idle_process(reaped: bool) -> None:
    """Twenty kills of an idle worker, twenty answers; the system may not even have said that it is gone."""
    job = WorkerJob("tests.engines.sleepy_process", "sleepy", {}, 20)
    understood = 0
    children = Children()
    async with open_worker(job) as worker:
        for _ in range(20):
            (child,) = children.direct()
            os.kill(child.pid, signal.SIGKILL)
            with trio.fail_after(20):
                while reaped and child.status() != psutil.STATUS_ZOMBIE:
                    await trio.sleep(0.001)
                understood += await worker.ask(b"size " + bytes(100_000)) == "100005"
    assert understood == 20


async def test_a_request_that_ends_its_process_is_not_tried_again(tmp_path: Path) -> None:
    """It would end the next one, too; so the second file is never written, and the error says why."""
    job = WorkerJob("tests.engines.sleepy_process", "sleepy", {}, 20)
    async with open_worker(job) as worker:
        with pytest.raises(EngineError, match="exit code 7"):
            await worker.ask(f"mark {tmp_path}".encode())
        assert len(list(tmp_path.iterdir())) == 1
        assert await worker.ask(b"sleep 0") == "slept"
