"""The conversation of one session: what is remembered, where it is stored, and the turn that runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import attrs
from loguru import logger

from ..config.system import SystemConfig
from ..engines.base import Message
from ..errors import HistoryError, NoSuchHistory
from ..history.backlog import Backlog
from ..history.store import ConfUid, HistoryUid, StoredMessage
from ..protocol import Control
from ..quota import MemoryQuota
from .memory import Memory
from .record import Pages, Record
from .scene import Scene
from .turn import Ask, Audience, Turn, TurnLimits
from .wake_word import WakeWord


@attrs.define(eq=False)
class Dialogue:
    """Takes one turn after the other. Only the session's loop calls it.

    Whatever changes the conversation ends the running turn first, so that no turn writes into a
    conversation that is not its own.
    """

    _audience: Audience
    _limits: TurnLimits
    memory: Memory
    record: Record
    door: WakeWord = attrs.field(factory=WakeWord.always_open)
    """Whether what is said is meant for the character."""
    _running: tuple[Scene, Turn] | None = attrs.field(default=None, init=False)
    _hushed: Turn | None = attrs.field(default=None, init=False)
    """A turn that was ended by somebody's voice; how much of it was heard is not known yet."""
    _unsettled: list[Turn] = attrs.field(factory=list, init=False)
    """Those whose words may not all be kept yet, oldest first: what a session that is cancelled has left."""

    @classmethod
    def begin(
        cls, conf_uid: str, audience: Audience, *, history: Backlog, system: SystemConfig, quota: MemoryQuota
    ) -> Dialogue:
        """A new conversation with the character ``conf_uid``; what it keeps is claimed of ``quota``."""
        limits = TurnLimits(system.synthesis_ahead, system.turn_deadline, system.playback_grace)
        pages = Pages(system.history_list, system.history_messages, system.history_size)
        record = Record(history, ConfUid(conf_uid), pages)
        return cls(audience, limits, Memory(system.memory_budget, quota), record)

    @property
    def speaking(self) -> bool:
        """Whether a turn is running."""
        return self._running is not None and self._running[0].turn.occupied

    async def wait_quiet(self) -> None:
        """Wait until the running turn, if any, has ended by itself."""
        if self._running is not None:
            await self._running[0].turn.wait_empty()

    async def answer(self, scene: Scene, ask: Ask) -> None:
        """Begin a turn; one that is running is superseded."""
        turn = Turn(
            scene.character, ask, self.memory, self.record, self._audience, self._limits, door=self.door
        )
        # From here on what was typed is kept, whatever happens: if not by the turn, by `farewell`.
        self._unsettled.append(turn)
        await self.end_turn("superseded")
        await self._audience.tell(Control("conversation-chain-start"))
        self._running = scene, turn
        # If the character is just leaving, it is said soon that it has, which ends the turn.
        await scene.turn.fill(turn.take, name=f"{scene.config.conf_name}/turn")

    async def barge_in(self, heard: str) -> bool:
        """End the turn at once; what was said is what was ``heard``. False if none was running."""
        turn = await self._evict("barge-in")
        turn, self._hushed = turn or self._hushed, None
        if turn is not None:
            await self._settle(turn, heard)
        return turn is not None

    async def hush(self) -> None:
        """Somebody speaks: end the turn at once.

        The client says with a barge-in what was heard of it; if it does not, all that was sent counts as
        said, as soon as something else happens in the conversation.
        """
        turn = await self._evict("somebody spoke")
        if turn is not None:
            self._hushed = turn

    async def end_turn(self, reason: str) -> None:
        """End the running turn, if any, and tell the client so; what was sent counts as said."""
        hushed, self._hushed = self._hushed, None
        if hushed is not None:
            await self._settle(hushed, None)
        turn = await self._evict(reason)
        if turn is not None:
            await self._settle(turn, None)
            await turn.tell_end()

    async def farewell(self) -> bool:
        """After the session's tasks have ended: keep what the last turns said. True if one was cut.

        All of it is handed over to the store before anything is awaited; a cancel takes nothing back.
        """
        cut = [turn for turn in self._unsettled if not turn.over]
        words = [message for turn in cut for message in turn.last_words()]
        self._running = self._hushed = None
        self._unsettled.clear()
        try:
            await self.record.add(*words)
        except (HistoryError, NoSuchHistory) as error:
            # There is nobody to be told; what is lost is logged where it is lost.
            logger.debug("conversation {}: {}", self.record.uid, error)
        return bool(cut)

    async def meet(self, conf_uid: str) -> None:
        """Turn to another character, with a new conversation."""
        await self.end_turn("another character")
        self.record = self.record.of(ConfUid(conf_uid))
        self.memory.recall(())

    async def begin_new(self) -> HistoryUid:
        """Leave this conversation for a new one, with the same character."""
        await self.end_turn("a new conversation")
        self.memory.recall(())
        return self.record.begin_new()

    async def resume(self, uid: HistoryUid) -> Sequence[StoredMessage]:
        """Continue conversation ``uid``; its messages, oldest first.

        Raises `NoSuchHistory` or `HistoryError`, and then nothing has changed.
        """
        messages = await self.record.messages(uid)
        await self.end_turn("another conversation")
        self.record.go_on(uid)
        self.memory.recall(_remembered(messages))
        return messages

    async def delete(self, uid: HistoryUid) -> None:
        """Delete conversation ``uid`` for good; if it is this one, a new one begins.

        Raises `NoSuchHistory` or `HistoryError`.
        """
        if uid == self.record.uid:
            await self.end_turn("the conversation was deleted")
        await self.record.delete(uid)
        if uid == self.record.uid:
            await self.begin_new()

    async def _settle(self, turn: Turn, heard: str | None) -> None:
        await turn.cut(heard)
        self._unsettled.remove(turn)

    async def _evict(self, reason: str) -> Turn | None:
        """Stop the running turn; the turn, if its end had not been told yet."""
        if self._running is None:
            return None
        scene, turn = self._running
        turn.timeline.mark_cut(reason)
        await scene.turn.evict(reason)
        self._running = None
        if turn.over:
            self._unsettled.remove(turn)
            return None
        return turn


def _remembered(messages: Sequence[StoredMessage]) -> Iterator[Message]:
    """Stored messages as the model reads them: where several people spoke, with their names before them."""
    several = len({message.name for message in messages if message.role == "human"}) > 1
    for message in messages:
        human, name = message.role == "human", message.name or ""
        text = f"{name}: {message.content}" if human and several and name else message.content
        yield Message("user" if human else "assistant", text, name)
