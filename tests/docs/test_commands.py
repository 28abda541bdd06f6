"""Every command of the pages is run; what cannot be run here is looked at, and says why it is not."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from cyclopts import CycloptsError

from trio_backend.cli import app

from .conftest import TIMEOUT, Prepare, RunningServer, wait_for_address
from .pages import ROOT, WITH_CODE, Block, all_blocks, blocks, inline_code

BLOCKS = all_blocks()
RUNNABLE = [block for block in BLOCKS if block.language in ("sh", "console", "python")]
RUN = [block for block in RUNNABLE if "not run" not in block.notes]
NOT_RUN = [block for block in RUNNABLE if "not run" in block.notes]
# The languages of a block, and who looks at it. Text is nobody's.
LANGUAGES = {"sh", "console", "python", "yaml", "json", "nginx", "caddyfile", "text"}

pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="the pages' commands are those of a POSIX shell"
)


def test_every_block_says_its_language() -> None:
    """And it is one that these tests know."""
    assert [str(block) for block in BLOCKS if block.language not in LANGUAGES] == []


def test_few_commands_are_not_run() -> None:
    """Each of these says why; whoever adds one changes this list, and finds another way first."""
    assert Counter(block.notes["not run"] for block in NOT_RUN) == NOT_RUN_REASONS


NOT_RUN_REASONS = {
    "installs packages": 4,
    "needs the network": 3,
    "needs root": 1,
    "needs Docker": 1,
    "stops the service": 1,
    "takes minutes": 2,
}


@pytest.mark.parametrize("block", RUN, ids=str)
def test_commands(block: Block, prepare: Prepare, server: RunningServer, environ: Mapping[str, str]) -> None:
    """Each ends with 0; a server that it starts says where it is, and ends with 0 when it is told to."""
    program = block.notes.get("needs", "sh")
    if shutil.which(program) is None:
        pytest.skip(f"needs the program {program}")
    folder = prepare(block)
    before = contents(folder) if "in folder" in block.notes else {}
    text = server.at_its_port(block.text)
    if block.language == "python":
        output = run([sys.executable, "-c", text], folder, environ)
    elif block.language == "console":
        output = run_console(text, folder, environ)
    elif "trio-backend serve" in text:
        output = run_server(text, folder, environ)
    else:
        output = run(["bash", "-euo", "pipefail", "-c", with_address(text, server)], folder, environ)
    assert "Traceback" not in output
    assert before.items() <= contents(folder).items(), "files of somebody else are left as they were"


def contents(folder: Path) -> dict[Path, bytes]:
    """All files in ``folder``."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def with_address(text: str, server: RunningServer) -> str:
    """``text`` in which `chat` finds the server without an address, as it does at the usual port."""
    return re.sub(
        r"trio-backend chat(?! ws)", f"trio-backend chat ws://127.0.0.1:{server.port}/client-ws", text
    )


