"""What messages and pages cost the server, and for how long it is stuck when many pages close at once.

Starts a server for each run, and sends heartbeats of 100 bytes (50 connections) and of 300 kB (8
connections), each when the one before was answered; then opens pages as the front end does, and closes all
of them in one moment. Of several codes each is measured in turn, so that a machine's mood strikes all of them
alike.

    python benchmarks/wire.py [--code FOLDER ...] [--runs 3] [--pages 500]

CPU is that of the server's process, from the kernel: in microseconds a message, and in milliseconds a page,
opened and greeted, with the four messages that the front end sends. The wait is that of another client's
heartbeat, one every 2 ms. Linux only.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import selectors
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import attrs

CONF = """
system_config:
  port: 0
  history_file: {folder}/history.sqlite3
  messages_per_second: 100000
  message_burst: 100000
  bytes_per_second: 1073741824
  byte_burst: 1099511627776
  max_connections: 10000
  max_connections_per_address: 10000
character_config:
  conf_name: bench
  conf_uid: bench_001
  persona_prompt: You are a benchmark.
  agent_config:
    agent_settings: {{basic_memory_agent: {{llm_provider: echo_llm}}}}
  tts_config: {{tts_model: none_tts}}
"""
HANDSHAKE = (
    "GET /client-ws HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: Upgrade\r\nPragma: no-cache\r\n"
    "Cache-Control: no-cache\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36\r\n"
    "Upgrade: websocket\r\nOrigin: http://localhost:{port}\r\nSec-WebSocket-Version: 13\r\n"
    "Accept-Encoding: gzip, deflate, br\r\nAccept-Language: en-US,en;q=0.9\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
)
ON_OPEN = ("fetch-backgrounds", "fetch-configs", "fetch-history-list", "create-new-history")
ACK, LAST = b'{"type":"heartbeat-ack"}', b'"new-history-created"'
MASK = b"\x37\xfa\x21\x3d"
SERVER_CORE, CLIENT_CORE = 0, 1


def frame(size: int, type_: str = "heartbeat") -> bytes:
    """A masked text frame, whose message has at least ``size`` bytes."""
    text = json.dumps({"type": type_})
    data = (
        text[:-1] + f', "pad": "{"x" * (size - len(text) - 11)}"}}' if size > len(text) else text
    ).encode()
    length = len(data)
    if length < 126:
        head = bytes((0x81, 0x80 | length))
    elif length < 2**16:
        head = struct.pack("!BBH", 0x81, 0x80 | 126, length)
    else:
        head = struct.pack("!BBQ", 0x81, 0x80 | 127, length)
    mask = int.from_bytes((MASK * (length // 4 + 1))[:length], "big")
    return head + MASK + (int.from_bytes(data, "big") ^ mask).to_bytes(length, "big")


@attrs.frozen
class Server:
    """A running server of the code to be measured."""

    port: int
    pid: int

    def cpu(self) -> float:
        """Seconds of all of its threads so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def connect(self) -> socket.socket:
        """A connection that is greeted."""
        peer = socket.create_connection(("127.0.0.1", self.port))
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer.sendall(HANDSHAKE.format(port=self.port).encode())
        wait_for(peer, b"start-mic")
        return peer


def wait_for(peer: socket.socket, what: bytes) -> None:
    """Read until ``what`` has come."""
    seen = b""
    while what not in seen:
        data = peer.recv(2**16)
        if not data:
            raise ConnectionError(f"closed before {what!r}: {seen[-200:]!r}")
        seen = seen[-2 * len(what) :] + data


@contextmanager
def open_server(code: Path) -> Iterator[Server]:
    """A server of ``code`` on a core of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "conf.yaml"
        path.write_text(CONF.format(folder=folder))
        command = [
            "taskset",
            "-c",
            str(SERVER_CORE),
            sys.executable,
            "-m",
            "trio_backend",
            "serve",
            str(path),
        ]
        environment = os.environ | {"PYTHONPATH": str(code)}
        with open(Path(folder) / "log", "w+b") as log:
            process = subprocess.Popen(command, stderr=log, env=environment, cwd=folder)
            try:
                while (
                    found := re.search(rb" is at http://[\w.]+:(\d+)", (Path(folder) / "log").read_bytes())
                ) is None:
                    if process.poll() is not None:
                        sys.exit((Path(folder) / "log").read_text())
                    time.sleep(0.05)
                yield Server(int(found[1]), process.pid)
            finally:
                process.terminate()
                process.wait()


def heartbeats(server: Server, size: int, connections: int, seconds: float) -> float:
    """Microseconds of the server's CPU for a heartbeat of ``size`` bytes, and its answer."""
    data = frame(size)
    peers = [server.connect() for _ in range(connections)]
    selector = selectors.EpollSelector()
    for peer in peers:
        selector.register(peer, selectors.EVENT_READ, peer)
        peer.sendall(data)
    count, before, end = 0, 0.0, 0.0
    begin = time.monotonic() + 0.3
    while not end or time.monotonic() < end:
        for key, _ in selector.select():
            answer = key.data.recv(4096)
            if ACK not in answer:
                raise ConnectionError(repr(answer))
            key.data.sendall(data)
            count += 1
        if not end and time.monotonic() >= begin:
            count, before, end = 0, server.cpu(), time.monotonic() + seconds
    cost = (server.cpu() - before) / count
    for peer in peers:
        peer.close()
    time.sleep(0.3)
    return 1e6 * cost


