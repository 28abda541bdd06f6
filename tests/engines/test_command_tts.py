"""Speech synthesis by any program: what it is given, what is taken of it, and how it is stopped."""

from __future__ import annotations

import io
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib import import_module
from pathlib import Path

import pytest
import trio
from loguru import logger

from tests.children import Children
from tests.promptness import PROMPTLY
from trio_backend.audio.pcm import Pcm
from trio_backend.engines.base import Tts
from trio_backend.engines.registry import configure, open_engine
from trio_backend.engines.settings import Environment
from trio_backend.engines.tts.tone import hum
from trio_backend.engines.whole import spoken
from trio_backend.errors import EngineError, SettingsError

TONE = hum(0.3)
# Says what it was given, as samples.
ECHO = "import sys; sys.stdout.buffer.write((sys.stdin.buffer.read() or sys.argv[1].encode()) + b'.')"


def python(code: str, *arguments: str) -> list[str]:
    """A program."""
    return [sys.executable, "-c", code, *arguments]


@asynccontextmanager
async def opened(folder: Path = Path(), **settings: object) -> AsyncIterator[Tts]:
    """The adapter."""
    config = configure("tts", "command_tts", settings, environment=Environment(folder, {}, 2))
    async with open_engine(config) as tts:
        yield tts


@pytest.mark.parametrize("arguments", [[], ["{text}"]], ids=["standard input", "argument"])
async def test_a_program_is_given_the_text(arguments: list[str]) -> None:
    """In its input or as an argument; half a character, and half a sample of the answer, hurt nobody."""
    async with opened(command=python(ECHO, *arguments), sample_rate=22_050) as tts:
        assert await spoken(tts, "a 你 $HOME") == Pcm("a 你 $HOME.".encode(), 22_050)
        assert (await spoken(tts, "a\ud800")).samples == "a\ufffd".encode()
        assert not (await spoken(tts, "…")).samples


@pytest.mark.parametrize("kind", ["WAV", "MP3"])
@pytest.mark.parametrize("out", ["{file}", "/dev/stdout"])
async def test_a_file_may_be_written_anywhere(tmp_path: Path, kind: str, out: str) -> None:
    """To standard output, or to a file that is removed again; the bytes say what it is."""
    file = io.BytesIO()
    import_module("soundfile").write(file, TONE.floats(), TONE.rate, format=kind)
    (tmp_path / "sound").write_bytes(file.getvalue())
    code = "import sys, shutil; shutil.copyfileobj(open(sys.argv[1], 'rb'), open(sys.argv[2], 'wb'))"
    async with opened(command=python(code, str(tmp_path / "sound"), out)) as tts:
        pcm = await spoken(tts, "Hello.")
    assert pcm.rate == TONE.rate
    assert abs(pcm.seconds - TONE.seconds) < 0.15


async def test_no_file_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the program fails or is stopped."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    write = "import sys; open(sys.argv[1], 'w').write('secret')"
    for code in (write, f"{write}; raise SystemExit(1)", f"{write}; import time; time.sleep(60)"):
        async with opened(command=python(code, "{file}"), timeout=0.5) as tts:
            with suppress(EngineError):
                await spoken(tts, "Hello.")
        assert list(tmp_path.iterdir()) == []


async def test_a_path_starts_at_the_folder_of_the_configuration(tmp_path: Path) -> None:
    """Written as in a shell, but none reads it."""
    script = tmp_path / "say it"
    script.write_text(f"#!{sys.executable}\nimport sys; print(sys.argv[1:], end='')")
    script.chmod(0o755)
    async with opened(tmp_path, command="'./say it' $HOME", sample_rate=16_000) as tts:
        assert (await spoken(tts, "Hello.")).samples == b"['$HOME'"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("raise SystemExit('sk-secret')", r"failed \(exit code 1\)"),
        ("import os; os.kill(os.getpid(), 9)", r"failed \(signal 9\)"),
        ("print('sk-secret')", "cannot be used: it is neither WAV nor MP3"),
        ("pass", "cannot be used: it is neither WAV nor MP3"),
        ("while True: print('sk-secret' * 1000)", "more sound than 2 s"),
        ("import time; time.sleep(60)", "took more than 1 s"),
    ],
)
async def test_what_goes_wrong_is_told(code: str, words: str) -> None:
    """Without what the program says, which may be anything; that is for the log, below INFO."""
    lines: list[str] = []
    sink = logger.add(lines.append, level="INFO")
    async with opened(command=python(code), timeout=1) as tts:
        with pytest.raises(EngineError, match=f"command_tts: .*{words}") as caught:
            await spoken(tts, "Hello.")
    logger.remove(sink)
    assert "sk-secret" not in f"{caught.value} {lines}"


async def test_a_program_that_is_not_there_is_named() -> None:
    """As one that cannot be started; and one that writes no file."""
    async with opened(command=["/nowhere/speak"]) as tts:
        with pytest.raises(EngineError, match="command_tts: the program cannot be started: No such file"):
            await spoken(tts, "Hello.")
    async with opened(command=python("pass", "{file}")) as tts:
        with pytest.raises(EngineError, match="command_tts: the program wrote no file"):
            await spoken(tts, "Hello.")


async def test_samples_have_a_bound() -> None:
    """The one that sentences have."""
    async with opened(command=python("print('x' * 70_000)"), sample_rate=16_000) as tts:
        with pytest.raises(EngineError, match="more sound than 2 s"):
            await spoken(tts, "Hello.")


async def test_a_cancel_kills_the_program_and_what_it_started() -> None:
    """At once."""
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(60)'])"
    children = Children()
    async with opened(command=python(code)) as tts:
        with trio.move_on_after(0.5) as scope:
            await spoken(tts, "Hello.")
        assert scope.cancelled_caught
        assert trio.current_time() - scope.deadline < PROMPTLY
        with trio.fail_after(PROMPTLY):
            while children.all():
                await trio.sleep(0.01)


@pytest.mark.parametrize(
    ("key", "value"),
    [("command", []), ("command", "say 'it"), ("command", ["a\0b"]), ("command", 5), ("sample_rate", 1)],
)
def test_wrong_settings_are_named(key: str, value: object) -> None:
    """When the character is loaded."""
    with pytest.raises(SettingsError) as caught:
        configure("tts", "command_tts", {"command": "say", key: value}, environment=Environment(Path(), {}))
    assert caught.value.key == key
