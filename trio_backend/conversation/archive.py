"""What a client may do with its conversations: list them, open one, begin one, delete one."""

from __future__ import annotations

from typing import TypeAlias, assert_never

from ..errors import HistoryError, NoSuchHistory
from ..history.store import Conversation, HistoryUid, StoredMessage
from ..protocol import (
    CreateNewHistory,
    DeleteHistory,
    Error,
    FetchAndSetHistory,
    FetchHistoryList,
    HistoryData,
    HistoryDeleted,
    HistoryEntry,
    HistoryList,
    HistoryMessage,
    NewHistoryCreated,
)
from .dialogue import Dialogue
from .turn import Audience

AboutConversations: TypeAlias = FetchHistoryList | FetchAndSetHistory | CreateNewHistory | DeleteHistory


async def tend_conversations(message: AboutConversations, dialogue: Dialogue, audience: Audience) -> None:
    """Do what ``message`` asks of the conversations with the present character, and answer it."""
    try:
        match message:
            case FetchHistoryList(before):
                conversations = await dialogue.record.conversations(
                    None if before is None else HistoryUid(before)
                )
                await audience.tell(HistoryList([_entry(conversation) for conversation in conversations]))
            case FetchAndSetHistory(uid):
                messages = await dialogue.resume(HistoryUid(uid))
                await audience.tell(HistoryData([_shown(message) for message in messages]))
            case CreateNewHistory():
                await audience.tell(NewHistoryCreated(await dialogue.begin_new()))
            case DeleteHistory(uid):
                await dialogue.delete(HistoryUid(uid))
                await audience.tell(HistoryDeleted(success=True, history_uid=uid))
            case _:
                assert_never(message)
    except NoSuchHistory as error:
        await audience.tell(Error(str(error), "no-such-history"))
    except HistoryError as error:
        await audience.tell(Error(str(error), "history-error"))


def _shown(message: StoredMessage) -> HistoryMessage:
    return HistoryMessage(message.role, message.timestamp, message.content, message.name, message.avatar)


def _entry(conversation: Conversation) -> HistoryEntry:
    return HistoryEntry(conversation.uid, _shown(conversation.latest), conversation.latest.timestamp)
