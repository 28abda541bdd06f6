"""What an opened page costs a server: milliseconds of its CPU, with few and with many conversations.

``python benchmarks/opened_page.py [conversations …]``. Pages come twenty at once and send what pages send
when they are opened; they stay open until the last one is answered. The server is a process of its own, with
the characters that the package brings. Three runs of each; all are printed.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path
from subprocess import PIPE

import attrs
import psutil
import trio

sys.path.insert(0, str(Path(__file__).parent))
from conversation_list import fill

CONF = Path(__file__).parent.parent / "conf"
PAGES, AT_ONCE = 200, 20
ASKED = ("fetch-backgrounds", "fetch-configs", "fetch-history-list", "create-new-history")
ANSWERS = {"background-files", "config-files", "history-list", "new-history-created", "set-model-and-conf"}
UPGRADE = (
    b"GET /client-ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


@attrs.define(eq=False)
class Run:
    """The pages of one run, and how many seconds each waited for all its answers."""

    took: list[float] = attrs.field(factory=list)
    places: trio.Semaphore = attrs.field(factory=lambda: trio.Semaphore(AT_ONCE))
    answered: trio.Event = attrs.field(factory=trio.Event)
    stay: trio.Event = attrs.field(factory=trio.Event)


def frame(text: str) -> bytes:
    """A short text frame of a client, with a mask of zeros."""
    return bytes((0x81, 0x80 | len(text))) + bytes(4) + text.encode()


async def open_page(run: Run, port: int) -> None:
    """Come, ask, wait until all is answered, and stay until all pages have been."""
    async with run.places:
        began = trio.current_time()
        stream = await trio.open_tcp_stream("127.0.0.1", port)
        await stream.send_all(UPGRADE)
        received = b""
        while b"\r\n\r\n" not in received:
            received += await stream.receive_some()
        received = received.partition(b"\r\n\r\n")[2]
        await stream.send_all(b"".join(frame(json.dumps({"type": each})) for each in ASKED))
        missing = set(ANSWERS)
        while missing:
            received += await stream.receive_some()
            # Those types stand at the beginning of their messages, and nowhere else.
            missing -= {each for each in missing if b'{"type":"%s"' % each.encode() in received}
        run.took.append(trio.current_time() - began)
    if len(run.took) == PAGES:
        run.answered.set()
    await run.stay.wait()
    await stream.aclose()


async def measure(conversations: int) -> None:
    """Three runs with so many conversations."""
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(CONF, Path(folder) / "conf")
        uid = re.search(r"conf_uid: (\w+)", (CONF / "conf.yaml").read_text())
        assert uid
        fill(Path(folder) / "history.sqlite3", conversations, uid[1])
        async with trio.open_nursery() as nursery:
            process: trio.Process = await nursery.start(serve, folder)
            assert process.stderr
            log = b""
            while not (found := re.search(rb" is at http://\S+?:(\d+)", log)):
                log += await process.stderr.receive_some()
            nursery.start_soon(read_on, process.stderr)
            for _ in range(3):
                await run(psutil.Process(process.pid), int(found[1]), conversations)
            process.terminate()


async def serve(folder: str, *, task_status: trio.TaskStatus[trio.Process]) -> None:
    """The server, until it is terminated."""
    command = [sys.executable, "-m", "trio_backend", "serve", "conf", "--port", "0"]
    await trio.run_process(
        command, cwd=folder, stderr=PIPE, capture_stderr=False, check=False, task_status=task_status
    )


async def read_on(log: trio.abc.ReceiveStream) -> None:
    """Take the server's log, so that it never waits."""
    async for _ in log:
        pass


async def run(server: psutil.Process, port: int, conversations: int) -> None:
    """Open `PAGES`, and print what it cost."""
    pages = Run()
    async with trio.open_nursery() as nursery:
        before, began = sum(server.cpu_times()[:2]), time.perf_counter()
        for _ in range(PAGES):
            nursery.start_soon(open_page, pages, port)
        await pages.answered.wait()
        spent, lasted = sum(server.cpu_times()[:2]) - before, time.perf_counter() - began
        pages.stay.set()
    took = sorted(1_000 * each for each in pages.took)
    print(
        f"{conversations:8} {1_000 * spent / PAGES:8.2f} {PAGES / lasted:8.0f} "
        f"{took[PAGES // 2]:8.0f} {took[-1]:8.0f}",
        flush=True,
    )
    await trio.sleep(2)  # what the server does about those that have left is not counted


def main() -> None:
    """Print the table."""
    print(f"{'':>8} {'CPU ms':>8} {'a second':>8} {'p50 ms':>8} {'max ms':>8}")
    for conversations in [int(each) for each in sys.argv[1:]] or [0, 3_541, 100_000]:
        trio.run(measure, conversations)


if __name__ == "__main__":
    main()
