"""Requests to the server and their answers: lists, switches, conversations. No I/O.

A request is a generator of its steps: it reads from top to bottom and waits for nothing itself. The
loop sends its messages, and gives it the answers.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import TypeAlias, TypeVar

import attrs

from ..client.messages import (
    ListedCharacter,
    ListedConversation,
    ReceivedConfigFiles,
    ReceivedConfigSwitched,
    ReceivedError,
    ReceivedHistoryData,
    ReceivedHistoryList,
    ReceivedNewHistory,
    ServerMessage,
)
from ..errors import RequestFailed
from ..protocol.incoming import (
    CreateNewHistory,
    FetchAndSetHistory,
    FetchConfigs,
    FetchHistoryList,
    Incoming,
    SwitchConfig,
)
from .commands import choose
from .screen import Screen


@attrs.define(eq=False)
class ClientState:
    """The character and the conversation: lists mark them, and a new connection restores them."""

    character: str = ""
    """The name of the active character."""
    file: str | None = None
    """The character's file, where the user chose it; otherwise it is the one that the server starts with."""
    history_uid: str | None = None
    spoken: bool = False
    """Whether anything was said in this conversation."""
    listed: Sequence[ListedConversation] = ()
    """The conversations as the user saw them last: the numbers of ``/history N`` mean these."""
    older: bool = False
    """Whether there are older ones than these."""

    def set_conversation(self, history_uid: str | None, *, spoken: bool = False) -> None:
        """Another conversation is open now."""
        self.history_uid, self.spoken = history_uid, spoken

    def set_character(self, file: str | None) -> None:
        """Another character is active now, with no conversation yet."""
        self.file, self.listed, self.older = file, (), False
        self.set_conversation(None)

    def current(self, characters: Sequence[ListedCharacter]) -> ListedCharacter | None:
        """Which of ``characters`` is active, as far as it is known."""
        for one in characters:
            if one.filename == self.file if self.file is not None else one.name == self.character:
                return one
        return None


T = TypeVar(
    "T",
    ReceivedConfigFiles,
    ReceivedConfigSwitched,
    ReceivedHistoryData,
    ReceivedHistoryList,
    ReceivedNewHistory,
)


@attrs.frozen
class RequestStep:
    """Send ``message``, and go on when a message of the type ``answer`` comes."""

    message: Incoming
    answer: type[ServerMessage]


RequestSteps: TypeAlias = Generator[RequestStep, ServerMessage, None]


def _ask(message: Incoming, answer: type[T]) -> Generator[RequestStep, ServerMessage, T]:
    """The server's answer to ``message``. Raises `RequestFailed`."""
    reply = yield RequestStep(message, answer)
    assert isinstance(reply, answer)
    return reply


def new_conversation(state: ClientState) -> RequestSteps:
    """Start a new conversation."""
    created = yield from _ask(CreateNewHistory(), ReceivedNewHistory)
    state.set_conversation(created.history_uid)


def start_new(state: ClientState, screen: Screen) -> RequestSteps:
    """Start a new conversation, and say so."""
    yield from new_conversation(state)
    screen.note("a new conversation")


def introduce(state: ClientState, screen: Screen) -> RequestSteps:
    """After the first connection: start a conversation, and say with which character."""
    yield from new_conversation(state)
    screen.note(f"{state.character} is here. Type a message; /help lists the commands")


def resume(state: ClientState, screen: Screen) -> RequestSteps:
    """After a reconnection: restore the character and the conversation."""
    spoken = state.spoken
    try:
        if state.file is not None:
            yield from _switch_back(state, state.file)
        if state.history_uid is not None:
            yield from _ask(FetchAndSetHistory(state.history_uid), ReceivedHistoryData)
            screen.note("reconnected: the conversation goes on")
            return
    except RequestFailed:
        # The server keeps no conversation without messages: nothing is lost.
        if spoken:
            screen.note("the conversation cannot be continued; this is a new one")
    yield from new_conversation(state)
    screen.note("reconnected")


def _switch_back(state: ClientState, file: str) -> RequestSteps:
    try:
        yield from _ask(SwitchConfig(file), ReceivedConfigSwitched)
    except RequestFailed:
        state.set_character(None)
        raise


def list_characters(state: ClientState, screen: Screen) -> RequestSteps:
    """Show the characters."""
    characters = (yield from _ask(FetchConfigs(), ReceivedConfigFiles)).configs
    screen.show(screen.format.characters(characters, state.current(characters)))


