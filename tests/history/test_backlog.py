"""What the store cannot take now: kept in order, told at once, tried again, and given up aloud."""

from __future__ import annotations

from collections.abc import Iterator

import attrs
import pytest
import trio
from loguru import logger
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.history.samples import BOBS_MAO, EVES_MAO, FIRST, MAO, SECOND, ai, human
from trio_backend.boundary import Boundary
from trio_backend.errors import HistoryError, NoSuchHistory, NotStoredYet
from trio_backend.history.backlog import LAST_TRIES, STORE_TIMEOUT, Backlog, open_backlog
from trio_backend.history.memory import MemoryHistory
from trio_backend.history.store import HistoryUid, Owner, StoredMessage


@attrs.define(eq=False)
class TroubledStore(MemoryHistory):
    """A store that may refuse, or take ``seconds`` for what it is given."""

    broken: bool = False
    seconds: float = 0.0

    async def append(
        self, conf_uid: Owner, uid: HistoryUid, *messages: StoredMessage, continues: bool = False
    ) -> None:
        """See `History.append`."""
        await trio.sleep(self.seconds)
        if self.broken:
            raise HistoryError("history.db: it is locked")
        await super().append(conf_uid, uid, *messages, continues=continues)


@pytest.fixture
def store() -> TroubledStore:
    """It works, as yet."""
    return TroubledStore()


@pytest.fixture
def log() -> Iterator[list[str]]:
    """All warnings and worse."""
    lines: list[str] = []
    sink = logger.add(lambda message: lines.append(message.record["message"]), level="WARNING")
    yield lines
    logger.remove(sink)


async def contents(store: TroubledStore, uid: HistoryUid = FIRST) -> list[str]:
    """What is stored."""
    return [message.content for message in await store.messages(MAO, uid)]


async def delayed(backlog: Backlog, *messages: StoredMessage, continues: bool = True) -> None:
    """Hand over what cannot be stored now."""
    with pytest.raises(NotStoredYet):
        await backlog.keep(MAO, FIRST, *messages, continues=continues)


async def test_what_was_kept_is_on_disk(store: TroubledStore) -> None:
    """With a store that works, nothing is left to do when it returns."""
    async with open_backlog(store) as backlog:
        await backlog.keep(MAO, FIRST, human("one"))
        await backlog.keep(MAO, FIRST, ai("two"), continues=True)
        assert await contents(store) == ["one", "two"]
        assert await backlog.messages(MAO, FIRST) == await store.messages(MAO, FIRST)


async def test_what_cannot_be_stored_is_told_at_once_and_stored_later(
    autojump_clock: MockClock, store: TroubledStore
) -> None:
    """In its order, once, without anybody asking again."""
    async with open_backlog(store) as backlog:
        store.broken = True
        await delayed(backlog, human("one"), continues=False)
        await delayed(backlog, ai("two"))
        assert trio.current_time() == 0
        await trio.sleep(100)
        store.broken = False
        await delayed(backlog, human("three"))
        await trio.sleep(20)
        assert await contents(store) == ["one", "two", "three"]
        await backlog.keep(MAO, FIRST, ai("four"), continues=True)
        assert await contents(store) == ["one", "two", "three", "four"]


async def test_a_store_that_says_nothing_is_believed_for_a_while(
    autojump_clock: MockClock, store: TroubledStore
) -> None:
    """Then it counts as one that cannot, although it may still do it."""
    async with open_backlog(store) as backlog:
        store.seconds = 10
        await delayed(backlog, human("one"), continues=False)
        assert trio.current_time() == STORE_TIMEOUT
        await delayed(backlog, ai("two"))
        assert trio.current_time() == STORE_TIMEOUT
        await trio.sleep(20)
        assert await contents(store) == ["one", "two"]


