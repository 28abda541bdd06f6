"""However the server is told to end: words are stored, no child is left, and it takes no longer than it may.

Findings 12 and 7b.
"""

from __future__ import annotations

import io
import os
import signal
import sqlite3
import subprocess
import sys
import time
import wave
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import attrs
import psutil
import pytest
import trio

from tests.client import Client
from tests.serving.servers import ServerProcess, open_client, open_server_process
from tests.serving.test_serving import conversation

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")

CONF = """
character_config:
  conf_name: iris
  conf_uid: iris_001
  persona_prompt: You are Iris.
  agent_config:
    agent_settings: {basic_memory_agent: {llm_provider: echo_llm}}
  tts_config:
    tts_model: espeak_tts
    espeak_tts: {voice: en}
system_config:
  history_file: history.sqlite3
  drain_timeout: 1
"""
SAID = "This is spoken. This is stuck for ever."
END = {"type": "control", "text": "conversation-chain-end"}
# Speaks at once, or never: then it ignores whoever asks it to end.
ESPEAK = """#!/bin/sh
text=$(cat)
case "$text" in
  *stuck*) trap '' TERM INT HUP; exec sleep 60 ;;
  *) exec cat {sound} ;;
esac
"""


@attrs.frozen
class Talking:
    """A server in the middle of a turn, whose second sentence is stuck in a child process."""

    server: ServerProcess
    client: Client
    children: list[psutil.Process]

    async def ended(self, *, within: float) -> int:
        """The exit code; no child process is left."""
        with trio.fail_after(within):
            code = await self.server.process.wait()
        with trio.fail_after(20):
            while left := [child for child in self.children if is_alive(child)]:
                await trio.sleep(0.02)
        assert left == []
        return code


def is_alive(process: psutil.Process) -> bool:
    """Whether it runs; what waits to be buried does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@asynccontextmanager
async def open_talking(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Talking]:
    """The first sentence has been heard, the second hangs."""
    with_fake_espeak(folder, monkeypatch)
    (folder / "conf.yaml").write_text(CONF)
    async with (
        open_server_process(folder / "conf.yaml", folder) as server,
        open_client(server.address) as client,
    ):
        await client.say("text-input", text=SAID)
        await client.until("audio")
        process = psutil.Process(server.process.pid)
        with trio.fail_after(10):
            while not (children := [child for child in process.children(recursive=True) if is_stuck(child)]):
                await trio.sleep(0.02)
        try:
            yield Talking(server, client, children)
        finally:
            for child in children:
                if is_alive(child):
                    child.kill()


def is_stuck(process: psutil.Process) -> bool:
    """Whether it has become the one that sleeps."""
    try:
        return process.name() == "sleep"
    except psutil.NoSuchProcess:
        return False


def with_fake_espeak(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An espeak-ng on the path that says nothing for a second, or hangs."""
    sound = io.BytesIO()
    with wave.open(sound, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(22050)
        file.writeframes(bytes(2 * 22050))
    (folder / "sound.wav").write_bytes(sound.getvalue())
    program = folder / "bin" / "espeak-ng"
    program.parent.mkdir()
    program.write_text(ESPEAK.format(sound=folder / "sound.wav"))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")


@pytest.fixture
def hangup_ends() -> Iterator[None]:
    """SIGHUP means to child processes what it means by itself, also where the tests run under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("hangup_ends")
async def test_the_terminal_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGHUP, which comes twice then: turns get their time, words are stored, the exit code is 0."""
    async with open_talking(tmp_path, monkeypatch) as talking:
        talking.server.process.send_signal(signal.SIGHUP)
        await talking.server.wait_logged("shutting down")
        talking.server.process.send_signal(signal.SIGHUP)
        assert await talking.client.closed() == 1001
        assert await talking.ended(within=10) == 0
    log = "".join(talking.server.log)
    assert "again" not in log
    assert "left over: 0 tasks, 0 children, 0 sockets" in log
    assert await conversation(tmp_path) == [("human", SAID), ("ai", "This is spoken.")]


async def test_who_started_it_with_nohup_keeps_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGHUP was ignored at the start: it is no end."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        async with open_talking(tmp_path, monkeypatch) as talking:
            talking.server.process.send_signal(signal.SIGHUP)
            await talking.client.say("interrupt-signal", text="This is spoken.")
            assert (await talking.client.turn("Are you there?"))[-1] == END
            talking.server.process.send_signal(signal.SIGTERM)
            assert await talking.ended(within=10) == 0
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_second_signal_stores_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    """In the middle of a turn, with a child that does not want to end: what was heard is on disk."""
    async with open_talking(tmp_path, monkeypatch) as talking:
        talking.server.process.send_signal(number)
        await talking.server.wait_logged("shutting down")
        talking.server.process.send_signal(number)
        assert await talking.ended(within=5) == 0
    log = "".join(talking.server.log)
    assert f"{number.name} again: ending at once" in log
    assert "Traceback" not in log
    assert await conversation(tmp_path) == [("human", SAID), ("ai", "This is spoken.")]


async def test_a_second_signal_waits_for_no_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another program holds the database: the words are lost, but the end comes, and no child is left."""
    async with open_talking(tmp_path, monkeypatch) as talking:
        with closing(sqlite3.connect(tmp_path / "history.sqlite3", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            talking.server.process.send_signal(signal.SIGTERM)
            await talking.server.wait_logged("shutting down")
            talking.server.process.send_signal(signal.SIGTERM)
            await talking.ended(within=5)


async def test_a_third_signal_ends_where_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is waited for, and the parent process sees what ended the server."""
    async with open_talking(tmp_path, monkeypatch) as talking:
        with closing(sqlite3.connect(tmp_path / "history.sqlite3", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            talking.server.process.send_signal(signal.SIGTERM)
            await talking.server.wait_logged("shutting down")
            talking.server.process.send_signal(signal.SIGTERM)
            await talking.server.wait_logged("again")
            talking.server.process.send_signal(signal.SIGTERM)
            with trio.fail_after(20):
                assert await talking.server.process.wait() == -signal.SIGTERM


STUCK = """
import subprocess, sys, time
from trio_backend.observe.log import open_log, start_logging
from trio_backend.ending import limited_end
with open_log():
    start_logging("INFO")
    child = subprocess.Popen(["sleep", "60"])
    print(child.pid, flush=True)
    with limited_end(30), limited_end(0.1):
        time.sleep(60)
"""


def test_an_end_that_is_stuck_is_ended(tmp_path: Path) -> None:
    """The event loop itself hangs: the process ends all the same, its children with it, and says so."""
    began = time.monotonic()
    ended = subprocess.run([sys.executable, "-c", STUCK], capture_output=True, text=True, timeout=30)
    assert ended.returncode == 1
    assert time.monotonic() - began < 20
    pid, *said = ended.stderr.splitlines()
    assert "the shutdown takes longer than 0.1 s" in said[0]
    assert not psutil.pid_exists(int(pid)) or not is_alive(psutil.Process(int(pid)))
