"""`kill -9` against the promise that what was acknowledged is on disk."""

from __future__ import annotations

import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import trio

from tests.history.samples import MAO
from trio_backend.history.sqlite import open_sqlite_history
from trio_backend.history.store import HistoryUid

ROOT = Path(__file__).parents[2]
LANES, ROUNDS = 4, 5


async def acknowledged_before_a_kill(path: Path, *, after: int) -> list[str]:
    """The lines of a process that stores in ``path``, killed once it has printed ``after`` bytes."""
    command = [sys.executable, "-m", "tests.history.appender", str(path)]
    process = await trio.lowlevel.open_process(command, stdout=subprocess.PIPE, cwd=ROOT)
    printed = bytearray()
    assert process.stdout is not None
    try:
        async for some in process.stdout:
            printed += some
            if len(printed) >= after:
                process.kill()
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()
    whole, _, _ = printed.rpartition(b"\n")
    return whole.decode().split("\n")


async def missing(path: Path, acknowledged: list[str]) -> Counter[str]:
    """Which of the acknowledged lines the file does not hold, and how often."""
    stored: Counter[str] = Counter()
    async with open_sqlite_history(path) as history:
        for uid in {HistoryUid(line.split()[0]) for line in acknowledged}:
            stored.update(f"{uid} {message.content}" for message in await history.messages(MAO, uid))
    return Counter(acknowledged) - stored


async def kill_again_and_again(path: Path, seed: int) -> None:
    """Each round goes on in the file that the last kill left."""
    moments = random.Random(seed)
    acknowledged: list[str] = []
    for _ in range(ROUNDS):
        lines = await acknowledged_before_a_kill(path, after=moments.randrange(1, 20_000))
        assert lines
        acknowledged += lines
        assert not await missing(path, acknowledged)


@pytest.mark.skipif(
    sys.platform == "win32", reason="Windows has no SIGKILL; TerminateProcess is not under test"
)
async def test_no_acknowledged_message_is_lost_in_twenty_kills(tmp_path: Path) -> None:
    """Whenever a process is killed, all messages that it was told are stored are in the file."""
    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            for lane in range(LANES):
                nursery.start_soon(kill_again_and_again, tmp_path / f"{lane}.db", lane)
