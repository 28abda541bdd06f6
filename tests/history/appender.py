"""A process that stores for ever, and prints each message's name once it was told that it is stored.

Run as ``python -m tests.history.appender FILE``, to be killed.
"""

from __future__ import annotations

import sys
from itertools import count
from pathlib import Path

import trio

from tests.history.samples import MAO, ai, human
from trio_backend.history.sqlite import SqliteHistory, open_sqlite_history
from trio_backend.history.store import HistoryUid

# Side by side, so that commits are shared.
CALLERS = 4


async def talk(history: SqliteHistory, caller: int) -> None:
    """One exchange after the other, in conversations of ten, each going on where a killed process stopped."""
    for number in count():
        uid = HistoryUid(f"{caller}-{number // 10}")
        told = [human(f"{caller}-{number}-human"), ai(f"{caller}-{number}-ai")]
        await history.append(MAO, uid, *told)
        for message in told:
            # One system call per line, as a pipe would otherwise keep what was printed from the killer.
            sys.stdout.write(f"{uid} {message.content}\n")
            sys.stdout.flush()


async def main(path: Path) -> None:
    """Store until killed."""
    async with open_sqlite_history(path) as history, trio.open_nursery() as nursery:
        for caller in range(CALLERS):
            nursery.start_soon(talk, history, caller)


if __name__ == "__main__":
    trio.run(main, Path(sys.argv[1]))
