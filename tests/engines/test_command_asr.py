"""Recognition by any program: what it is given, what is taken of it, and how it is stopped."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import trio
from loguru import logger

from tests.children import Children
from tests.engines.speech_sounds import noise, opened
from tests.promptness import PROMPTLY
from trio_backend.audio.pcm import Pcm
from trio_backend.engines.asr import command
from trio_backend.engines.whole import transcribed
from trio_backend.errors import EngineError, SettingsError

READ = """
import sys, wave
with wave.open(sys.argv[1] if sys.argv[1:] else sys.stdin.buffer) as file:
    print(f" {file.getframerate()} {file.getnframes()} {file.getnchannels()}\\n  你好\\n")
"""


def python(code: str, *arguments: str) -> list[str]:
    """A program."""
    return [sys.executable, "-c", code, *arguments]


@pytest.mark.parametrize("arguments", [[], ["{file}"]], ids=["standard input", "file"])
async def test_a_program_is_given_a_wav_file(arguments: list[str]) -> None:
    """In its input or as a file, at the rate that is set; its lines are one text."""
    settings = {"command": python(READ, *arguments), "sample_rate": 8000}
    async with opened("command_asr", settings)() as asr:
        assert not asr.streams
        assert await transcribed(asr, noise(0.5)) == "8000 4000 1 你好"
        assert await transcribed(asr, Pcm(b"", 16_000)) == ""


async def test_no_file_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What people say stays on no disk, also where the program fails or is stopped."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for code in (READ, "raise SystemExit(1)", "import time; time.sleep(60)"):
        settings = {"command": python(code, "{file}"), "timeout": 0.5}
        async with opened("command_asr", settings)() as asr:
            with suppress(EngineError):
                await transcribed(asr, noise(0.1))
        assert list(tmp_path.iterdir()) == []


async def test_a_command_may_be_written_as_in_a_shell(tmp_path: Path) -> None:
    """But none reads it; a path starts at the configuration's folder."""
    script = tmp_path / "hear me"
    script.write_text(f"#!{sys.executable}\nimport sys; print(sys.argv[1:])")
    script.chmod(0o755)
    async with opened("command_asr", {"command": "'./hear me' $HOME 'a b'"}, tmp_path)() as asr:
        assert await transcribed(asr, noise(0.1)) == "['$HOME', 'a b']"


@pytest.mark.parametrize("after", [0.0, 0.05, 0.3])
async def test_a_cancel_kills_the_program_and_what_it_has_started(after: float, tmp_path: Path) -> None:
    """No process is left, however deep: neither of ours, nor an orphan."""
    children = Children()
    pids = tmp_path / "pids"
    asleep = "import time; time.sleep(60)"
    code = (
        "import subprocess, sys\n"
        f"child = subprocess.Popen([sys.executable, '-c', {asleep!r}])\n"
        f"print(child.pid, file=open({str(pids)!r}, 'w'), flush=True)\n"
        "child.wait()\n"
    )
    async with opened("command_asr", {"command": python(code)})() as asr:
        with trio.move_on_after(after) as scope:
            await transcribed(asr, noise(0.1))
        assert trio.current_time() - scope.deadline < PROMPTLY
        with trio.fail_after(30):
            while children.all():
                await trio.sleep(0.01)
            for pid in pids.read_text().split() if pids.exists() else ():
                with suppress(psutil.NoSuchProcess):
                    while psutil.Process(int(pid)).status() != psutil.STATUS_ZOMBIE:
                        await trio.sleep(0.01)


async def test_so_many_run_at_once(tmp_path: Path) -> None:
    """The others wait."""
    running = (
        "import os, sys, time\n"
        "sys.stdin.buffer.read()\n"
        f"while not os.path.exists({str(tmp_path / 'go')!r}): time.sleep(0.01)\n"
        "print('done')"
    )
    children, counts = Children(), set[int]()
    with trio.fail_after(60):
        async with (
            opened("command_asr", {"command": python(running), "processes": 2})() as asr,
            trio.open_nursery() as nursery,
        ):
            for _ in range(4):
                nursery.start_soon(transcribed, asr, noise(0.1))
            while 2 not in counts:
                counts.add(len(children.direct()))
                await trio.sleep(0.02)
            await trio.sleep(0.1)  # in which a third would have begun
            (tmp_path / "go").touch()
            while nursery.child_tasks:
                counts.add(len(children.direct()))
                await trio.sleep(0.02)
    assert max(counts) == 2


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("import sys; print('sk-secret', file=sys.stderr); sys.exit(3)", r"failed \(exit code 3\); run it"),
        ("import os; os.kill(os.getpid(), 9)", r"failed \(signal 9\)"),
        ("while True: print('x' * 10_000)", "writes more than a transcript has"),
        ("import time; time.sleep(60)", r"took more than 1 s"),
    ],
)
async def test_a_program_in_trouble_is_told_in_words(
    code: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What happened; its own words are for the log of whoever looks for them."""
    monkeypatch.setattr(command, "LONGEST_TRANSCRIPT", 50_000)
    lines: list[str] = []
    sink = logger.add(lines.append, level="INFO")
    try:
        async with opened("command_asr", {"command": python(code), "timeout": 1})() as asr:
            with pytest.raises(EngineError, match=told) as caught:
                await transcribed(asr, noise(0.1))
    finally:
        logger.remove(sink)
    assert "secret" not in str(caught.value) + "".join(lines)


async def test_a_program_that_is_not_there_is_told() -> None:
    """When it is asked."""
    async with opened("command_asr", {"command": "no-such-program"})() as asr:
        with pytest.raises(EngineError, match="command_asr: the program cannot be started: No such file"):
            await transcribed(asr, noise(0.1))


@pytest.mark.parametrize("written", ["", [], "'a", ["a\0b"]])
def test_the_command_is_checked(written: object) -> None:
    """It is there, and can be read."""
    with pytest.raises(SettingsError, match=r"^command: "):
        opened("command_asr", {"command": written})