async def test_a_cancel_takes_nothing_back(autojump_clock: MockClock, store: TroubledStore) -> None:
    """Who is cancelled while it is being stored need not give it again."""
    async with open_backlog(store) as backlog:
        store.seconds = 0.5
        with trio.move_on_after(0.1):
            await backlog.keep(MAO, FIRST, human("one"))
        with trio.CancelScope() as scope:
            scope.cancel()
            await backlog.keep(MAO, FIRST, ai("two"), continues=True)
        assert scope.cancelled_caught
        await backlog.keep(MAO, FIRST, human("three"), continues=True)
        assert await contents(store) == ["one", "two", "three"]


async def test_what_a_cancelled_caller_gave_can_be_waited_for(
    autojump_clock: MockClock, store: TroubledStore
) -> None:
    """Whoever goes on in its place is told the same."""
    async with open_backlog(store) as backlog:
        await backlog.keep(MAO, FIRST)
        store.seconds = 1
        with trio.move_on_after(0.5):
            await backlog.keep(MAO, FIRST, human("one"))
        await backlog.keep(MAO, FIRST)
        assert await contents(store) == ["one"]
        assert trio.current_time() == 1
        store.broken = True
        with trio.move_on_after(0.5):
            await backlog.keep(MAO, FIRST, human("two"), continues=True)
        await delayed(backlog)
        store.broken = False


async def test_conversations_do_not_wait_for_each_other(
    autojump_clock: MockClock, store: TroubledStore
) -> None:
    """They are with the store at once, so that it can put them into one commit."""
    async with open_backlog(store) as backlog:
        store.seconds = 1
        async with trio.open_nursery() as nursery:
            for number in range(50):
                nursery.start_soon(backlog.keep, MAO, HistoryUid(f"{number}"), human())
        assert trio.current_time() == 1


async def test_no_more_waits_than_may(
    autojump_clock: MockClock, store: TroubledStore, log: list[str]
) -> None:
    """What goes beyond is lost, which is told and logged; what waited already is not."""
    async with open_backlog(store, most=10) as backlog:
        store.broken = True
        await delayed(backlog, human("12345"), continues=False)
        with pytest.raises(HistoryError, match="Too much is waiting") as caught:
            await backlog.keep(MAO, SECOND, human("six is much"))
        assert not isinstance(caught.value, NotStoredYet)
        await delayed(backlog, ai("67890"))
        store.broken = False
        await trio.sleep(10)
        await backlog.keep(MAO, FIRST, human("1234567890"), continues=True)
        assert await contents(store) == ["12345", "67890", "1234567890"]
    assert [line for line in log if f"conversation {SECOND}: 1 messages are lost" in line]


async def test_what_was_deleted_is_refused(store: TroubledStore) -> None:
    """Who speaks on is told; the others in the lane are not held up."""
    async with open_backlog(store) as backlog:
        await backlog.keep(MAO, FIRST, human("one"))
        await backlog.delete(MAO, FIRST)
        with pytest.raises(NoSuchHistory):
            await backlog.keep(MAO, FIRST, ai("two"), continues=True)
        with pytest.raises(NoSuchHistory):
            await backlog.delete(MAO, FIRST)
        assert await store.conversations(MAO) == []


async def test_what_waits_is_deleted_with_its_conversation(
    autojump_clock: MockClock, store: TroubledStore
) -> None:
    """Although nothing of it is on disk yet."""
    async with open_backlog(store) as backlog:
        store.broken = True
        await delayed(backlog, human("one"), continues=False)
        await backlog.delete(MAO, FIRST)
        store.broken = False
        await trio.sleep(100)
        assert await store.conversations(MAO) == []


async def test_nobody_touches_what_waits_of_another_user(
    autojump_clock: MockClock, store: TroubledStore
) -> None:
    """It cannot be deleted or added to, and the answer is that of a conversation that never was."""
    async with open_backlog(store) as backlog:
        store.broken = True
        with pytest.raises(NotStoredYet):
            await backlog.keep(EVES_MAO, FIRST, human("one"))
        for uid in (FIRST, SECOND):
            with pytest.raises(NoSuchHistory, match="this character has no conversation of that name"):
                await backlog.delete(BOBS_MAO, uid)
        with pytest.raises(NoSuchHistory, match="this character has no conversation of that name"):
            await backlog.keep(BOBS_MAO, FIRST, human("two"))
        store.broken = False
        await trio.sleep(100)

    assert [human("one")] == await store.messages(EVES_MAO, FIRST)


