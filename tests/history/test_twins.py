"""SQLite against memory: whatever is done to both, both answer the same."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.history.samples import ANN, MAO
from trio_backend.errors import NoSuchHistory
from trio_backend.history.memory import MemoryHistory
from trio_backend.history.sqlite import SqliteHistory, open_sqlite_history
from trio_backend.history.store import ConfUid, History, HistoryUid, StoredMessage


@attrs.frozen
class Append:
    """Store messages."""

    conf_uid: ConfUid
    uid: HistoryUid
    messages: tuple[StoredMessage, ...]
    continues: bool = False


@attrs.frozen
class Adopt:
    """Import messages."""

    conf_uid: ConfUid
    uid: HistoryUid
    messages: tuple[StoredMessage, ...]


@attrs.frozen
class Delete:
    """Delete a conversation."""

    conf_uid: ConfUid
    uid: HistoryUid


@attrs.frozen
class Reopen:
    """Close the file and open it again; memory knows nothing of it."""


Step: TypeAlias = Append | Adopt | Delete | Reopen

conf_uids = st.sampled_from([MAO, ANN])
uids = st.sampled_from([HistoryUid(name) for name in ("a", "b", "c", "\ud800")])
texts = st.text(st.characters(), max_size=20)
stored_messages = st.builds(
    StoredMessage,
    role=st.sampled_from(["human", "ai"]),
    timestamp=st.integers(0, 3).map(lambda second: f"2026-01-31T12:00:0{second}.000000+00:00"),
    content=texts,
    name=st.none() | texts,
    avatar=st.none() | texts,
)
steps = st.one_of(
    st.builds(Append, conf_uids, uids, st.lists(stored_messages, max_size=3).map(tuple), st.booleans()),
    st.builds(Adopt, conf_uids, uids, st.lists(stored_messages, max_size=3).map(tuple)),
    st.builds(Append, conf_uids, uids, st.lists(stored_messages, min_size=1, max_size=3).map(tuple)),
    st.builds(Delete, conf_uids, uids),
    st.just(Reopen()),
)


async def take(history: History, step: Append | Adopt | Delete) -> str:
    """What became of ``step``."""
    try:
        match step:
            case Append(conf_uid, uid, messages, continues):
                await history.append(conf_uid, uid, *messages, continues=continues)
            case Adopt(conf_uid, uid, messages):
                await history.adopt(conf_uid, uid, *messages)
            case Delete(conf_uid, uid):
                await history.delete(conf_uid, uid)
    except NoSuchHistory as error:
        return str(error)
    return "done"


async def everything(history: History) -> object:
    """All that can be read."""
    found = []
    for conf_uid in (MAO, ANN):
        listed = await history.conversations(conf_uid)
        pages = [await history.conversations(conf_uid, limit=1, before=each.uid) for each in listed]
        found.append((listed, pages, [await history.messages(conf_uid, each.uid) for each in listed]))
    return found


@settings(max_examples=60, deadline=None)
@given(st.lists(steps, max_size=12))
async def test_sqlite_answers_as_memory_does(todo: list[Step]) -> None:
    """After every step of any history, and across reopening the file, both hold the same."""
    memory = MemoryHistory()
    with TemporaryDirectory() as folder:
        async with AsyncExitStack() as stack:
            sqlite = await _open(stack, folder)
            for step in todo:
                if isinstance(step, Reopen):
                    await stack.aclose()
                    sqlite = await _open(stack, folder)
                else:
                    assert await take(memory, step) == await take(sqlite, step)
                assert await everything(memory) == await everything(sqlite)


async def _open(stack: AsyncExitStack, folder: str) -> SqliteHistory:
    return await stack.enter_async_context(open_sqlite_history(Path(folder) / "history.db"))
