"""Deleted is deleted: another connection that is in the conversation does not bring it back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import attrs
import pytest
import trio

from tests.client import Client
from tests.session.sessions import END, connect_greeted
from trio_backend.backend import Backend, BackendOptions, open_backend
from trio_backend.errors import NoSuchHistory
from trio_backend.history.memory import MemoryHistory
from trio_backend.history.sqlite import open_sqlite_history
from trio_backend.history.store import HistoryUid, Owner

MAO = Owner("mao_001")


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


async def texts(backend: Backend) -> list[list[str]]:
    """What is stored, conversation by conversation, newest first."""
    history = backend.services.history
    return [
        [message.content for message in await history.messages(MAO, one.uid)]
        for one in await history.conversations(MAO)
    ]


async def begin(client: Client) -> str:
    """Begin a conversation; its name."""
    await client.say("create-new-history")
    return str((await client.until("new-history-created"))[-1]["history_uid"])


async def delete(client: Client, uid: str) -> None:
    """Delete a conversation, of whomever."""
    await client.say("delete-history", history_uid=uid)
    assert (await client.until("history-deleted"))[-1]["success"]


async def wait_stored(backend: Backend) -> None:
    """Wait until there is a conversation."""
    with trio.fail_after(10):
        while not await texts(backend):
            await trio.sleep(0.01)


async def test_deleted_in_a_turn(shared: Backend, nursery: trio.Nursery) -> None:
    """The reply is not stored, the client is told and is in a new conversation, where it talks on."""
    speaker, other = await connect_greeted(shared, nursery), await connect_greeted(shared, nursery)
    uid = await begin(speaker)
    await speaker.say("text-input", text="A secret.")
    await speaker.until("backend-synth-complete")
    await wait_stored(shared)
    await delete(other, uid)

    await speaker.say("frontend-playback-complete")
    heard = await speaker.until(**END)

    [error] = [message for message in heard if message["type"] == "error"]
    assert error["code"] == "no-such-history"
    [begun] = [message for message in heard if message["type"] == "new-history-created"]
    assert begun["history_uid"] != uid
    assert await texts(shared) == []
    assert (await speaker.turn("Something else."))[-1] == END
    assert await texts(shared) == [["Something else.", "Something else."]]
    await shared.services.history.messages(MAO, HistoryUid(begun["history_uid"]))
    with pytest.raises(NoSuchHistory):
        await shared.services.history.messages(MAO, HistoryUid(uid))


async def test_deleted_between_turns(shared: Backend, nursery: trio.Nursery) -> None:
    """What is said next is in the new conversation, and the model does not know the old one any more."""
    speaker, other = await connect_greeted(shared, nursery), await connect_greeted(shared, nursery)
    uid = await begin(speaker)
    await speaker.turn("A secret.")
    await delete(other, uid)

    heard = await speaker.turn("Something else.")
    if "new-history-created" not in [message["type"] for message in heard]:
        # What was said is stored beside the turn, which may be over first where the disk is slow.
        heard += await speaker.until("new-history-created")

    assert "no-such-history" in [message.get("code") for message in heard]
    assert [message["type"] for message in heard].count("new-history-created") == 1
    await wait_stored(shared)
    assert await texts(shared) == [["Something else.", "Something else."]]
    [session] = [one for one in shared.services.sessions if len(one.conversation.memory.so_far()) > 0]
    assert [message.content for message in session.conversation.memory.so_far()] == ["Something else."] * 2


async def test_deleted_and_interrupted(shared: Backend, nursery: trio.Nursery) -> None:
    """A barge-in stores nothing of it, either."""
    speaker, other = await connect_greeted(shared, nursery), await connect_greeted(shared, nursery)
    uid = await begin(speaker)
    await speaker.say("text-input", text="A secret.")
    await speaker.until("backend-synth-complete")
    await wait_stored(shared)
    await delete(other, uid)

    await speaker.say("interrupt-signal", text="A se")
    await speaker.say("heartbeat")
    await speaker.until("new-history-created")

    assert await texts(shared) == []


async def test_deleted_by_the_one_who_speaks(shared: Backend, nursery: trio.Nursery) -> None:
    """A client's own deletion needs no such words."""
    speaker = await connect_greeted(shared, nursery)
    uid = await begin(speaker)
    await speaker.turn("A secret.")
    await delete(speaker, uid)

    heard = await speaker.turn("Something else.")

    assert "error" not in [message["type"] for message in heard]
    assert await texts(shared) == [["Something else.", "Something else."]]
