"""`Conversation`: what is being said with one character. Its memory, its record, and the turn that runs."""

from __future__ import annotations

from collections.abc import Awaitable, Iterator, Sequence
from functools import partial

import attrs
import trio
from loguru import logger

from ..config.system import SystemConfig
from ..engines.base import Message
from ..errors import HistoryError, NoSuchHistory
from ..history.backlog import Backlog
from ..history.store import HistoryUid, Owner, StoredMessage
from ..quota import MemoryQuota
from .cascade import Cascade
from .events import Audience, ConversationReplaced, Outcome, Problem, TurnEnded, TurnId
from .memory import Memory
from .record import Given, Pages, Record
from .scene import Scene
from .turn import State, Turn, TurnContext, TurnLimits
from .user_input import UserInput
from .wake_word import WakeWord


@attrs.define(eq=False)
class Conversation:
    """Takes one turn after the other, each in a task of its scene.

    `begin_turn`, `barge_in` and `stop_for_speech` never wait for the store, and are for the session's loop.
    The others may, and are called by one task at a time; no turn is begun while one of them runs. Whatever
    changes the conversation ends the running turn first, so that no turn writes into a conversation that is
    not its own.
    """

    _audience: Audience
    _limits: TurnLimits
    memory: Memory
    record: Record
    wake_word: WakeWord = attrs.field(factory=WakeWord.always_open)
    """Whether what is said is meant for the character."""
    _open: list[Turn] = attrs.field(factory=list, init=False)
    """Turns whose end was not told yet, or whose words were not handed to the store; oldest first."""
    _given: list[Given] = attrs.field(factory=list, init=False)
    """What barge-ins handed to the store, oldest first."""
    _cut: list[TurnEnded] = attrs.field(factory=list, init=False)
    """The ends of turns that barge-ins cut, to be told: not by the loop, which waits for no client."""
    _count: int = attrs.field(default=0, init=False)

    @classmethod
    def begin(
        cls, owner: Owner, audience: Audience, *, history: Backlog, system: SystemConfig, quota: MemoryQuota
    ) -> Conversation:
        """A new conversation of ``owner``; what it keeps is claimed of ``quota``."""
        limits = TurnLimits(system.synthesis_ahead, system.turn_deadline, system.playback_grace)
        pages = Pages(system.history_list, system.history_messages, system.history_size)
        record = Record(history, owner, pages)
        return cls(audience, limits, Memory(system.memory_budget, quota), record)

    @property
    def turn_running(self) -> bool:
        """Whether a turn answers or is being played."""
        return any(not turn.gone.is_set() for turn in self._open)

    async def wait_turn_over(self) -> None:
        """Wait until no turn runs."""
        for turn in tuple(self._open):
            await turn.gone.wait()

    # What the loop does at once.

    def begin_turn(self, scene: Scene, user_input: UserInput) -> None:
        """Begin a turn with ``scene``'s character; one that is running is superseded.

        The new turn's task first waits until the old one is gone, is stored, and its end was told.
        """
        for turn in self._open:
            self._cancel(turn, "superseded")
        self._count += 1
        context = TurnContext(self.memory, self._audience, self._limits, self.wake_word)
        character = scene.character
        turn = Turn(TurnId(self._count), character, Cascade(character), user_input, context)
        self._open.append(turn)
        if not scene.start(partial(self._live, turn), name=f"{scene.config.conf_name}/turn"):
            # The character is just leaving. It is said soon that it has, which ends the turn.
            turn.gone.set()

    async def barge_in(self, heard: str) -> bool:
        """End the turns at once; what was said is what was ``heard``. False if there was none.

        Nothing more is told of them. Their words are handed to the store, which is not waited for: see
        `confirm`.
        """
        if not self._open:
            return False
        turns = await self._stop("barge-in")
        # The client speaks of the last turn that it knows of.
        known = [turn for turn in turns if turn.announced]
        for turn in turns:
            turn.end(Outcome.INTERRUPTED, heard if turn in known[-1:] else None)
        await self._give(turns)
        return True

    async def stop_for_speech(self) -> None:
        """Somebody speaks: end the turns at once.

        The client says with a barge-in what was heard of it; if it does not, all that was handed out counts
        as said, as soon as something else happens in the conversation.
        """
        if self.turn_running:
            await self._stop("somebody spoke")

    # What may wait for the store.

    async def confirm(self) -> None:
        """See that what a barge-in left is stored, or tell the client why it is not; then tell its end."""
        while self._given:
            await self._tell_trouble(self.record.confirm(self._given.pop(0)))
        while self._cut:
            await self._audience.handle(self._cut.pop(0))

    async def end_turn(self, reason: str) -> None:
        """End the running turn, if any, store it, and tell the client; what was handed out counts as said."""
        for turn in self._open:
            self._cancel(turn, reason)
        await self._close_before(None)

    async def finalize(self) -> bool:
        """After the session's tasks have ended: keep what the last turns said. True if one was cut.

        All of it is handed over to the store before anything is awaited; a cancel takes nothing back.
        """
        cut = any(turn.state is not State.ENDED for turn in self._open)
        words: list[StoredMessage] = []
        for turn in self._open:
            turn.end(Outcome.INTERRUPTED)
            words += turn.unsaved
        self._open.clear()
        try:
            await self.record.add(*words)
        except (HistoryError, NoSuchHistory) as error:
            # There is nobody to be told; what is lost is logged where it is lost.
            logger.debug("conversation {}: {}", self.record.uid, error)
        return cut

    async def start_with(self, conf_uid: str) -> None:
        """Turn to another character, with a new conversation."""
        await self.end_turn("another character")
        self.record = self.record.of(conf_uid)
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

    # The life of turns.

    async def _live(self, turn: Turn) -> None:
        try:
            with turn.scope:
                await self._close_before(turn)
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._store_input, turn, name="turn/history")
                    await turn.run()
                    nursery.cancel_scope.cancel("the turn is over")
                await self._close(turn)
        finally:
            turn.gone.set()

    async def _store_input(self, turn: Turn) -> None:
        """Put what the user said on disk while the model thinks."""
        await turn.words_known.wait()
        await self._store(turn)

    async def _close_before(self, turn: Turn | None) -> None:
        """Bring the turns before ``turn``, or all, to their end. A cancel leaves some to the next call."""
        for earlier in tuple(self._open):
            if earlier is turn:
                break
            await earlier.gone.wait()
            earlier.end(Outcome.SUPERSEDED)
            await self._close(earlier)

    async def _close(self, turn: Turn) -> None:
        """Store what was said, then tell that the turn is over: what was told to be over is on disk."""
        await self._store(turn)
        # A barge-in meanwhile has told it.
        if turn in self._open:
            await self._audience.handle(turn.ended())
        if turn in self._open:
            self._open.remove(turn)

    async def _stop(self, reason: str) -> list[Turn]:
        """Cancel all turns, tell nothing more of them, and wait until they are gone."""
        self._audience.silence()
        # What the user typed before may begin a turn while another is still ending.
        while self.turn_running:
            for turn in tuple(self._open):
                self._cancel(turn, reason)
            for turn in tuple(self._open):
                await turn.gone.wait()
            self._audience.silence()
        return list(self._open)

    @staticmethod
    def _cancel(turn: Turn, reason: str) -> None:
        if not turn.gone.is_set() and turn.timeline.cut is None:
            turn.timeline.mark_cut(reason)
        turn.scope.cancel(reason)

    async def _give(self, turns: Sequence[Turn]) -> None:
        for turn in turns:
            if turn not in self._open:
                continue
            self._open.remove(turn)
            self._cut.append(turn.ended())
            words, turn.unsaved = turn.unsaved, []
            try:
                if words:
                    self._given.append(self.record.give(*words))
            except HistoryError as error:
                await self._audience.handle(Problem("history-error", str(error)))

    async def _store(self, turn: Turn) -> None:
        """Store what is not stored yet. When this returns it is on disk, what a cancelled call began too."""
        # From here on they are the record's, which stores them whatever becomes of this task.
        messages, turn.unsaved = turn.unsaved, []
        await self._tell_trouble(self.record.add(*messages))

    async def _tell_trouble(self, storing: Awaitable[None]) -> None:
        try:
            await storing
        except NoSuchHistory as error:
            # What was deleted is not known any more, either.
            self.memory.forget_all_but_last()
            await self._audience.handle(Problem("no-such-history", str(error)))
            await self._audience.handle(ConversationReplaced(self.record.uid))
        except HistoryError as error:
            await self._audience.handle(Problem("history-error", str(error)))


def _remembered(messages: Sequence[StoredMessage]) -> Iterator[Message]:
    """Stored messages as the model reads them: where several people spoke, with their names before them."""
    several = len({message.name for message in messages if message.role == "human"}) > 1
    for message in messages:
        human, name = message.role == "human", message.name or ""
        text = f"{name}: {message.content}" if human and several and name else message.content
        yield Message("user" if human else "assistant", text, name)
