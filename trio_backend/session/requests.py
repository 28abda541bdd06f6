"""What a session does beside its loop: all that may wait for a disk, in order with what the user says."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import attrs
import msgspec
import trio

from ..conversation.conversation import Conversation
from ..errors import HistoryError, NoSuchHistory
from ..history.store import HistoryUid, StoredConversation, StoredMessage
from ..protocol import (
    BackgroundFiles,
    ConfigFile,
    ConfigFiles,
    CreateNewHistory,
    DeleteHistory,
    Error,
    FetchAndSetHistory,
    FetchBackgrounds,
    FetchConfigs,
    FetchHistoryList,
    HistoryData,
    HistoryDeleted,
    HistoryEntry,
    HistoryList,
    HistoryMessage,
    HistoryRenamed,
    NewHistoryCreated,
    Outgoing,
    RenameHistory,
)
from .presenter import Presenter
from .services import SessionServices

# Pages ask for four things when they are opened, and people for less at once.
MOST = 32

Work: TypeAlias = Callable[[], Awaitable[None]]
AboutHistory: TypeAlias = (
    FetchHistoryList | FetchAndSetHistory | CreateNewHistory | RenameHistory | DeleteHistory
)


def _nothing() -> None:
    """There is nothing to give back."""


@attrs.frozen
class _Entry:
    work: Work
    dropped: Callable[[], None]
    is_input: bool


@attrs.define(eq=False)
class RequestLane:
    """Does one thing after the other, in the order in which they came; at most `MOST` requests wait.

    `run` is its task. Nothing else here waits: a session's loop is not to be held up by a disk that does.
    """

    _waiting: deque[_Entry] = attrs.field(factory=deque, init=False)
    _changed: trio.lowlevel.ParkingLot = attrs.field(factory=trio.lowlevel.ParkingLot, init=False)

    def request(self, work: Work, dropped: Callable[[], None] = _nothing, *, is_input: bool) -> bool:
        """Do ``work`` in its turn; False, and nothing is done, when too much waits already.

        ``is_input``: it is something that the user says, which a barge-in makes pointless. ``dropped`` is
        called if it is not begun.
        """
        if len(self._waiting) >= MOST:
            return False
        self._put(_Entry(work, dropped, is_input))
        return True

    def follow(self, work: Work) -> None:
        """Do ``work``, a consequence of something that was done here, in its turn. There are few of these."""
        self._put(_Entry(work, _nothing, is_input=False))

    def drop_inputs(self) -> None:
        """The user barged in: what was said before that, and is not being answered yet, is not answered."""
        for entry in [entry for entry in self._waiting if entry.is_input]:
            self._waiting.remove(entry)
            entry.dropped()

    def close(self) -> None:
        """Drop everything."""
        while self._waiting:
            self._waiting.popleft().dropped()

    async def run(self) -> None:
        """Work, until cancelled."""
        while True:
            while not self._waiting:
                await self._changed.park()
            entry = self._waiting.popleft()
            await entry.work()
            # A task that waits for the next one must not keep the last one's message alive.
            del entry

    def _put(self, entry: _Entry) -> None:
        self._waiting.append(entry)
        self._changed.unpark_all()


async def answer_about_files(message: FetchConfigs | FetchBackgrounds, services: SessionServices) -> Outgoing:
    """The answer to a question about the server's files."""
    if isinstance(message, FetchConfigs):
        files = await services.catalog.files()
        return ConfigFiles([ConfigFile(file.filename, file.name) for file in files])
    return BackgroundFiles(await services.backgrounds())


@attrs.frozen
class HistoryRequests:
    """Does what a client asks of the conversations with the present character, and answers."""

    _conversation: Conversation
    _presenter: Presenter
    _services: SessionServices

    async def answer(self, message: AboutHistory) -> None:
        """A list of conversations has their titles where all clients of the session accept that."""
        owner = self._conversation.record.owner
        answer = await self._answer(message, titles="titles" in self._presenter.accepted.by_all)
        if isinstance(answer, HistoryRenamed):
            # This client is one of those who are told.
            self._services.tell_renamed(owner, answer)
        else:
            await self._presenter.tell(answer)

    async def _answer(self, message: AboutHistory, *, titles: bool) -> Outgoing:
        conversation = self._conversation
        try:
            match message:
                case FetchHistoryList(before, limit):
                    uid = None if before is None else HistoryUid(before)
                    page = await conversation.record.conversations(before=uid, limit=limit)
                    return HistoryList([_entry(one, titles) for one in page.conversations], before, page.more)
                case FetchAndSetHistory(uid):
                    messages = await conversation.resume(HistoryUid(uid))
                    return HistoryData([_shown(one) for one in messages])
                case CreateNewHistory():
                    return NewHistoryCreated(await conversation.begin_new())
                case RenameHistory(uid):
                    title = await conversation.record.rename(HistoryUid(uid), message.shown)
                    return HistoryRenamed(uid, title)
                case DeleteHistory(uid):
                    await conversation.delete(HistoryUid(uid))
                    return HistoryDeleted(success=True, history_uid=uid)
        except NoSuchHistory as error:
            return Error(str(error), "no-such-history")
        except HistoryError as error:
            return Error(str(error), "history-error")


def _shown(message: StoredMessage) -> HistoryMessage:
    return HistoryMessage(message.role, message.timestamp, message.content, message.name, message.avatar)


def _entry(one: StoredConversation, titles: bool) -> HistoryEntry:
    latest = HistoryMessage(one.role, one.timestamp, one.content, one.name, one.avatar)
    return HistoryEntry(one.uid, latest, one.timestamp, one.title if titles else msgspec.UNSET)
