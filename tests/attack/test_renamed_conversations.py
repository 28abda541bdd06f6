"""Renaming: whatever is sent as a title, and whatever happens to its conversation meanwhile."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from trio.testing import MockClock

from tests.client import Client
from tests.history.samples import FIRST, MAO, human
from tests.session.sessions import connect_greeted
from trio_backend.backend import Backend, BackendOptions, open_backend
from trio_backend.history import queries
from trio_backend.history.database import history_error, open_reader
from trio_backend.history.memory import MemoryHistory
from trio_backend.history.sqlite import open_sqlite_history

ACCEPTS = ["titles", "history-renamed"]
QUESTION = "What are tides?"


@pytest.fixture(params=["memory", "sqlite"])
async def shared(
    request: pytest.FixtureRequest, options: BackendOptions, tmp_path: Path
) -> AsyncIterator[Backend]:
    """A backend, over each store in turn."""
    if request.param == "memory":
        async with open_backend(attrs.evolve(options, history=MemoryHistory())) as backend:
            yield backend
        return
    async with (
        open_sqlite_history(tmp_path / "history.db") as history,
        open_backend(attrs.evolve(options, history=history)) as backend,
    ):
        yield backend


async def open_page(backend: Backend, nursery: trio.Nursery, accepts: list[str] = ACCEPTS) -> Client:
    """A client that has said hello."""
    client = await connect_greeted(backend, nursery)
    await client.say("hello", accepts=accepts)
    await client.until("hello")
    return client


async def talk(client: Client, text: str = QUESTION) -> str:
    """One turn of a new conversation, which is stored; its name."""
    await client.say("create-new-history")
    uid = str((await client.until("new-history-created"))[-1]["history_uid"])
    await client.turn(text)
    while uid not in await titles(client):
        await trio.sleep(0.01)
    return uid


async def titles(client: Client) -> dict[str, str]:
    """What the list shows."""
    await client.say("fetch-history-list")
    return {one["uid"]: one["title"] for one in (await client.until("history-list"))[-1]["histories"]}


async def rename(client: Client, uid: str, title: object) -> dict[str, Any]:
    """The answer."""
    await client.say("rename-history", history_uid=uid, title=title)
    return await told(client)


async def told(client: Client) -> dict[str, Any]:
    """The next title or error that a client is told."""
    with trio.fail_after(30):
        while (heard := await client.hear())["type"] not in ("history-renamed", "error"):
            pass
    return heard


async def test_every_page_of_the_person_sees_the_new_title(shared: Backend, nursery: trio.Nursery) -> None:
    """If it knows what that is, and at once; an empty title brings back what was said first."""
    one, other = await open_page(shared, nursery), await open_page(shared, nursery)
    plain = await open_page(shared, nursery, ["titles"])
    uid = await talk(one)

    for title, shown in (("The sea", "The sea"), ("", QUESTION)):
        expected = {"type": "history-renamed", "history_uid": uid, "title": shown}
        assert await rename(one, uid, title) == expected
        assert await told(other) == expected
        assert await titles(other) == {uid: shown}
    await plain.say("heartbeat")
    assert (await plain.hear())["type"] == "heartbeat-ack"


async def test_a_page_with_another_character_is_not_told(shared: Backend, nursery: trio.Nursery) -> None:
    """The conversation is not in its list."""
    one, other = await open_page(shared, nursery), await open_page(shared, nursery)
    uid = await talk(one)
    await other.say("switch-config", file="ann.yaml")
    await other.until("config-switched")

    await rename(one, uid, "The sea")

    await other.say("heartbeat")
    assert [each["type"] for each in await other.until("heartbeat-ack")] == ["heartbeat-ack"]


async def test_who_does_not_know_the_answer_gets_none(shared: Backend, nursery: trio.Nursery) -> None:
    """What they ask is done all the same."""
    page, plain = await open_page(shared, nursery), await open_page(shared, nursery, ["titles"])
    uid = await talk(plain)

    await plain.say("rename-history", history_uid=uid, title="The sea")
    await plain.say("heartbeat")

    assert [each["type"] for each in await plain.until("heartbeat-ack")] == ["heartbeat-ack"]
    assert (await told(page))["title"] == "The sea"
    assert await titles(plain) == {uid: "The sea"}


@pytest.mark.parametrize(
    "title",
    ["x" * 121, "猫" * 2**20, "a\nb", "\0", "a\x1b[2J", "tab\t", "\x85", None, 7, ["x"]],
    ids=["long", "megabytes", "line", "nul", "escape", "tab", "next-line", "null", "number", "list"],
)
async def test_what_is_no_title_is_refused(shared: Backend, nursery: trio.Nursery, title: object) -> None:
    """In a short sentence that does not repeat it; the old one stays, and the connection."""
    page = await open_page(shared, nursery)
    uid = await talk(page)

    answer = await rename(page, uid, title)

    assert answer["code"] in ("bad-message", "too-much-data")
    assert len(answer["message"]) < 200
    assert "猫" not in answer["message"]
    assert await titles(page) == {uid: QUESTION}


@pytest.mark.parametrize(
    ("title", "shown"),
    [
        ("<img src=x onerror=alert(1)>", "<img src=x onerror=alert(1)>"),
        ("'); DROP TABLE conversation; --", "'); DROP TABLE conversation; --"),
        ("  two \u00a0\u3000 words\u2028more ", "two words more"),
        ("invoice \u202egpj.exe\u2066\u2069", "invoice gpj.exe"),
        ("\u202e \u2067\u200b", QUESTION),
        ("שלום \u200f(1)", "שלום \u200f(1)"),
        ("👩\u200d👩\u200d👧 " + "x" * 114, "👩\u200d👩\u200d👧 " + "x" * 114),
        ("x" * 120, "x" * 120),
    ],
)
async def test_any_other_text_is_a_title(
    shared: Backend, nursery: trio.Nursery, title: str, shown: str
) -> None:
    """As it is, but on one line, and without what would turn around the text beside it."""
    page = await open_page(shared, nursery)
    uid = await talk(page)

    assert (await rename(page, uid, title))["title"] == shown
    assert await titles(page) == {uid: shown}


async def test_renamed_while_it_is_deleted(shared: Backend, nursery: trio.Nursery) -> None:
    """Whichever comes first, it is gone afterwards, and who renames is answered."""
    one, other = await open_page(shared, nursery), await open_page(shared, nursery)
    for _ in range(5):
        uid = await talk(one)
        answers: list[dict[str, Any]] = []
        async with trio.open_nursery() as both:

            async def ask(uid: str = uid, answers: list[dict[str, Any]] = answers) -> None:
                answers.append(await rename(other, uid, "Kept?"))

            both.start_soon(ask)
            await one.say("delete-history", history_uid=uid)
            await one.until("history-deleted")

        [answer] = answers
        assert answer["type"] == "history-renamed" or answer["code"] == "no-such-history"
        assert (await rename(one, uid, "Back again"))["code"] == "no-such-history"
        assert await titles(one) == {}


async def test_who_has_left_is_told_nothing(shared: Backend, nursery: trio.Nursery) -> None:
    """Nothing of a session is kept for that."""
    one, other = await open_page(shared, nursery), await open_page(shared, nursery)
    assert len(shared.services.renames) == 2
    await other.wire.close()
    with trio.fail_after(10):
        while len(shared.services.sessions) > 1:
            await trio.sleep(0.01)

    assert len(shared.services.renames) == 1
    await rename(one, await talk(one), "The sea")


async def test_a_page_that_reads_nothing_holds_up_nobody(
    autojump_clock: MockClock, options: BackendOptions
) -> None:
    """Who renames is answered at once, however often; of what the other misses it has the list."""
    async with open_backend(options) as backend, trio.open_nursery() as nursery:
        one, stuck = await open_page(backend, nursery), await open_page(backend, nursery)
        uid = await talk(one)
        began = trio.current_time()

        for number in range(100):
            assert (await rename(one, uid, f"{number}"))["title"] == f"{number}"
            await trio.sleep(0.1)  # within the rate limit

        assert trio.current_time() - began == pytest.approx(10)
        # As many as may wait, and the one that is being sent.
        told = [(await stuck.hear())["title"] for _ in range(33)]
        assert told == [f"{number}" for number in range(33)]
        assert await titles(stuck) == {uid: "99"}
        nursery.cancel_scope.cancel()


async def test_a_store_that_cannot_write_says_so(options: BackendOptions, tmp_path: Path) -> None:
    """Whether somebody else holds it or its disk is full: the old title stays, and the next try may work."""
    path = tmp_path / "history.db"
    async with (
        open_sqlite_history(path, busy_timeout=0.05) as history,
        open_backend(attrs.evolve(options, history=history)) as backend,
        trio.open_nursery() as nursery,
    ):
        page = await open_page(backend, nursery)
        uid = await talk(page)
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            answer = await rename(page, uid, "The sea")
            assert answer["code"] == "history-error"
            assert "another program holds it locked" in answer["message"]
            assert str(tmp_path) not in answer["message"]
            other.execute("ROLLBACK")
        assert await titles(page) == {uid: QUESTION}
        assert (await rename(page, uid, "The sea"))["title"] == "The sea"
        nursery.cancel_scope.cancel()


async def test_a_file_that_may_not_be_written_keeps_its_titles(tmp_path: Path) -> None:
    """The error names the permissions as the place to look."""
    path = tmp_path / "history.db"
    async with open_sqlite_history(path) as history:
        await history.append(MAO, FIRST, human(QUESTION))
    with closing(open_reader(path, 1)) as database:
        with pytest.raises(sqlite3.OperationalError) as caught:
            queries.rename(database, MAO, FIRST, "The sea")
        assert "check the permissions" in str(history_error(caught.value, path))
        assert [one.title for one in queries.conversations(database, MAO)] == [QUESTION]
