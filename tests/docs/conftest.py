"""One running server for all commands of the pages, and a folder for each command that is like a clone's."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import pytest

from .pages import ROOT, Block, all_blocks

# Seconds; most take one, and a busy machine ten times as long.
TIMEOUT = 60.0
_PORT = 12393
# Where this interpreter and the programs of its environment are.
BESIDE = Path(sys.executable).parent
_ADDRESS = re.compile(r"is at (http\S+)\s")


@attrs.frozen
class RunningServer:
    """A server with rooms, at ``port`` of this machine; ``folder`` is where it was started."""

    folder: Path
    port: int

    def at_its_port(self, text: str) -> str:
        """``text`` of a page, for this server instead of one at the usual port."""
        return re.sub(rf"(127\.0\.0\.1|localhost):{_PORT}", rf"\1:{self.port}", text)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """The server that the pages' commands find."""
    folder = tmp_path_factory.mktemp("server")
    shutil.copytree(ROOT / "conf", folder / "conf")
    conf = folder / "conf" / "conf.yaml"
    conf.write_text(
        conf.read_text("utf-8").replace("system_config:\n", "system_config:\n  enable_proxy: true\n")
    )
    log = folder / "log"
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", "trio_backend", "serve", "--port", "0"], cwd=folder, stderr=sink
        )
    try:
        address = wait_for_address(process, log)
        # Commands look for the history where they are, as people do who are in the server's folder.
        yield RunningServer(folder, int(address.rpartition(":")[2]))
    finally:
        process.terminate()
        process.wait(TIMEOUT)


def wait_for_address(process: subprocess.Popen[bytes], log: Path) -> str:
    """The address that a server writes to ``log``. Raises `AssertionError` if it ends, or takes too long."""
    end = time.monotonic() + TIMEOUT
    while not (found := _ADDRESS.search(log.read_text("utf-8", "replace"))):
        assert process.poll() is None, log.read_text("utf-8", "replace")
        assert time.monotonic() < end, log.read_text("utf-8", "replace")
        time.sleep(0.02)
    return found[1]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder with what commands use of a clone with the README's environment."""
    shutil.copytree(ROOT / "conf", tmp_path / "conf")
    programs = tmp_path / ".venv" / "bin"
    programs.mkdir(parents=True)
    (programs / "activate").write_text(f"PATH={shlex.quote(str(programs))}:$PATH\n", "utf-8")
    for name in ("python", "python3", "trio-backend"):
        # Not `resolve`: the interpreter of an environment is a link, too, and finds its packages by its name.
        (programs / name).write_text(f'#!/bin/sh\nexec {shlex.quote(str(BESIDE / name))} "$@"\n', "utf-8")
        (programs / name).chmod(0o755)
    return tmp_path


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """The environment of somebody who has this interpreter's programs, and no settings."""
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "TMPDIR")}
    programs = os.pathsep.join([str(BESIDE), kept.get("PATH", os.defpath)])
    return {**kept, "PATH": programs, "HOME": str(tmp_path), "COLUMNS": "120"}


Prepare = Callable[[Block], Path]


@pytest.fixture
def prepare(clone: Path, server: RunningServer) -> Prepare:
    """Makes the folder in which a block's commands are to be run, with the files of its page."""

    def prepare(block: Block) -> Path:
        if block.notes.get("run in") == "the server's folder":
            return server.folder
        folder = clone
        if name := block.notes.get("in folder"):
            folder = clone / name
            shutil.copytree(ROOT / "tests" / "config" / "old_backend", folder)
            said = {"role": "human", "timestamp": "2025-01-01T10:00:00", "content": "Hello."}
            (folder / "chat_history" / "mao_001").mkdir(parents=True)
            (folder / "chat_history" / "mao_001" / "2025-01-01_10-00-00_abc.json").write_text(
                json.dumps([said])
            )
        if "with a token" in block.notes:
            conf = clone / "conf" / "conf.yaml"
            text = conf.read_text("utf-8").replace(
                "# access_token: ${TRIO_BACKEND_TOKEN}", "access_token: abc"
            )
            conf.write_text(text, "utf-8")
        for other in all_blocks():
            # The command that makes a copy of the configuration makes the folder, too.
            name = other.notes.get("file", "")
            if other.page == block.page and name and "cp -r" not in block.text:
                place = folder / name
                if not place.parent.exists():
                    shutil.copytree(folder / "conf", folder / Path(name).parts[0])
                place.write_text(other.text, "utf-8")
        return folder

    return prepare
