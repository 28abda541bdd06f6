"""What systemd is told of a server, on a real socket of the kind that it reads."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from tests.server_process import open_server_process
from trio_backend.service_manager import ServiceManager

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="this system has no such sockets")

CONF = """
character_config:
  conf_name: iris
  conf_uid: iris_001
  persona_prompt: You are Iris.
  agent_config:
    agent_settings: {basic_memory_agent: {llm_provider: echo_llm}}
  tts_config: {tts_model: none_tts}
system_config:
  drain_timeout: 3
"""


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """systemd's end; it does not wait for what has not been sent."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind(str(tmp_path / "notify"))
        end.setblocking(False)
        yield end


def told(manager: socket.socket) -> list[list[str]]:
    """The datagrams that have come, as their lines."""
    found = []
    while True:
        try:
            found.append(manager.recv(4096).decode().split("\n"))
        except BlockingIOError:
            return found


def test_assignments_are_lines_of_one_datagram(manager: socket.socket) -> None:
    """So that systemd takes them together."""
    ServiceManager.of({"NOTIFY_SOCKET": manager.getsockname()}).tell("READY=1", "STATUS=Serving")
    assert told(manager) == [["READY=1", "STATUS=Serving"]]


@pytest.mark.skipif(sys.platform != "linux", reason="abstract names are Linux's")
def test_an_abstract_name_is_understood() -> None:
    """systemd writes its first byte, a NUL, as @."""
    name = f"trio-backend-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as end:
        end.bind(f"\0{name}")
        end.setblocking(False)
        ServiceManager.of({"NOTIFY_SOCKET": f"@{name}"}).tell("READY=1")
        assert told(end) == [["READY=1"]]


async def test_the_watchdog_hears_twice_in_its_period(
    manager: socket.socket, autojump_clock: MockClock
) -> None:
    """At once, and then after each half; nothing once the server has ended."""
    environ = {"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "30000000"}
    watched = ServiceManager.of({**environ, "WATCHDOG_PID": str(os.getpid())})
    with trio.move_on_after(31):
        await watched.keep_alive()
    assert trio.current_time() == 31
    assert told(manager) == [["WATCHDOG=1"]] * 3


@pytest.mark.parametrize("changed", [{"WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "soon"}, {"WATCHDOG_USEC": ""}])
async def test_a_watchdog_of_another_process_is_told_nothing(
    manager: socket.socket, changed: dict[str, str], autojump_clock: MockClock
) -> None:
    """A script that started us is the one that it watches; what is no number watches nothing."""
    environ = {"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "30000000", **changed}
    with trio.fail_after(1):
        await ServiceManager.of(environ).keep_alive()
    assert trio.current_time() == 0
    assert told(manager) == []


def test_nobody_is_told_where_nobody_listens(tmp_path: Path) -> None:
    """Neither that nor an unknown kind of address keeps a server from running."""
    ServiceManager.of({"NOTIFY_SOCKET": str(tmp_path / "gone")}).tell("READY=1")
    for address in ("", "vsock:2:1234", "relative"):
        assert ServiceManager.of({"NOTIFY_SOCKET": address}) == ServiceManager()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
async def test_a_server_says_when_it_serves_and_when_it_ends(tmp_path: Path, manager: socket.socket) -> None:
    """READY=1 once clients can connect, with the address; STOPPING=1 with the time that it may take."""
    (tmp_path / "conf.yaml").write_text(CONF)
    environ = {"NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "600000000"}
    async with open_server_process(tmp_path / "conf.yaml", tmp_path, **environ) as server:
        before = told(manager)
        assert sorted(before) == [["READY=1", f"STATUS=Serving at {server.address}"], ["WATCHDOG=1"]]
        server.process.send_signal(signal.SIGTERM)
        with trio.fail_after(20):
            assert await server.process.wait() == 0
    # drain_timeout and SHUTDOWN_TIMEOUT, in microseconds.
    assert told(manager) == [["STOPPING=1", "EXTEND_TIMEOUT_USEC=18000000"]]
