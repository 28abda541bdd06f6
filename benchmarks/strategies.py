"""Five ways to forward the messages of a conversation, under the same load: a table, and a picture.

``python benchmarks/strategies.py [--sessions 160] [--picture docs/strategies.svg]``. Each strategy runs in a
process of its own. asyncio lives only here.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path

import attrs
import psutil
import trio
from loguru import logger
from queues import on_asyncio, on_trio, sockets
from queues.picture import draw
from queues.workload import MESSAGES, PAGES, PAUSE, STAYS, Result, quantile, summary
from rich.console import Console
from rich.table import Table

OURS = "rooms and forwarders"
SOCKETS = {"D fire-and-forget": sockets.fire_and_forget_over_sockets, OURS: sockets.rooms}
NAMES = [*on_asyncio.STRATEGIES, OURS]


def measure(name: str, sessions: int) -> Result:
    """Run one strategy, in this process."""
    logger.remove()
    process = psutil.Process()
    before, began = process.memory_info().rss, time.perf_counter()
    if name == OURS:
        visits, left = trio.run(on_trio.run, sessions)
    else:
        visits, left = asyncio.run(on_asyncio.run(name, sessions))
    seconds = time.perf_counter() - began
    megabytes = (process.memory_info().rss - before) / 2**20
    return summary(name, visits, seconds=seconds, tasks_left=left, megabytes=megabytes)


def measure_apart(name: str, sessions: int) -> Result:
    """Run one strategy in a process of its own."""
    command = [sys.executable, __file__, "--one", name, "--sessions", str(sessions)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return Result(**json.loads(done.stdout))


def measure_sockets_apart(name: str, tries: int) -> list[float]:
    """Run one strategy behind a real socket, in a process of its own."""
    command = [sys.executable, __file__, "--socket", name, "--tries", str(tries)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return sorted(json.loads(done.stdout))


def sockets_table(tries: int) -> Table:
    """From a message on a socket to the model's request."""
    shown = Table(
        title=f"From a message on a real socket to the model's request, {tries} tries, no other client"
    )
    for heading in ["strategy", "median ms", "p99 ms", "worst ms"]:
        shown.add_column(heading, justify="left" if heading == "strategy" else "right")
    for name in SOCKETS:
        waits = measure_sockets_apart(name, tries)
        figures = [quantile(waits, 0.5), quantile(waits, 0.99), waits[-1]]
        shown.add_row(name, *(f"{1000 * figure:.2f}" for figure in figures))
    return shown


def table(results: list[Result]) -> Table:
    """The figures side by side."""
    shown = Table(title="Forwarding the messages of pages that are reloaded")
    for heading in [
        "strategy", "dispatch\nmedian ms", "dispatch\np99 ms", "answers\nper second", "answers\nto no one",
        "never\nbegun", "at once in one\nconversation", "tasks\nleft", "memory\nMB more",
    ]:  # fmt: skip
        shown.add_column(heading, justify="left" if heading == "strategy" else "right", no_wrap=True)
    for result in results:
        shown.add_row(
            result.name,
            f"{1000 * result.median:.2f}",
            f"{1000 * result.p99:.1f}",
            f"{result.answered_per_second:.1f}",
            str(result.for_nobody),
            str(result.never_begun),
            str(result.at_once),
            str(result.tasks_left),
            f"{result.megabytes:.0f}",
        )
    return shown


def main() -> None:
    """Measure all strategies, print the table, draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=160, help="visits, of four pages at a time")
    parser.add_argument("--picture", type=Path, default=Path("docs") / "strategies.svg")
    parser.add_argument("--tries", type=int, default=200, help="messages on a real socket")
    parser.add_argument("--one", choices=NAMES, help=argparse.SUPPRESS)
    parser.add_argument("--socket", choices=SOCKETS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.socket:
        logger.remove()
        print(json.dumps(SOCKETS[options.socket](options.tries)))
        return
    if options.one:
        print(json.dumps(attrs.asdict(measure(options.one, options.sessions))))
        return
    # A table that is cut to the width of a log file cannot be read.
    console = Console(width=max(124, Console().width))
    expected = len(NAMES) * (options.sessions / PAGES * (MESSAGES * PAUSE + STAYS) + 2) + 0.2 * options.tries
    console.print(f"{options.sessions} visits for each of {len(NAMES)} strategies: about {expected:.0f} s")
    results = []
    for name in NAMES:
        with console.status(name):
            results.append(measure_apart(name, options.sessions))
    console.print(table(results))
    console.print(sockets_table(options.tries))
    options.picture.parent.mkdir(parents=True, exist_ok=True)
    options.picture.write_text(draw(results), encoding="utf-8")
    console.print(f"picture: {options.picture}")


if __name__ == "__main__":
    main()
