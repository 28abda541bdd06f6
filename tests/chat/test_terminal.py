"""The program in a real terminal: typing while lines arrive, signals, and what it leaves behind."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest
import trio

from tests.chat.scripted import Peer, Server, closed
from tests.chat.users import wait_for

if sys.platform == "win32":
    pytest.skip("Windows has no pseudo-terminals of this kind", allow_module_level=True)

import pty
import termios

PROGRAM = """
import sys, trio
from trio_backend.chat import ChatOptions, chat
sys.exit(trio.run(chat, ChatOptions(sys.argv[1], voice=False), strict_exception_groups=True))
"""


@attrs.define(eq=False)
class Terminal:
    """A terminal with the program in it. ``fd`` is the side where the person is."""

    fd: int
    device: int
    process: trio.Process
    written: bytes = b""
    watching: trio.CancelScope = attrs.field(factory=trio.CancelScope)

    async def watch(self) -> None:
        """Keep what the program writes."""
        with self.watching:
            while True:
                await trio.lowlevel.wait_readable(self.fd)
                self.written += os.read(self.fd, 65536)

    def press(self, keys: str) -> None:
        """Type."""
        os.write(self.fd, keys.encode())

    @property
    def seen(self) -> str:
        """All that was written, without what moves the cursor and paints."""
        return re.sub(r"\x1b\[[0-?]*[ -/]*[@-~]", "", self.written.decode())

    async def until(self, text: str) -> None:
        """Wait until ``text`` has been written."""
        await wait_for(lambda: text in self.seen, lambda: f"{text!r} was not written, but {self.seen!r}")

    @property
    def rows(self) -> list[str]:
        """The lines that stand on the screen for good, as the person reads them."""
        return [row.rpartition("\r")[2] for row in self.seen.replace("\r\n", "\n").split("\n")]

    def mode(self) -> Any:
        """How the terminal treats keys, as termios has it."""
        return termios.tcgetattr(self.device)


@asynccontextmanager
async def open_terminal(server: Server, nursery: trio.Nursery) -> AsyncIterator[tuple[Terminal, Peer]]:
    """A program that has been greeted, in a terminal that is as it was afterwards."""
    fd, device = pty.openpty()
    before = termios.tcgetattr(device)
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "60", "LINES": "20", "PYTHONUTF8": "1"}
    process = await trio.lowlevel.open_process(
        [sys.executable, "-c", PROGRAM, f"127.0.0.1:{server.port}"],
        stdin=device, stdout=device, stderr=device, env=environment, start_new_session=True,
    )  # fmt: skip
    terminal = Terminal(fd, device, process)
    nursery.start_soon(terminal.watch)
    try:
        with trio.fail_after(30):
            peer = await server.accept()
        await peer.greet()
        await terminal.until("Iris is here")
        yield terminal, peer
    finally:
        process.terminate()
        with trio.move_on_after(10, shield=True):
            await process.wait()
        process.kill()
        terminal.watching.cancel()
        after = termios.tcgetattr(device)
        os.close(fd)
        os.close(device)
    assert after == before


async def test_lines_arrive_without_garbling_what_is_typed(server: Server, nursery: trio.Nursery) -> None:
    """The half-typed line stays below what is shown, and is sent as it was typed."""
    async with open_terminal(server, nursery) as (terminal, peer):
        terminal.press("Hello?\r")
        await peer.begin_turn("Hello?")
        await terminal.until("Thinking... › ")
        terminal.press("I am typ")
        await terminal.until("› I am typ")
        await peer.speak("First.", emotion="joy")
        await peer.speak("Second.")
        await terminal.until("Second.")
        terminal.press("ingg\x7f 米娅\r")
        await peer.expect("interrupt-signal", text="First. Second.")
        await peer.expect("text-input", text="I am typing 米娅")
        await terminal.until("typing 米娅\r\n")
        said = ["› Hello?", "Iris ☺ joy: First.", "  Second.", "› I am typing 米娅"]
        assert [row for row in terminal.rows if row in said] == said
        terminal.press("\x04")
        assert await terminal.process.wait() == 0
        assert await closed(peer) == 1000


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
async def test_a_signal_ends_the_program_cleanly(server: Server, nursery: trio.Nursery, number: int) -> None:
    """The terminal is given back, the server told. `open_terminal` holds the terminal against before."""
    async with open_terminal(server, nursery) as (terminal, peer):
        during = terminal.mode()
        terminal.process.send_signal(number)
        assert await terminal.process.wait() == 0
        assert await closed(peer) == 1000
        assert terminal.mode() != during
        assert "Traceback" not in terminal.seen


async def test_the_terminal_is_taken_back_after_a_pause(server: Server, nursery: trio.Nursery) -> None:
    """Shells put the terminal into a mode of their own while a program is suspended."""
    async with open_terminal(server, nursery) as (terminal, _):
        ours, usual = terminal.mode(), terminal.mode()
        usual[3] |= termios.ECHO | termios.ICANON
        terminal.press("half a line")
        await terminal.until("half a line")
        terminal.process.send_signal(signal.SIGSTOP)
        terminal.written = b""
        termios.tcsetattr(terminal.device, termios.TCSANOW, usual)
        terminal.process.send_signal(signal.SIGCONT)
        await wait_for(lambda: terminal.mode() == ours, lambda: "the mode is still the shell's")
        await terminal.until("› half a line")


async def test_paragraphs_are_pasted_as_one_message(server: Server, nursery: trio.Nursery) -> None:
    """Their lines do not cut in on each other."""
    async with open_terminal(server, nursery) as (terminal, peer):
        assert b"\x1b[?2004h" in terminal.written
        terminal.press("\x1b[200~one\ntwo\n\x1b[201~three\r")
        await peer.expect("text-input", text="one two three")
