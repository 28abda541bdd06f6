"""What a list of conversations costs, in a file of 1 000, 10 000 and 100 000 conversations.

``python benchmarks/conversation_list.py [conversations …]``. Milliseconds for each list of two hundred: CPU
of the whole process, CPU of the loop's thread (asking, and encoding the answer), time, and time while the
loop is busy, as it is where other clients talk. Three runs of each; all are printed.
"""

from __future__ import annotations

import random
import sqlite3
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

import trio

from trio_backend.config.system import SystemConfig
from trio_backend.conversation.conversation import Conversation
from trio_backend.history.backlog import Backlog, open_backlog
from trio_backend.history.database import open_database
from trio_backend.history.sqlite import open_sqlite_history
from trio_backend.history.store import Owner
from trio_backend.protocol import FetchHistoryList, Incoming, encode
from trio_backend.quota import MemoryQuota
from trio_backend.session.requests import answer_about_history

OWNER = Owner("mao_001")
LISTS = 50
# Of a message of ordinary length, and of a long one, in characters.
LENGTHS = (40, 120, 400, 1_500)
MESSAGES = 8  # of each conversation


def fill(path: Path, conversations: int, conf_uid: str = OWNER.conf_uid) -> None:
    """A file as a busy server leaves it: conversations that went on at the same time, eight at once."""
    chance = random.Random(1)
    with closing(open_database(path, 1)) as database:
        database.execute("BEGIN")
        database.executemany(
            "INSERT INTO conversation (id, conf_uid, uid, place) VALUES (?, ?, ?, ?)",
            [
                (one, conf_uid, f"2026-01-31_12-00-00_{chance.randbytes(16).hex()}", one)
                for one in range(1, conversations + 1)
            ],
        )
        for first in range(1, conversations + 1, 8):
            database.executemany(
                "INSERT INTO message (conversation, role, timestamp, content, name, avatar) "
                "VALUES (?, ?, '2026-01-31T12:00:00.000000+00:00', ?, 'Mao', 'mao.png')",
                [
                    (one, "ai" if number % 2 else "human", "word " * (chance.choice(LENGTHS) // 5))
                    for number in range(MESSAGES)
                    for one in range(first, min(first + 8, conversations + 1))
                ],
            )
        database.execute("COMMIT")


async def cost(backlog: Backlog) -> tuple[float, float, float, int]:
    """Milliseconds of CPU, of CPU on the loop and of time for a list, and the bytes of its answer."""
    conversation = Conversation.begin(
        OWNER, _nobody, history=backlog, system=SystemConfig(), quota=MemoryQuota(2**30)
    )
    ask: Incoming = FetchHistoryList()
    size, cpu, loop, began = 0, time.process_time(), time.thread_time(), time.perf_counter()
    for _ in range(LISTS):
        size = len(encode(await answer_about_history(ask, conversation)))
    spent = time.process_time() - cpu, time.thread_time() - loop, time.perf_counter() - began
    return (*(1_000 * each / LISTS for each in spent), size)  # type: ignore[return-value]


async def _nobody(_event: object) -> None:
    """Whatever the conversation says, nobody hears it."""


async def be_busy() -> None:
    """Work as a loop with many clients does: half a millisecond at a time, without a pause."""
    while True:
        until = time.perf_counter() + 0.0005
        while time.perf_counter() < until:
            pass
        await trio.lowlevel.checkpoint()


async def measure(path: Path) -> str:
    """One line of figures."""
    async with open_sqlite_history(path) as history, open_backlog(history) as backlog:
        await cost(backlog)
        cpu, loop, quiet, size = await cost(backlog)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(be_busy)
            *_, busy, _ = await cost(backlog)
            nursery.cancel_scope.cancel()
    return f"{cpu:8.2f} {loop:8.2f} {quiet:8.2f} {busy:8.2f} {size / 1_000:8.0f}"


def main() -> None:
    """Print the table."""
    print(
        f"SQLite {sqlite3.sqlite_version}; ms for each list\n"
        f"{'':>8} {'CPU':>8} {'loop':>8} {'time':>8} {'busy':>8} {'kB':>8}"
    )
    for conversations in [int(each) for each in sys.argv[1:]] or [1_000, 10_000, 100_000]:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "history.db"
            fill(path, conversations)
            for _ in range(3):
                print(f"{conversations:8}", trio.run(measure, path), flush=True)


if __name__ == "__main__":
    main()
