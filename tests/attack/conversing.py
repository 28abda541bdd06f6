"""A real server whose engines are hostile, a client that talks with it, and how much memory that took."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from tests.client import Client, Heard
from tests.serving.servers import configured, open_client, open_server
from trio_backend.config.character import EngineChoice

MIB = 2**20
ECHO = EngineChoice("llm", "echo_llm", {})
MUTE = EngineChoice("tts", "none_tts", {})


@asynccontextmanager
async def open_talk(
    folder: Path, *, llm: EngineChoice = ECHO, tts: EngineChoice = MUTE, **system: object
) -> AsyncIterator[Client]:
    """A client that has been greeted by a server with these engines."""
    config = configured(folder, llm=llm, tts=tts, **system)
    async with open_server(config) as address, open_client(address) as client:
        yield client


def errors(heard: list[Heard]) -> list[str]:
    """What the client was told is wrong."""
    return [str(message["message"]) for message in heard if message["type"] == "error"]


def shown(heard: list[Heard]) -> str:
    """The texts of a turn's sentences."""
    audio = (message for message in heard if message["type"] == "audio")
    return " ".join(message["display_text"]["text"] for message in audio)


def audible(heard: list[Heard]) -> int:
    """How many sentences had a sound."""
    return sum(bool(message["audio"]) for message in heard if message["type"] == "audio")


@contextmanager
def bounded_memory(most: int) -> Iterator[None]:
    """Fail if this process takes more than ``most`` bytes beside what it had; not known but on Linux."""
    status, marks = Path("/proc/self/status"), Path("/proc/self/clear_refs")
    if not marks.exists():
        yield
        return
    marks.write_text("5")  # the peak is counted from here
    before = _peak(status)
    yield
    grown = _peak(status) - before
    assert grown <= most, f"{grown / MIB:.0f} MiB, and {most / MIB:.0f} are allowed"


def _peak(status: Path) -> int:
    found = re.search(r"VmHWM:\s*(\d+) kB", status.read_text())
    assert found
    return int(found[1]) * 1024
