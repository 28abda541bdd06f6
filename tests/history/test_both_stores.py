"""SQLite against memory: whatever is done to both, both answer the same."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.history.samples import ANN, EVES_MAO, MAO
from trio_backend.errors import NoSuchHistory
from trio_backend.history.memory import MemoryHistory
from trio_backend.history.sqlite import SqliteHistory, open_sqlite_history
from trio_backend.history.store import History, HistoryUid, Owner, StoredMessage


@attrs.frozen
class Append:
    """Store messages."""

    owner: Owner
    uid: HistoryUid
    messages: tuple[StoredMessage, ...]
    continues: bool = False


@attrs.frozen
class Adopt:
    """Import messages."""

    owner: Owner
    uid: HistoryUid
    messages: tuple[StoredMessage, ...]


@attrs.frozen
class Delete:
    """Delete a conversation."""

    owner: Owner
    uid: HistoryUid


@attrs.frozen
class Rename:
    """Give a conversation a title, or take it away."""

    owner: Owner
    uid: HistoryUid
    title: str


@attrs.frozen
class Reopen:
    """Close the file and open it again; memory knows nothing of it."""


Step: TypeAlias = Append | Adopt | Delete | Rename | Reopen

owners = st.sampled_from([MAO, ANN, EVES_MAO])
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
    st.builds(Append, owners, uids, st.lists(stored_messages, max_size=3).map(tuple), st.booleans()),
    st.builds(Adopt, owners, uids, st.lists(stored_messages, max_size=3).map(tuple)),
    st.builds(Append, owners, uids, st.lists(stored_messages, min_size=1, max_size=3).map(tuple)),
    st.builds(Delete, owners, uids),
    st.builds(Rename, owners, uids, texts),
    st.just(Reopen()),
)


async def take(history: History, step: Append | Adopt | Delete | Rename) -> str:
    """What became of ``step``."""
    try:
        match step:
            case Append(owner, uid, messages, continues):
                await history.append(owner, uid, *messages, continues=continues)
            case Adopt(owner, uid, messages):
                await history.adopt(owner, uid, *messages)
            case Delete(owner, uid):
                await history.delete(owner, uid)
            case Rename(owner, uid, title):
                return await history.rename(owner, uid, title)
    except NoSuchHistory as error:
        return str(error)
    return "done"


async def everything(history: History) -> object:
    """All that can be read."""
    found = []
    for owner in (MAO, ANN, EVES_MAO):
        listed = await history.conversations(owner)
        pages = [await history.conversations(owner, limit=1, before=each.uid) for each in listed]
        found.append((listed, pages, [await history.messages(owner, each.uid) for each in listed]))
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
