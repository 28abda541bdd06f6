"""The reader of the log may stop, or exit: the server goes on, and ends when it is told to. Finding 10."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import httpx2
import pytest
import trio

from tests.ports import unused_port
from tests.serving.servers import open_client

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="these pipes and signals are POSIX's")

CONF = """
character_config:
  conf_name: iris
  conf_uid: iris_001
  persona_prompt: You are Iris.
  agent_config:
    agent_settings: {basic_memory_agent: {llm_provider: echo_llm}}
  tts_config: {tts_model: none_tts}
system_config:
  history_file: history.sqlite3
  drain_timeout: 1
"""
END = {"type": "control", "text": "conversation-chain-end"}
PIPE = 4096  # bytes, the least that Linux gives; elsewhere it is some 64 KiB


@attrs.frozen
class Logging:
    """A server whose standard error is a pipe; ``read`` is our end of it."""

    process: trio.Process
    address: str
    read: int


@asynccontextmanager
async def open_logging_server(folder: Path) -> AsyncIterator[Logging]:
    """``serve`` at the finest level, with its output and its errors in one small pipe."""
    (folder / "conf.yaml").write_text(CONF)
    read, write = os.pipe()
    if sys.platform == "linux":
        import fcntl

        fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, PIPE)
    command = [sys.executable, "-m", "trio_backend", "serve", "conf.yaml", "--port", "0"]
    process = await trio.lowlevel.open_process(
        [*command, "--log-level", "TRACE"], cwd=folder, stdout=write, stderr=write
    )
    os.close(write)
    try:
        seen = b""
        with trio.fail_after(30):
            while not (found := re.search(rb"is at (http://\S+)\n", seen)):
                await trio.lowlevel.wait_readable(read)
                piece = os.read(read, 65536)
                assert piece, seen
                seen += piece
        yield Logging(process, found[1].decode(), read)
    finally:
        if process.returncode is None:
            process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()


async def make_lines(address: str, number: int) -> None:
    """Come, say something, hear the answer and leave, so often."""
    for _ in range(number):
        async with open_client(address) as client:
            assert (await client.turn("Hello."))[-1] == END


async def is_well(address: str) -> None:
    """A bystander has its turn, and health checks pass."""
    with trio.fail_after(10):
        await make_lines(address, 1)
        async with httpx2.AsyncClient() as http:
            assert (await http.get(f"{address}/healthz")).status_code == 200


async def ends(process: trio.Process) -> int:
    """SIGTERM is obeyed; the exit code."""
    process.send_signal(signal.SIGTERM)
    with trio.fail_after(10):
        return await process.wait()


async def test_a_reader_who_stops_stops_nothing(tmp_path: Path) -> None:
    """A paused pager: more than the pipe holds is logged, everybody is served, and SIGTERM is obeyed."""
    async with open_logging_server(tmp_path) as server:
        with trio.fail_after(60):
            await make_lines(server.address, 60)
        await is_well(server.address)
        assert await ends(server.process) == 0
    assert len(os.read(server.read, 1_000_000)) >= PIPE // 2, "the pipe was not even full"
    os.close(server.read)


async def test_a_reader_who_goes_on_misses_nothing(tmp_path: Path) -> None:
    """What was logged meanwhile was kept, in whole lines and in order, up to the last word."""
    async with open_logging_server(tmp_path) as server:
        with trio.fail_after(60):
            await make_lines(server.address, 40)
        async with trio.open_nursery() as nursery:
            log: list[bytes] = []

            @nursery.start_soon
            async def read_on() -> None:
                while piece := await trio.to_thread.run_sync(os.read, server.read, 65536):
                    log.append(piece)

            assert await ends(server.process) == 0
    os.close(server.read)
    lines = b"".join(log).decode().splitlines()
    assert sum("clean-up begins" in line for line in lines) == 40
    assert "shut down; left over: 0 tasks" in lines[-1]
    assert all(re.match(r"\d\d:\d\d:\d\d\.\d{3} [A-Z]", line) for line in lines), lines


async def test_a_reader_who_left_is_not_missed(tmp_path: Path) -> None:
    """The pipe is closed: the same, and nothing is said about it for ever and ever."""
    async with open_logging_server(tmp_path) as server:
        os.close(server.read)
        with trio.fail_after(60):
            await make_lines(server.address, 20)
        await is_well(server.address)
        async with httpx2.AsyncClient() as http:
            metrics = (await http.get(f"{server.address}/metrics")).text
        dropped = re.search(r"^trio_backend_log_lines_dropped (\S+)$", metrics, re.MULTILINE)
        assert dropped
        assert float(dropped[1]) >= 20
        assert await ends(server.process) == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
async def test_a_full_disk_is_not_missed_either(tmp_path: Path) -> None:
    """Standard error is a file on a disk that is full."""
    (tmp_path / "conf.yaml").write_text(CONF)
    with open("/dev/full", "wb") as full:
        command = [
            sys.executable,
            "-m",
            "trio_backend",
            "serve",
            "conf.yaml",
            "--port",
            str(unused_port()),
        ]
        process = await trio.lowlevel.open_process([*command], cwd=tmp_path, stderr=full)
    try:
        address = f"http://127.0.0.1:{command[-1]}"
        with trio.fail_after(30):
            while not await answers(address):
                await trio.sleep(0.05)
        await is_well(address)
        assert await ends(process) == 0
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()


async def answers(address: str) -> bool:
    """Whether a program listens there already."""
    try:
        async with httpx2.AsyncClient() as http:
            return (await http.get(f"{address}/readyz")).status_code == 200
    except httpx2.TransportError:
        return False
