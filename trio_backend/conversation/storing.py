"""`Storing`: hands a conversation's messages to the store, and tells the client what goes wrong with that."""

from __future__ import annotations

from collections.abc import Awaitable, Iterator, Sequence

import attrs

from ..engines.base import Message
from ..errors import HistoryError, NoSuchHistory
from ..history.store import StoredMessage
from .events import Audience, ConversationReplaced, Problem, TurnEnded
from .memory import Memory
from .record import Given, Record


@attrs.define(eq=False)
class Storing:
    """Reports to ``_audience`` what cannot be stored. ``_memory`` forgets what was deleted elsewhere."""

    _audience: Audience
    _memory: Memory
    _given: list[Given] = attrs.field(factory=list, init=False)
    """What barge-ins handed to the store, oldest first."""
    _cut: list[TurnEnded] = attrs.field(factory=list, init=False)
    """The ends of turns that barge-ins cut, to be told: not by the loop, which waits for no client."""

    async def add(self, record: Record, messages: Sequence[StoredMessage]) -> None:
        """Store messages. When this returns they are on disk, what a cancelled call began too."""
        # From here on the record stores them, even if this task is cancelled.
        await self._tell_trouble(record, record.add(*messages))

    async def give(self, record: Record, messages: Sequence[StoredMessage], ended: TurnEnded) -> None:
        """Hand the messages of a turn to the store, and keep its end: `confirm` waits for both."""
        self._cut.append(ended)
        try:
            if messages:
                self._given.append(record.give(*messages))
        except HistoryError as error:
            await self._audience.handle(Problem("history-error", str(error)))

    async def confirm(self, record: Record) -> None:
        """Wait until what was given is stored, or tell the client why not; then tell turns' ends."""
        while self._given:
            await self._tell_trouble(record, record.confirm(self._given.pop(0)))
        while self._cut:
            await self._audience.handle(self._cut.pop(0))

    async def _tell_trouble(self, record: Record, storing: Awaitable[None]) -> None:
        try:
            await storing
        except NoSuchHistory as error:
            # The user deleted it, so the model must not be told of it again.
            self._memory.forget_all_but_last()
            await self._audience.handle(Problem("no-such-history", str(error)))
            await self._audience.handle(ConversationReplaced(record.uid))
        except HistoryError as error:
            await self._audience.handle(Problem("history-error", str(error)))


def remembered(messages: Sequence[StoredMessage]) -> Iterator[Message]:
    """Stored messages as the model reads them: where several people spoke, with their names before them."""
    several = len({message.name for message in messages if message.role == "human"}) > 1
    for message in messages:
        human, name = message.role == "human", message.name or ""
        text = f"{name}: {message.content}" if human and several and name else message.content
        yield Message("user" if human else "assistant", text, name)
