"""Another program holds the history file: turns go on as ever, and nothing that was said is lost."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import attrs
import pytest
import trio

from tests.client import Client, Heard
from tests.history.locks import locked, read
from tests.session.sessions import END, connect_greeted, with_llm
from trio_backend.backend import BackendOptions, open_backend
from trio_backend.history.sqlite import open_sqlite_history

# Real seconds: the file is locked for all that is said in a test, and one wait for it was 4 s and more.
PROMPT = 3.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the history is."""
    return tmp_path / "history.db"


@pytest.fixture
async def client(path: Path, options: BackendOptions, nursery: trio.Nursery) -> AsyncIterator[Client]:
    """A client of a backend with a real file, whose model does not think."""
    async with (
        open_sqlite_history(path) as history,
        open_backend(attrs.evolve(with_llm(options, {}), history=history)) as backend,
    ):
        yield await connect_greeted(backend, nursery)


def errors(heard: list[Heard]) -> list[str]:
    """The codes of the errors among ``heard``."""
    return [message["code"] for message in heard if message["type"] == "error"]


async def wait_stored(path: Path, *contents: str) -> None:
    """Wait until the file holds exactly these."""
    with trio.fail_after(15):
        while read(path) != list(contents):
            await trio.sleep(0.02)


async def test_turns_are_prompt_and_nothing_is_lost(client: Client, path: Path) -> None:
    """Two turns and a barge-in while the file is locked; then all of it is stored, in its order, once."""
    await client.turn("Zero.")
    with locked(path):
        with trio.fail_after(PROMPT):
            first = await client.turn("One.")
            second = await client.turn("Two.")
            await client.say("text-input", text="Three.")
            await client.until("backend-synth-complete")
            await client.say("interrupt-signal", text="Thr")
            await client.say("heartbeat")
            third = await client.until("heartbeat-ack")
        assert read(path) == ["Zero.", "Zero."]

    assert first[-1] == second[-1] == END
    # It is told once, and of all that follows nobody is told again.
    assert errors(first + second + third) == ["history-error"]
    [words] = [message["message"] for message in first if message["type"] == "error"]
    assert "another program holds it locked" in words
    assert "What is said is kept" in words
    await wait_stored(path, "Zero.", "Zero.", "One.", "One.", "Two.", "Two.", "Three.", "Thr")
    assert errors(await client.turn("Four.")) == []


async def test_what_was_said_outlives_the_one_who_said_it(client: Client, path: Path) -> None:
    """The client leaves while the file is locked; its words are stored when it is not."""
    with locked(path):
        with trio.fail_after(PROMPT):
            await client.turn("One.")
        await client.wire.close()

    await wait_stored(path, "One.", "One.")


async def test_other_things_are_read_meanwhile(client: Client, path: Path) -> None:
    """Lists and conversations come as ever."""
    await client.turn("Zero.")
    with locked(path):
        await client.turn("One.")
        with trio.fail_after(PROMPT):
            await client.say("fetch-history-list")
            [*_, answer] = await client.until("history-list")

    assert [one["latest_message"]["content"] for one in answer["histories"]] == ["Zero."]
    await wait_stored(path, "Zero.", "Zero.", "One.", "One.")