def run(command: list[str], folder: Path, environ: Mapping[str, str]) -> str:
    """What ``command`` prints. It must end with 0. Somebody types one line to it, and no more."""
    ended = subprocess.run(
        command,
        cwd=folder,
        env=environ,
        input="Hello.\n",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout
    return ended.stdout


def run_console(text: str, folder: Path, environ: Mapping[str, str]) -> str:
    """The lines behind ``$`` are run; the others are found in what they print, where ``…`` is anything."""
    printed = ""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, expected = part.partition("\n")
        printed += (output := run(["bash", "-euo", "pipefail", "-c", command], folder, environ))
        rest = iter(output.splitlines())
        for line in filter(str.strip, expected.splitlines()):
            pattern = ".*".join(map(re.escape, line.rstrip().split("…")))
            assert any(re.fullmatch(pattern, got.rstrip()) for got in rest), f"{line!r} is not in\n{output}"
    return printed


def run_server(text: str, folder: Path, environ: Mapping[str, str]) -> str:
    """The log of the server that ``text`` starts, from its start to its end by SIGTERM."""
    text = re.sub(r"trio-backend serve(?![^\n]*--port)([^\n]*)", r"trio-backend serve\1 --port 0", text)
    log = folder / "log"
    with log.open("wb") as sink:
        shell = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", text],
            cwd=folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait_for_address(shell, log)
        for process in [psutil.Process(shell.pid), *psutil.Process(shell.pid).children(recursive=True)]:
            # The shell itself waits for the server, or has become it; a child may end meanwhile.
            with suppress(psutil.NoSuchProcess):
                if "serve" in process.cmdline()[2:4]:
                    process.send_signal(signal.SIGTERM)
        assert shell.wait(TIMEOUT) == 0, log.read_text()
    finally:
        if shell.poll() is None:
            os.killpg(shell.pid, signal.SIGKILL)
            shell.wait()
    said = log.read_text("utf-8")
    assert "shut down" in said
    assert "needs no access_token" not in said, "nobody is told to let everybody in"
    return said


@pytest.mark.parametrize("block", NOT_RUN, ids=str)
def test_commands_that_are_not_run(block: Block) -> None:
    """The shell can read them, and what they name of this project is there."""
    assert block.language == "sh"
    subprocess.run(["bash", "-n", "-c", block.text], check=True)
    for command in commands_of(block.text):
        check_command(command)


INLINE = [
    (path, code)
    for path in WITH_CODE
    for code in dict.fromkeys(inline_code(path))
    if re.match(r"(\. \.venv/bin/activate && )?(trio-backend|nox|python benchmarks/|python -m tests)\b", code)
    and " " in code
]


@pytest.mark.parametrize(("path", "code"), INLINE, ids=[f"{path.name}: {code}" for path, code in INLINE])
def test_commands_within_sentences(path: Path, code: str) -> None:
    """Their subcommands, options, sessions and files are there."""
    commands = list(commands_of(code))
    assert commands
    for command in commands:
        check_command(command)


def commands_of(text: str) -> Iterator[list[str]]:
    """The words of each command in ``text``; brackets around what may be left out are dropped."""
    for line in re.split(r"\n|&&|;", text.replace("\\\n", " ")):
        words = shlex.split(line.replace("[CONFIG]", "CONFIG"), comments=True)
        if words:
            yield words


def check_command(words: list[str]) -> None:
    """What ``words`` name of this project is there; other programs' options are theirs."""
    program, *rest = words
    if Path(program).name == "trio-backend":
        try:
            app.parse_args(rest, exit_on_error=False, print_error=False)
        except CycloptsError as error:
            raise AssertionError(f"{shlex.join(words)}: {error}") from error
    elif program == "nox" and rest:
        assert rest[0] == "-s"
        assert f"def {rest[1]}(session" in (ROOT / "noxfile.py").read_text("utf-8"), words
        if rest[1:3] == ["bench", "--"]:
            assert (ROOT / "benchmarks" / f"{rest[3]}.py").is_file(), words
    elif program.startswith("python") and rest[0].startswith("benchmarks/"):
        assert (ROOT / rest[0]).is_file(), words
    extras = re.findall(r"\.\[([\w,-]+)\]", shlex.join(words))
    known = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    assert {name for names in extras for name in names.split(",")} <= known.keys()


@pytest.mark.parametrize("path", WITH_CODE, ids=lambda path: path.name)
def test_what_is_installed_is_found(path: Path) -> None:
    """Every pip is told where to install: the README's environment has none of its own."""
    texts = [*inline_code(path), *(line for block in blocks(path) for line in block.text.splitlines())]
    installs = [text for text in texts if re.search(r"\bpip\b.* install|\bpip install", text)]
    assert [text for text in installs if "--python " not in text and ".venv/bin/" not in text] == []


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language == "json"], ids=str)
def test_json(block: Block) -> None:
    """It is an object."""
    assert isinstance(json.loads(block.text), dict)
