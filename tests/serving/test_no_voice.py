"""A machine without espeak-ng: neither the program nor the wheel. The character answers all the same."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from subprocess import PIPE

import pytest
import trio

from tests.client import Heard
from tests.serving.servers import ServerProcess, open_client, wait_ready
from trio_backend.config.load import packaged_conf

# The wheel is installed where tests run; this hides it as if it were not.
WITHOUT_WHEEL = "import sys; sys.modules['espeakng_loader'] = None; from trio_backend.cli import main; main()"


@asynccontextmanager
async def open_bare_server(folder: Path) -> AsyncIterator[ServerProcess]:
    """``trio-backend serve`` with the shipped configuration, on a machine that has nothing to speak with."""
    conf = packaged_conf() / "conf.yaml"
    command = [sys.executable, "-c", WITHOUT_WHEEL, "serve", str(conf), "--port", "0"]
    env = {**os.environ, "PATH": str(folder)}
    async with trio.open_nursery() as nursery:
        process = await trio.lowlevel.open_process(command, cwd=folder, stderr=PIPE, env=env)
        log: list[str] = []

        async def read() -> None:
            assert process.stderr is not None
            async for piece in process.stderr:
                log.append(piece.decode())  # noqa: PERF401 -- each piece is looked at as it comes

        nursery.start_soon(read)
        server = ServerProcess(process, "", log)
        try:
            await server.wait_logged(" is at http")
            found = re.search(r"is at (http\S+)", "".join(log))
            assert found
            yield ServerProcess(process, found[1], log)
        finally:
            process.kill()
            await process.wait()


def told(heard: list[Heard]) -> list[str]:
    """The errors."""
    return [str(message["message"]) for message in heard if message["type"] == "error"]


@pytest.mark.skipif(sys.platform == "win32", reason="a child process there needs its PATH")
async def test_a_character_without_a_voice_answers_in_text(tmp_path: Path) -> None:
    """It is ready; the log and each client are told once how to get a voice; turns have text and no sound."""
    async with open_bare_server(tmp_path) as server:
        await wait_ready(server.address)
        await server.wait_logged("there is no voice: espeak-ng is not installed.")
        for _ in range(2):
            async with open_client(server.address) as client:
                first, second = await client.turn("Hello."), await client.turn("Who are you?")
            (error,) = told(first)
            # What to install on this system, by a command that fits this installation.
            assert "apt-get install espeak-ng" in error or "brew install espeak-ng" in error
            assert re.search(r"pip .*install .*\[voice\]", error)
            assert told(second) == []
            for turn in (first, second):
                sentences = [message for message in turn if message["type"] == "audio"]
                assert sentences
                assert all(message["display_text"]["text"] for message in sentences)
                assert not any(message["audio"] for message in sentences)
    assert "".join(server.log).count("WARNING there is no voice") == 1