async def test_what_is_being_stored_is_deleted_after_it(
    autojump_clock: MockClock, store: TroubledStore
) -> None:
    """A deletion does not overtake what it deletes."""
    async with open_backlog(store) as backlog, trio.open_nursery() as nursery:
        store.seconds = 1
        nursery.start_soon(backlog.keep, MAO, FIRST, human("one"))
        await wait_all_tasks_blocked()
        await backlog.delete(MAO, FIRST)
        assert trio.current_time() == 1
        assert await store.conversations(MAO) == []


@pytest.mark.parametrize("cancel", [False, True])
async def test_leaving_gives_the_store_a_last_chance(
    autojump_clock: MockClock, store: TroubledStore, cancel: bool
) -> None:
    """However it is left: what waited is stored if the store comes back within the time there is."""

    async def mend() -> None:
        await trio.sleep(LAST_TRIES - 1)
        store.broken = False

    async with trio.open_nursery() as nursery:
        with trio.CancelScope() as block:
            async with open_backlog(store) as backlog:
                store.broken = True
                await delayed(backlog, human("one"), continues=False)
                nursery.start_soon(mend)
                if cancel:
                    block.cancel()
                    await trio.sleep_forever()

    assert await contents(store) == ["one"]
    assert trio.current_time() < LAST_TRIES


@pytest.mark.parametrize("seconds", [0, 1000])
async def test_what_is_lost_in_the_end_is_logged_by_name(
    autojump_clock: MockClock, store: TroubledStore, log: list[str], seconds: float
) -> None:
    """The end of the server waits no longer; the log says which conversation it is, and no word of it."""
    async with open_backlog(store) as backlog:
        store.broken, store.seconds = True, seconds
        await delayed(backlog, human("a secret"), ai("another"), continues=False)
        began = trio.current_time()

    assert trio.current_time() - began == LAST_TRIES
    assert [line for line in log if f"conversation {FIRST}: 2 messages are lost" in line]
    assert not [line for line in log if "secret" in line]


async def test_a_bug_in_the_store_costs_one_conversation_what_it_was_to_store(
    autojump_clock: MockClock, store: TroubledStore, log: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waits for it is told; the next message, and the other conversations, find the store as it was."""
    parts: list[str] = []

    async def die(*_args: object, **_named: object) -> None:
        await trio.sleep(0.5)
        raise RuntimeError

    async def hear(content: str) -> None:
        with pytest.raises(HistoryError, match="the store has failed: this part of the conversation is lost"):
            await backlog.keep(MAO, FIRST, human(content))

    async with open_backlog(store, boundary=Boundary(parts.append)) as backlog:
        with monkeypatch.context() as patch:
            patch.setattr(store.__class__, "append", die)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(hear, "a secret")
                nursery.start_soon(hear, "another")
        await backlog.keep(MAO, FIRST, human("one"))
        await backlog.keep(MAO, SECOND, human("two"))

    assert (await contents(store), await contents(store, SECOND)) == (["one"], ["two"])
    assert parts == ["history"]
    assert [line for line in log if f"conversation {FIRST}: 2 messages are lost" in line]
    assert trio.current_time() == 0.5


async def test_who_outlives_the_block_stores_at_once(
    autojump_clock: MockClock, store: TroubledStore, log: list[str]
) -> None:
    """Nobody is there any more to try again."""
    async with open_backlog(store) as backlog:
        pass
    with trio.CancelScope() as scope:
        scope.cancel()
        await backlog.keep(MAO, FIRST, human("one"))
    store.seconds = 1000
    with pytest.raises(HistoryError, match="lost"):
        await backlog.keep(MAO, FIRST, ai("two"), continues=True)

    assert await contents(store) == ["one"]
    assert trio.current_time() == STORE_TIMEOUT
    assert [line for line in log if f"conversation {FIRST}: 1 messages are lost" in line]
