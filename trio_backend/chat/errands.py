"""What takes a question to the server and its answer: each errand is a generator of its questions.

An errand reads from top to bottom and waits for nothing itself: the loop sends what it asks, and gives
it the answers.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeAlias, TypeVar

import attrs

from ..client.messages import (
    ReceivedConfigFiles,
    ReceivedConfigSwitched,
    ReceivedHistoryData,
    ReceivedHistoryList,
    ReceivedNewHistory,
    ServerMessage,
)
from ..errors import TrioBackendError
from ..protocol.incoming import (
    CreateNewHistory,
    FetchAndSetHistory,
    FetchConfigs,
    FetchHistoryList,
    Incoming,
    SwitchConfig,
)
from .choice import choose
from .screen import Screen
from .whereabouts import Whereabouts

T = TypeVar(
    "T",
    ReceivedConfigFiles,
    ReceivedConfigSwitched,
    ReceivedHistoryData,
    ReceivedHistoryList,
    ReceivedNewHistory,
)


@attrs.frozen
class Question:
    """Send ``message``, and go on when a message of the type ``answer`` comes."""

    message: Incoming
    answer: type[ServerMessage]


class Refused(TrioBackendError):
    """The server answered with an error."""


Errand: TypeAlias = Generator[Question, ServerMessage, None]


def _ask(message: Incoming, answer: type[T]) -> Generator[Question, ServerMessage, T]:
    """The server's answer to ``message``. Raises `Refused`."""
    reply = yield Question(message, answer)
    assert isinstance(reply, answer)
    return reply


def begin(where: Whereabouts) -> Errand:
    """Begin a new conversation."""
    created = yield from _ask(CreateNewHistory(), ReceivedNewHistory)
    where.enter(created.history_uid)


def begin_anew(where: Whereabouts, screen: Screen) -> Errand:
    """Leave this conversation for a new one."""
    yield from begin(where)
    screen.note("a new conversation")


def introduce(where: Whereabouts, screen: Screen) -> Errand:
    """After the first connection: begin a conversation, and say with whom."""
    yield from begin(where)
    screen.note(f"{where.character} is here. Just type; /help lists what else there is")


def resume(where: Whereabouts, screen: Screen) -> Errand:
    """After a new connection: go back to the character and the conversation of the old one."""
    spoken = where.spoken
    try:
        if where.file is not None:
            yield from _return(where, where.file)
        if where.history_uid is not None:
            yield from _ask(FetchAndSetHistory(where.history_uid), ReceivedHistoryData)
            screen.note("connected again: the conversation goes on")
            return
    except Refused:
        # The server keeps no conversation in which nothing was said: that is no loss.
        if spoken:
            screen.note("the conversation cannot be continued: this is a new one")
    yield from begin(where)
    screen.note("connected again")


def _return(where: Whereabouts, file: str) -> Errand:
    try:
        yield from _ask(SwitchConfig(file), ReceivedConfigSwitched)
    except Refused:
        where.meet(None)
        raise


def list_characters(where: Whereabouts, screen: Screen) -> Errand:
    """Show who there is."""
    characters = (yield from _ask(FetchConfigs(), ReceivedConfigFiles)).configs
    screen.show(screen.look.characters(characters, where.current(characters)))


def switch(where: Whereabouts, screen: Screen, wanted: str) -> Errand:
    """Change to the character that ``wanted`` means, in a new conversation."""
    found = choose((yield from _ask(FetchConfigs(), ReceivedConfigFiles)).configs, wanted)
    if isinstance(found, str):
        screen.error(found)
        return
    yield from _ask(SwitchConfig(found.filename), ReceivedConfigSwitched)
    where.meet(found.filename)
    screen.note(f"you talk with {found.name} now")
    yield from begin(where)


def list_conversations(where: Whereabouts, screen: Screen) -> Errand:
    """Show the conversations with this character."""
    where.listed = (yield from _ask(FetchHistoryList(), ReceivedHistoryList)).histories
    screen.show(screen.look.conversations(where.listed, where.history_uid))


def open_conversation(where: Whereabouts, screen: Screen, number: int) -> Errand:
    """Go on with the conversation of that number in the list which the user saw last, and show it."""
    if not where.listed:
        where.listed = (yield from _ask(FetchHistoryList(), ReceivedHistoryList)).histories
    if number > len(where.listed):
        screen.error(f"there is no conversation {number}: /history lists {len(where.listed)}")
        return
    uid = where.listed[number - 1].uid
    messages = (yield from _ask(FetchAndSetHistory(uid), ReceivedHistoryData)).messages
    where.enter(uid, spoken=True)
    screen.show(screen.look.transcript(messages, where.character))
    screen.note("the conversation goes on here")
