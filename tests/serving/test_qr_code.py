"""The QR code in the terminal: what is in it, and where it is shown."""

from __future__ import annotations

import os
import pty
import re
import struct
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import attrs
import pytest
import trio

from tests.server_process import PROGRAM, TIMEOUT
from tests.serving.test_start_report import BASE, write
from trio_backend.qr_code import BORDER, qr_image, qr_lines

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="these terminals are POSIX's")

TOKEN = "open sesame & co"
_SEQUENCE = re.compile(r"\x1b\[[0-9;]*m")
_DARK = {"█": (0, 0), "▀": (0, 1), "▄": (1, 0), " ": (1, 1)}


def modules(lines: list[str]) -> list[list[int]]:
    """What a reader sees: 1 where it is dark."""
    pairs = [[_DARK[mark] for mark in line] for line in lines]
    return [[pair[half] for pair in row] for row in pairs for half in (0, 1)]


def code_of(text: str, rows: int) -> list[list[int]]:
    import segno

    code = [
        [int(bool(one)) for one in row] for row in segno.make(text, micro=False).matrix_iter(border=BORDER)
    ]
    return code + [[0] * len(code[0])] * (rows - len(code))


@pytest.mark.parametrize("text", ["http://192.168.1.5:12393/", "https://[fd00::5]/page/?token=" + "x" * 60])
def test_a_code_has_two_modules_in_each_character(text: str) -> None:
    """In colours of its own, or in those of a terminal with a dark background."""
    plain, coloured = qr_lines(text, colours=False), qr_lines(text, colours=True)
    assert modules(list(plain)) == code_of(text, 2 * len(plain))
    assert [_SEQUENCE.sub("", line) for line in coloured] == plain
    assert all(line.startswith("\x1b[97;40m") and line.endswith("\x1b[0m") for line in coloured)


def test_a_picture_is_one_that_a_page_may_show() -> None:
    """Without a file of its own, black on white whatever the page's colours are."""
    picture = qr_image("http://192.168.1.5/")
    assert picture.startswith("data:image/svg+xml")
    assert "%23fff" in picture
    assert "%23000" in picture


@attrs.frozen
class Terminal:
    """A server with a terminal of its own; ``shown`` is what is on it."""

    process: trio.Process
    shown: list[str]

    @property
    def text(self) -> str:
        return "".join(self.shown)

    async def wait_shown(self, text: str) -> None:
        with trio.fail_after(TIMEOUT):
            while text not in self.text:
                await trio.sleep(0.01)

    @property
    def code(self) -> list[str]:
        """The lines of the code."""
        lines = [_SEQUENCE.sub("", line).rstrip("\r") for line in self.text.split("\n")]
        return [line for line in lines if line and set(line) <= set(_DARK)]


@asynccontextmanager
async def open_terminal(
    folder: Path, *options: str, host: str = "0.0.0.0", columns: int = 100
) -> AsyncIterator[Terminal]:
    """``serve`` in a terminal that is so wide."""
    import fcntl
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    command = [*PROGRAM, "serve", "--host", host, "--port", "0", *options, "conf.yaml"]
    process = await trio.lowlevel.open_process(
        command, cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    terminal = Terminal(process, [])

    async def read() -> None:
        async with trio.lowlevel.FdStream(ours) as stream:
            # Linux ends a terminal with an error.
            with suppress(trio.BrokenResourceError):
                async for piece in stream:
                    terminal.shown.append(piece.decode())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read)
        try:
            await terminal.wait_shown(" is at ")
            yield terminal
        finally:
            process.kill()
            await process.wait()


def write_locked(folder: Path) -> None:
    write(folder, BASE.replace("{config", f"{{access_token: '{TOKEN}', config"))


def network_address(terminal: Terminal) -> str:
    found = re.search(r"network: (\S+)\r", terminal.text)
    if found is None:
        pytest.skip("this machine has no address in a network")
    return found[1]


async def test_a_terminal_shows_the_address_for_phones_with_the_token(tmp_path: Path) -> None:
    """It is in the code alone: no line has it. What microphones need is said, too."""
    write_locked(tmp_path)
    async with open_terminal(tmp_path) as terminal:
        await terminal.wait_shown("microphone")
        address = network_address(terminal)
        await terminal.wait_shown("the code opens the page on a phone, and holds the access token")
        expected = f"{address}/?token=open%20sesame%20%26%20co"
        code = terminal.code
        assert modules(code) == code_of(expected, 2 * len(code))
        assert "sesame" not in terminal.text
        assert "trio-backend serve --https" in terminal.text


@pytest.mark.parametrize(
    ("options", "host", "columns"),
    [(["--no-qr"], "0.0.0.0", 100), ([], "0.0.0.0", 28), ([], "127.0.0.1", 100)],
)
async def test_there_is_no_code_where_it_is_not_wanted(
    tmp_path: Path, options: list[str], host: str, columns: int
) -> None:
    """Nor where it would be torn, and nor where no phone connects."""
    write(tmp_path, bob="character_config: {conf_name: Bob, conf_uid: bob_001, avatar: no.svg}")
    async with open_terminal(tmp_path, *options, host=host, columns=columns) as terminal:
        # What is told after the code.
        await terminal.wait_shown("bob.yaml")
        assert terminal.code == []
        assert "the code opens" not in terminal.text