def hold_pages(server: Server, pages: int, pipe: Connection) -> None:
    """Open ``pages``, 20 at once, tell that, and hold them until the process is killed."""
    os.sched_setaffinity(0, {CLIENT_CORE})
    opening = b"".join(frame(0, type_) for type_ in ON_OPEN)
    held: list[socket.socket] = []
    while len(held) < pages:
        batch = [
            socket.create_connection(("127.0.0.1", server.port)) for _ in range(min(20, pages - len(held)))
        ]
        for peer in batch:
            peer.sendall(HANDSHAKE.format(port=server.port).encode())
        for peer in batch:
            wait_for(peer, b"set-model-and-conf")
            peer.sendall(opening)
        for peer in batch:
            wait_for(peer, LAST)
        held += batch
    pipe.send(pages)
    time.sleep(3600)


def pages(server: Server, count: int) -> dict[str, float]:
    """What ``count`` pages cost to open and to close, and how long another client waits meanwhile."""
    ours, theirs = get_context("fork").Pipe()
    child = get_context("fork").Process(target=hold_pages, args=(server, count, theirs))
    bystander = server.connect()
    before = server.cpu()
    child.start()
    while not ours.poll(0.05):
        if not child.is_alive():
            sys.exit("the pages were not opened")
    opened = server.cpu() - before
    time.sleep(1)
    beat, waits = frame(100), []
    before, end = server.cpu(), time.monotonic() + 2 + count / 500
    pid = child.pid
    assert pid is not None
    killed = False
    while time.monotonic() < end:
        time.sleep(0.002)
        if not killed and time.monotonic() > end - 1.9 - count / 500:
            os.kill(pid, signal.SIGKILL)
            killed = True
        begin = time.perf_counter()
        bystander.sendall(beat)
        wait_for(bystander, ACK)
        waits.append(time.perf_counter() - begin)
    child.join()
    bystander.close()
    return {
        f"page, of {count}, ms": 1000 * opened / count,
        f"{count} pages close: longest wait, ms": 1000 * max(waits),
        f"{count} pages close: ms of CPU": 1000 * (server.cpu() - before),
    }


def measure(code: Path, asked: argparse.Namespace) -> dict[str, float]:
    """All figures of one run of ``code``."""
    figures: dict[str, float] = {}
    with open_server(code) as server:
        if "small" in asked.only:
            figures["heartbeat of 100 B, µs"] = heartbeats(server, 100, 50, asked.seconds)
        if "large" in asked.only:
            figures["heartbeat of 300 kB, µs"] = heartbeats(server, 300_000, 8, asked.seconds)
    for count in asked.pages if "pages" in asked.only else ():
        with open_server(code) as server:
            figures |= pages(server, count)
    return figures


def main() -> None:
    """Read the command line, measure, and print medians, spans, and ratios to the first code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    here = Path(__file__).parents[1]
    parser.add_argument("--code", type=Path, nargs="+", default=[here], help="folders that hold trio_backend")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--pages", type=int, nargs="+", default=[500])
    parser.add_argument("--only", nargs="+", default=["small", "large", "pages"])
    asked = parser.parse_args()
    os.sched_setaffinity(0, {CLIENT_CORE})
    seen: dict[Path, list[dict[str, float]]] = {code: [] for code in asked.code}
    for _ in range(asked.runs):
        for code, figures in seen.items():
            figures.append(measure(code.resolve(), asked))
    report(seen)


def report(seen: dict[Path, list[dict[str, float]]]) -> None:
    """Print each figure's median and span for each code, and beside the first one the ratio."""
    first = next(iter(seen.values()))
    for name in first[0]:
        medians: list[float] = []
        for code, runs in seen.items():
            values = [run[name] for run in runs]
            medians.append(statistics.median(values))
            ratio = f"  × {medians[-1] / medians[0]:.2f}" if len(medians) > 1 else ""
            span = f"[{min(values):.1f}–{max(values):.1f}]"
            print(f"{name:44} {code.name:>12} {medians[-1]:8.1f} {span}{ratio}", flush=True)


if __name__ == "__main__":
    main()
