"""The log: a writer that never blocks, and lines that no client can forge."""

from __future__ import annotations

import errno
import logging
import os
import re
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest
from loguru import logger

from trio_backend.observe import log, log_writer
from trio_backend.observe.log import escaped, log_statistics, open_log, start_logging
from trio_backend.observe.log_writer import LogWriter

GAP = re.compile(r"^\((\d+) log lines were dropped here: they could not be written\)$", re.MULTILINE)


class Reader:
    """Takes bytes while it is told to; `broken` makes it an error."""

    def __init__(self) -> None:
        self.reads = threading.Event()
        self.broken = 0
        self.at_most = 1_000_000
        self.got = b""
        self.asked = threading.Event()

    def take(self, data: memoryview) -> int:
        """As `os.write`."""
        self.asked.set()
        assert self.reads.wait(30)
        if self.broken:
            raise OSError(self.broken, os.strerror(self.broken))
        self.got += bytes(data[: self.at_most])
        return min(len(data), self.at_most)

    @property
    def lines(self) -> list[str]:
        return self.got.decode().splitlines()


@pytest.fixture
def reader() -> Iterator[Reader]:
    """It does not read yet; in the end it does."""
    reader = Reader()
    yield reader
    reader.reads.set()


@pytest.fixture
def quiet() -> Iterator[None]:
    """Loguru and `logging` as they were."""
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    logger.remove()
    logger.configure(patcher=lambda _record: None)
    logging.root.handlers[:], logging.root.level = handlers, level


def test_a_writer_keeps_order_and_drops_the_newest(reader: Reader) -> None:
    """Nothing waits for the reader; where lines are missing, a line says how many."""
    writer = LogWriter(reader.take, max_waiting=1_000)
    for number in range(1_000):
        writer.write(f"line {number}\n")
    statistics = writer.statistics()
    assert statistics.waiting <= 1_000
    assert statistics.dropped > 850
    reader.reads.set()
    until(lambda: not writer.statistics().waiting)
    writer.write("and on\n")
    assert writer.close()
    kept = 1_000 - statistics.dropped
    assert reader.lines == [
        *(f"line {number}" for number in range(kept)),
        f"({statistics.dropped} log lines were dropped here: they could not be written)",
        "and on",
    ]