def switch(state: ClientState, screen: Screen, wanted: str) -> RequestSteps:
    """Switch to the character that ``wanted`` means, in a new conversation."""
    found = choose((yield from _ask(FetchConfigs(), ReceivedConfigFiles)).configs, wanted)
    if isinstance(found, str):
        screen.error(found)
        return
    yield from _ask(SwitchConfig(found.filename), ReceivedConfigSwitched)
    state.set_character(found.filename)
    screen.note(f"you are now talking with {found.name}")
    yield from new_conversation(state)


def list_conversations(state: ClientState, screen: Screen) -> RequestSteps:
    """Show the conversations with this character."""
    yield from _fetch_conversations(state)
    _show_conversations(state, screen, 0)


def list_older_conversations(state: ClientState, screen: Screen) -> RequestSteps:
    """Show the conversations that follow those which the user saw last; their numbers go on."""
    if not state.older:
        screen.note("there are no older conversations" if state.listed else "/history comes first")
        return
    seen = state.listed
    older = yield from _ask(FetchHistoryList(before=seen[-1].uid), ReceivedHistoryList)
    state.listed, state.older = [*seen, *older.histories], older.more
    _show_conversations(state, screen, len(seen))


def _fetch_conversations(state: ClientState) -> RequestSteps:
    found = yield from _ask(FetchHistoryList(), ReceivedHistoryList)
    state.listed, state.older = found.histories, found.more


def _show_conversations(state: ClientState, screen: Screen, first: int) -> None:
    """Show those that are known from the ``first`` on, counted from 0."""
    screen.show(screen.format.conversations(state.listed[first:], state.history_uid, first + 1))
    if state.older:
        screen.note("/history more lists older ones")


def open_conversation(state: ClientState, screen: Screen, number: int) -> RequestSteps:
    """Go on with the conversation of that number in the list which the user saw last, and show it."""
    if not state.listed:
        yield from _fetch_conversations(state)
    if number > len(state.listed):
        screen.error(f"there is no conversation {number}: /history lists {len(state.listed)}")
        return
    uid = state.listed[number - 1].uid
    messages = (yield from _ask(FetchAndSetHistory(uid), ReceivedHistoryData)).messages
    state.set_conversation(uid, spoken=True)
    screen.show(screen.format.transcript(messages, state.character))
    screen.note("the conversation goes on here")


# Which answer an error replaces, for the errors whose code says so.
_INSTEAD_OF: dict[str, tuple[type[ServerMessage], ...]] = {
    "bad-config": (ReceivedConfigSwitched,),
    "no-such-history": (ReceivedHistoryData, ReceivedHistoryList),
    "history-error": (ReceivedHistoryData, ReceivedHistoryList, ReceivedNewHistory),
}


@attrs.define(eq=False)
class PendingRequests:
    """The requests that wait for an answer, at most one of each kind; ``send`` sends their messages."""

    _send: Callable[[Incoming], None]
    _open: dict[str, tuple[RequestSteps, type[ServerMessage]]] = attrs.field(factory=dict, init=False)

    def start(self, kind: str, request: RequestSteps) -> None:
        """Begin ``request``, in place of one of the same kind that still waits: the newer one counts."""
        self._close(kind)
        self._advance(kind, request, None)

    def busy(self, *kinds: str) -> bool:
        """Whether a request waits for its answer; only those of ``kinds`` count, where some are given."""
        return any(kind in self._open for kind in kinds) if kinds else bool(self._open)

    def answer(self, message: ServerMessage) -> bool:
        """Give ``message`` to the request that waits for it the longest; False if none does."""
        for kind, (request, answer) in self._open.items():
            if isinstance(message, answer):
                del self._open[kind]
                self._advance(kind, request, message)
                return True
        return False

    def fail(self, error: ReceivedError, *, in_turn: bool) -> bool:
        """Give ``error`` to the request that it answers, if any; True if the user need not be told.

        Errors whose code does not say so belong to the turn, if we are ``in_turn``.
        """
        replaced = _INSTEAD_OF.get(error.code)
        for kind, (request, answer) in self._open.items():
            if answer in replaced if replaced is not None else not in_turn:
                del self._open[kind]
                return self._advance(kind, request, RequestFailed(error.message))
        return False

    def abandon(self) -> None:
        """End all requests: no answer will come."""
        for kind in tuple(self._open):
            self._close(kind)

    def _advance(self, kind: str, request: RequestSteps, event: ServerMessage | RequestFailed | None) -> bool:
        """Let ``request`` go on to its next step; False if it ended with the error."""
        try:
            if isinstance(event, RequestFailed):
                step = request.throw(event)
            elif event is None:
                step = next(request)
            else:
                step = request.send(event)
        except StopIteration:
            return True
        except RequestFailed:
            return False
        self._open[kind] = request, step.answer
        self._send(step.message)
        return True

    def _close(self, kind: str) -> None:
        if kind in self._open:
            self._open.pop(kind)[0].close()
