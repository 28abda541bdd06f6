"""`Conversation`: what is being said with one character. Its memory, its record, and the turn that runs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import attrs
import trio
from loguru import logger

from ..config.system import SystemConfig
from ..errors import HistoryError, NoSuchHistory
from ..history.backlog import Backlog
from ..history.store import HistoryUid, Owner, StoredMessage
from ..quota import MemoryQuota
from .admission import TurnAdmission, TurnEntrance
from .cascade import Cascade
from .events import Audience, Outcome, TurnId
from .memory import Memory
from .open_turns import OpenTurns
from .record import Pages, Record
from .scene import Scene
from .speculating import SpeculationBudget
from .storing import Storing, remembered
from .turn import State, Turn
from .turn_input import TurnContext, TurnInput, TurnLimits
from .user_input import UserInput
from .wake_word import WakeWord


@attrs.define(eq=False)
class Conversation:
    """Takes one turn after the other, each in a task of its scene.

    Beside it there may be a provisional one, whose reply is begun before it is certain that the user has
    finished; nothing of it is told, kept or counted before `commit`, and whatever else happens discards it.

    The first seven methods never wait for the store, and are for the session's loop. The others may, and are
    called by one task at a time; no turn is begun while one of them runs. Whatever changes the conversation
    ends the running turn first, so that no turn writes into a conversation that is not its own.
    """

    _audience: Audience
    _limits: TurnLimits
    memory: Memory
    record: Record
    wake_word: WakeWord = attrs.field(factory=WakeWord.always_open)
    """Whether what is said is meant for the character."""
    entrance: TurnEntrance = attrs.field(factory=lambda: TurnEntrance(TurnAdmission()))
    """Where turns wait until the server has time for them."""
    open: OpenTurns = attrs.field(
        default=attrs.Factory(lambda self: OpenTurns(self._audience), takes_self=True), init=False
    )
    _count: int = attrs.field(default=0, init=False)
    _storing: Storing = attrs.field(
        default=attrs.Factory(lambda self: Storing(self._audience, self.memory), takes_self=True), init=False
    )

    @classmethod
    def begin(
        cls, owner: Owner, audience: Audience, *, history: Backlog, system: SystemConfig, quota: MemoryQuota
    ) -> Conversation:
        """A new conversation of ``owner``; what it keeps is claimed of ``quota``."""
        limits = TurnLimits(system.synthesis_ahead, system.turn_deadline, system.playback_grace)
        pages = Pages(system.history_list, system.history_messages, system.history_size)
        return cls(audience, limits, Memory(system.memory_budget, quota), Record(history, owner, pages))

    @property
    def turn_running(self) -> bool:
        """Whether a turn answers or is being played."""
        return self.open.running

    async def wait_turn_over(self) -> None:
        """Wait until no turn runs."""
        await self.open.wait_over()

    def begin_turn(self, scene: Scene, user_input: UserInput) -> None:
        """Begin a turn with ``scene``'s character; one that is running is superseded.

        The new turn's task first waits until the old one is gone, is stored, and its end was told.
        """
        self.discard()
        turn = self._new_turn(scene, user_input)
        self._append(turn)
        if not scene.start(partial(self._live, turn), name=f"{scene.config.conf_name}/turn"):
            # The character is just leaving. `SceneFailed` or a switch follows, and ends the turn.
            turn.gone.set()

    def begin_provisional(
        self, scene: Scene, user_input: UserInput, budget: SpeculationBudget | None = None
    ) -> None:
        """Begin to work at the reply to what the user may have finished saying. A turn that runs goes on.

        An earlier provisional one is discarded; so is this, if ``turn_deadline`` passes without a commit.
        None is begun, or it is discarded, if the server needs the time for turns that are certain.
        """
        self.discard()
        turn = self._new_turn(scene, user_input, provisional=True)
        self.open.provisional.fill(turn, budget)
        live, name = partial(self._live, turn), f"{scene.config.conf_name}/provisional turn"
        if not turn.place.enter_provisional(self.discard) or not scene.start(live, name=name):
            self.open.provisional.left(turn)

    def commit(self, scene: Scene, user_input: UserInput) -> bool:
        """It is certain what the user said: `begin_turn`, but with the reply that was begun, if there is one.

        The provisional turn goes on if it is this character's, and was begun with this input; what was sound
        there may be its text here. Otherwise it is discarded, and another turn begun. True if it goes on.
        """
        turn = self.open.provisional.turn
        if turn is None or not scene.present or not turn.answers(scene.character, user_input):
            self.begin_turn(scene, user_input)
            return False
        turn.input.confirm(user_input)
        self._append(turn)
        self.open.provisional.commit()
        return True

    def discard(self) -> None:
        """End the provisional turn, if any, at once. The next turn begins when its engines are free."""
        self.open.provisional.discard()

    async def barge_in(self, heard: str) -> bool:
        """End the turns at once; what was said is what was ``heard``. False if there was none.

        A turn that is held is not ended: the client answers to the speech that it is held for, see
        `OpenTurns.report`. Nothing more is told of those that are. Their words are handed to the store, which
        is not waited for: see `confirm`.
        """
        if self.open.report(heard):
            await trio.lowlevel.checkpoint()
            return False
        self.discard()
        if not self.open.turns:
            await self.open.provisional.wait_discarded()
            return False
        turns = await self.open.stop("barge-in")
        # ``heard`` is about the last turn that the client was told of.
        known = [turn for turn in turns if turn.announced]
        for turn in turns:
            turn.end(Outcome.INTERRUPTED, heard if turn in known[-1:] else None)
        for turn in turns:
            if turn in self.open.turns:
                self.open.turns.remove(turn)
                await self._storing.give(self.record, turn.take_unsaved(), turn.ended())
        return True

    def playback_began(self, text: str) -> None:
        """The client begins to play the sentence ``text``, or shows it: a thought has no sound."""
        turn = self.open.turns[-1] if self.open.turns else None
        if turn is not None and text == turn.handed_out.first_heard:
            turn.timeline.play()

    async def confirm(self) -> None:
        """See `Storing.confirm`."""
        await self._storing.confirm(self.record)

    async def end_turn(self, reason: str) -> None:
        """End the running turn, if any, store it, and tell the client; what was handed out counts as said."""
        self.discard()
        for turn in self.open.turns:
            turn.cut(reason)
        await self._close_before(None)

    async def finalize(self) -> bool:
        """After the session's tasks have ended: store what the last turns said, whatever cancels this.

        True if one was cut.
        """
        self.discard()
        cut = any(turn.state is not State.ENDED for turn in self.open.turns)
        words: list[StoredMessage] = []
        for turn in self.open.turns:
            turn.end(Outcome.INTERRUPTED)
            words += turn.take_unsaved()
        self.open.turns.clear()
        try:
            await self.record.add(*words)
        except (HistoryError, NoSuchHistory) as error:
            # The client is gone. The backlog logs what is lost.
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
        """Continue ``uid``; its messages. Raises `NoSuchHistory` or `HistoryError`, and changes nothing."""
        messages = await self.record.messages(uid)
        await self.end_turn("another conversation")
        self.record.go_on(uid)
        self.memory.recall(remembered(messages))
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

    def _new_turn(self, scene: Scene, user_input: UserInput, *, provisional: bool = False) -> Turn:
        # A discarded turn leaves no gap in the numbers: clients and logs never see it.
        limits = self._limits
        if self.open.resumable:
            limits = attrs.evolve(limits, resumable=True)
        context = TurnContext(self.memory, self._audience, limits, self.wake_word, self.open.turns)
        asked = TurnInput(user_input, scene.character, context, provisional=provisional)
        return Turn(TurnId(self._count + 1), Cascade(scene.character), asked, self.entrance.place())

    def _append(self, turn: Turn) -> None:
        """Let ``turn`` be the one that runs, once those before it have ended."""
        for earlier in self.open.turns:
            earlier.cut("superseded")
        self._count += 1
        self.open.turns.append(turn)

    async def _live(self, turn: Turn) -> None:
        try:
            with turn.scope:
                if turn is self.open.provisional.turn:
                    await self.open.provisional.speculate(turn, self._limits.deadline, self._answer)
                else:
                    await self._answer(turn)
        finally:
            self.open.provisional.left(turn)

    async def _answer(self, turn: Turn) -> None:
        await self._close_before(turn)
        if not await turn.place.enter():
            await turn.refuse()
            # A barge-in meanwhile may have taken it.
            if turn in self.open.turns:
                self.open.turns.remove(turn)
            return
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._store_input, turn, name="turn/history")
            await turn.run()
            nursery.cancel_scope.cancel("the turn is over")
        await self._close(turn)

    async def _store_input(self, turn: Turn) -> None:
        """Put what the user said on disk while the model thinks."""
        await turn.input.known.wait()
        await self._storing.add(self.record, turn.take_unsaved())

    async def _close_before(self, turn: Turn | None) -> None:
        """Bring the turns before ``turn``, or all, to their end. A cancel leaves some to the next call."""
        await self.open.provisional.wait_discarded()
        for earlier in tuple(self.open.turns):
            if earlier is turn:
                break
            await earlier.gone.wait()
            earlier.end(Outcome.SUPERSEDED)
            await self._close(earlier)

    async def _close(self, turn: Turn) -> None:
        """Store what was said, then tell that the turn is over: what was told to be over is on disk."""
        await self._storing.add(self.record, turn.take_unsaved())
        # A barge-in meanwhile has ended it, and its end is sent by `Storing.confirm`.
        if turn in self.open.turns:
            await self._audience.handle(turn.ended())
        if turn in self.open.turns:
            self.open.turns.remove(turn)