def test_lines_that_come_together_are_written_together(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One wake-up of the thread and one system call for them; the end waits for no others."""
    monkeypatch.setattr(log_writer, "_GATHER", 60)
    reader.reads.set()
    writer = LogWriter(reader.take)
    writer.write("one\n")
    time.sleep(0.2)  # a thread that gathers nothing has written by now
    assert reader.got == b""
    writer.write("two\n")
    assert writer.close(timeout=30)
    assert reader.lines == ["one", "two"]


def test_a_gap_at_the_end_is_told(reader: Reader) -> None:
    """Nothing came after it, but the end."""
    writer = LogWriter(reader.take, max_waiting=100)
    for number in range(50):
        writer.write(f"line {number}\n")
    reader.reads.set()
    assert writer.close()
    assert GAP.search(reader.got.decode())


def test_the_end_does_not_wait_for_a_stuck_reader(reader: Reader) -> None:
    """`close` has a deadline; what comes later goes nowhere."""
    writer = LogWriter(reader.take)
    writer.write("line\n")
    assert reader.asked.wait(10)
    assert not writer.close(timeout=0.01)
    writer.write("too late\n")
    reader.reads.set()
    assert writer.close(timeout=10)
    assert reader.lines == ["line"]
    assert writer.statistics().dropped == 1


@pytest.mark.parametrize("number", [errno.EPIPE, errno.ENOSPC, errno.EIO])
def test_a_broken_reader_is_tried_again(reader: Reader, number: int) -> None:
    """What it refused is counted, and told as soon as it takes something."""
    reader.reads.set()
    reader.broken = number
    writer = LogWriter(reader.take)
    for line in range(20):
        writer.write(f"line {line}\n")
    until(lambda: writer.statistics().dropped == 20)
    reader.broken = 0
    writer.write("well again\n")
    assert writer.close()
    assert reader.lines == ["(20 log lines were dropped here: they could not be written)", "well again"]


def test_a_line_that_was_torn_off_is_ended(reader: Reader) -> None:
    """The disk took half a line: the next one begins in a line of its own."""
    reader.reads.set()
    reader.at_most = 6

    def takes_six(data: memoryview) -> int:
        if reader.got:
            reader.broken = errno.ENOSPC
        return reader.take(data)

    writer = LogWriter(takes_six)
    writer.write("a long line\n")
    until(lambda: writer.statistics().dropped == 1)
    writer._raw = reader.take
    reader.at_most, reader.broken = 1_000, 0
    writer.write("next\n")
    assert writer.close()
    assert reader.lines[0] == "a long"
    assert reader.lines[-1] == "next"


def test_a_descriptor_that_must_not_block_is_waited_for(reader: Reader) -> None:
    """Another program had set the terminal so."""
    reader.reads.set()
    answers = iter([BlockingIOError(), None])

    def take(data: memoryview) -> int | None:
        answer = next(answers, 0)
        if isinstance(answer, BlockingIOError):
            raise answer
        return answer if answer is None else reader.take(data)

    writer = LogWriter(take)
    writer.write("line\n")
    assert writer.close(timeout=10)
    assert reader.lines == ["line"]


def until(holds: object) -> None:
    """Wait for what another thread does."""
    assert callable(holds)
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.001)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("two\nlines\r", r"two\nlines\r"),
        ("\x1b[2J\x1b]0;title\x07", r"\x1b[2J\x1b]0;title\x07"),
        ("\x9b31m \x7f", r"\x9b31m \x7f"),
        ("abc\u202ecod.exe\u2066", r"abc\u202ecod.exe\u2066"),
        ("line\u2028separator\x85", r"line\u2028separator\x85"),
        ("half \ud83d an emoji", r"half \ud83d an emoji"),
        ("NUL \x00 tab \t", r"NUL \x00 tab \t"),
        ("你好 – “quoted” 👩\u200d🚀 é\u00a0!", "你好 – “quoted” 👩\u200d🚀 é\u00a0!"),
    ],
)
def test_what_comes_from_outside_steers_nothing(text: str, line: str) -> None:
    """Control characters, new lines, changes of direction and lone surrogates are written as escapes."""
    assert escaped(text) == line


def test_a_message_that_a_client_made_long_is_cut() -> None:
    """Its beginning and its end stay."""
    line = escaped("<" + "x" * 1_000_000 + ">")
    assert len(line) < 1.1 * log.MAX_LINE
    assert line.startswith("<x")
    assert line.endswith("x>")


def test_lines_cannot_be_forged(quiet: None) -> None:
    """Neither by a value in a message, nor by the text of an exception, nor by a library's message."""
    written: list[str] = []

    class Sink:
        def write(self, text: str) -> None:
            written.append(text)

        def isatty(self) -> bool:
            return False

    start_logging("INFO", Sink())
    forged = "\n12:00:00.000 ERROR   all is lost\x1b[2J"
    with logger.contextualize(session="7f3a"):
        logger.info("models: {}", forged)
    try:
        raise RuntimeError(forged)
    except RuntimeError:
        logger.exception("a bug")
    logging.getLogger("library").warning("said: %s", forged)
    text = "".join(written)
    assert "\x1b" not in text
    assert [line.split(maxsplit=1)[1] for line in text.splitlines() if re.match(r"\d\d:", line)] == [
        r"INFO    [7f3a] models: \n12:00:00.000 ERROR   all is lost\x1b[2J",
        "ERROR   a bug",
        r"WARNING library: said: \n12:00:00.000 ERROR   all is lost\x1b[2J",
    ]
    assert "  RuntimeError: " in text
    assert "  12:00:00.000 ERROR   all is lost\\x1b[2J\n" in text


def test_all_that_is_printed_goes_through_the_writer(
    quiet: None, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ours, a library's, a print, a warning, and what a thread dies of; afterwards all is as before."""
    monkeypatch.setattr(sys, "stderr", os.fdopen(os.dup(2), "w"))
    before = sys.stdout, sys.stderr
    with open_log():
        start_logging("INFO")
        logger.info("ours {}", 1)
        logging.getLogger("library").warning("theirs")
        print("printed\x1b", end=" ")
        print("in two")
        sys.stderr.write("on standard error\n")
        traceback.print_exception(ValueError("a thread's traceback"))
        assert sys.stderr.fileno() == before[1].fileno()
        assert log_statistics().dropped == 0
    assert (sys.stdout, sys.stderr) == before
    said = capfd.readouterr().err
    sys.stderr.close()
    for wanted in (
        "ours 1",
        "library: theirs",
        "printed\\x1b in two",
        "on standard error",
        "ValueError: a thread's",
    ):
        assert said.count(wanted) >= 1, wanted


def test_what_is_captured_is_written_as_ever(
    quiet: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Standard error without a descriptor: a test, an embedding program."""
    with open_log():
        start_logging("INFO")
        logger.info("captured")
        assert "captured" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="systemd is Linux's")
@pytest.mark.parametrize("connected", [True, False])
def test_the_journal_gets_priorities_instead_of_the_time(tmp_path: Path, connected: bool) -> None:
    """Each line has one, a trace's too. Who only inherits the variable writes for people."""
    found = tmp_path.stat()
    with (tmp_path / "stderr").open("w+") as stderr:
        found = os.fstat(stderr.fileno()) if connected else found
        environ = {**os.environ, "JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}
        subprocess.run([sys.executable, "-c", LOGS], stderr=stderr, env=environ, check=True, timeout=60)
        stderr.seek(0)
        lines = stderr.read().splitlines()
    if connected:
        assert lines[:2] == ["<6>INFO    ready", "<4>WARNING [4fa1] {slow} <b>"]
        assert lines[2] == "<3>ERROR   broken"
        assert lines[3].startswith("<3>  Traceback")
        assert lines[-1] == "<3>  ValueError: no"
        assert all(line.startswith("<3>") for line in lines[2:])
    else:
        assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d{3} INFO    ready", lines[0])


LOGS = """
from loguru import logger
from trio_backend.observe.log import open_log, start_logging
with open_log():
    start_logging("INFO")
    logger.info("ready")
    logger.bind(session="4fa1").warning("{slow} <b>")
    try:
        raise ValueError("no")
    except ValueError:
        logger.exception("broken")
"""
