"""The life of a turn: from the input to the end of playback, with one state."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from enum import Enum, auto

import attrs
import trio
from trio.abc import ReceiveChannel

from ..history.store import StoredMessage
from ..text.lines import joined, spaced_as
from .admission import TurnAdmission, TurnEntrance, TurnPlace
from .character import Character
from .delivery import Delivery
from .events import (
    AudioChunk,
    InputDropped,
    Outcome,
    Problem,
    Sentence,
    Speaker,
    TurnEnded,
    TurnId,
    TurnResumed,
    TurnStarted,
)
from .record import stored
from .responder import Responder, Response, ResponseContext
from .said import Said
from .speculation import Speculation
from .timeline import Timeline
from .turn_input import TurnContext, TurnInput
from .user_input import UserInput

# A client can have heard at most what was sent; the leeway is for how it joins the sentences.
HEARD_LEEWAY = 1_000  # characters


class State(Enum):
    """Where a turn is. It only moves on."""

    PROVISIONAL = auto()
    """It works at an answer that may not be wanted; nothing of it is told, kept or done outside of it."""
    LIVE = auto()
    """It answers."""
    PLAYING = auto()
    """All sound was handed out; its playback is awaited."""
    ENDED = auto()
    """What counts as said is decided and remembered; to be stored, and its end to be told, may be left."""


@attrs.define(eq=False)
class Turn:
    """One exchange. `run` is its life; whoever cancels that calls `end`, so that memory holds what was heard.

    A turn whose ``input`` is provisional begins with `speculate`, until `commit` or `discard`. Its reply is
    the one that an ordinary turn would have made: `run` sees whether the wake word and the prompt are still
    what they were taken for, and answers anew if not.

    ``scope`` is around the task that runs it, and ``gone`` is set when that has ended.
    """

    id: TurnId
    responder: Responder
    input: TurnInput
    place: TurnPlace = attrs.field(factory=lambda: TurnEntrance(TurnAdmission()).place())
    """Among the turns that are answered, up to its last sound: playing it costs nothing."""
    state: State = attrs.field(init=False)
    outcome: Outcome = attrs.field(default=Outcome.COMPLETED, init=False)
    timeline: Timeline = attrs.field(factory=Timeline, init=False)
    announced: bool = attrs.field(default=False, init=False)
    """Whether the client was told that it has begun."""
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    gone: trio.Event = attrs.field(factory=trio.Event, init=False)
    heard: str = attrs.field(default="", init=False, repr=False)
    """What counts as said, once it has ended."""
    committed: trio.Event = attrs.field(factory=trio.Event, init=False)
    """Set when a turn that was provisional is wanted."""
    _unsaved: list[StoredMessage] = attrs.field(factory=list, init=False)
    """The reply, until `take_unsaved` hands it to the store."""
    context: TurnContext = attrs.field(init=False)
    _speculation: Speculation | None = attrs.field(default=None, init=False)
    handed_out: Said = attrs.field(factory=Said, init=False)
    delivery: Delivery = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.context = self.input.context
        self.delivery = Delivery(
            self.id,
            self.context.audience,
            lambda: TurnResumed(self.id, self._speaker),
            lambda: self.cut("somebody spoke"),
            keeps=self.context.limits.resumable,
        )
        self.timeline.spoken(self.input.given.spoken)
        self.state = State.PROVISIONAL if self.input.provisional else State.LIVE

    async def run(self) -> None:
        """Answer, and wait until the answer was played; then it has ended.

        A cancel leaves nothing running; what was handed out until then can be kept by `end`.
        """
        audience, limits = self.context.audience, self.context.limits
        flow = await self._flow()
        # What was typed is kept, however soon the turn is cut.
        self.input.take_in_known()
        await audience.handle(TurnStarted(self.id, self._speaker, self.input.given.request))
        self.announced = True
        self.delivery.patience.deadline = trio.current_time() + limits.deadline
        with self.delivery.patience:
            async with flow or self._reply() as events:
                while (event := await self.delivery.receive(events)) is not None:
                    delivered = await self.delivery.hand_out(event)
                    match event:
                        case Sentence():
                            self.handed_out.begin(event)
                        case AudioChunk():
                            self._take_out(event, delivered=delivered)
        if self._speculation is not None:
            await self._speculation.stop()
        self.place.leave()
        outcome = Outcome.COMPLETED
        if self.delivery.patience.cancelled_caught:
            outcome = Outcome.TIMED_OUT
            text = f"the reply took longer than {limits.deadline:g} s (turn_deadline) and was ended"
            await audience.handle(Problem("turn-deadline", text))
        if self.timeline.sound:
            await self._wait_played()
        self.end(outcome)
        self.context.wake_word.keep_awake(trio.current_time())

    def end(self, outcome: Outcome, heard: str | None = None) -> None:
        """What was handed out counts as said, or just what was ``heard`` of it. The first call decides.

        Nothing is awaited here: whoever cuts in finds the reply kept, or not begun to be kept.
        """
        if self.state is State.ENDED:
            return
        self.input.take_in_known()
        shown = joined(sentence.text for sentence in self.handed_out.sentences())
        remembered = self.said()
        if heard is None and self.delivery.reported is not None:
            # It was held for somebody who spoke, and has not gone on.
            heard = self.delivery.reported
            outcome = Outcome.INTERRUPTED if outcome is Outcome.SUPERSEDED else outcome
        elif heard is not None:
            heard = self.delivery.whole(heard)
        self.state, self.outcome = State.ENDED, outcome
        if heard is not None:
            # The page of Open-LLM-VTuber reports sentences without a space between them.
            shown = remembered = spaced_as(shown, heard[: len(shown) + HEARD_LEEWAY])
        self.heard = shown
        self.context.memory.say(remembered)
        if shown:
            speaker = self._speaker
            self._unsaved.append(stored("ai", shown, name=speaker.name, avatar=speaker.avatar))
        if outcome in (Outcome.COMPLETED, Outcome.TIMED_OUT):
            self.timeline.end = self.timeline.now()
        self.input.release()
        self.context.audience.turn_over(self.timeline)

    async def refuse(self) -> None:
        """The server has no time for it: say so, and when it may have; nothing of it is kept."""
        audience, after, request = self.context.audience, self.place.retry_after, self.input.given.request
        self.state, self.outcome = State.ENDED, Outcome.REFUSED
        self.timeline.mark_cut("busy")
        self.input.release()
        audience.turn_over(self.timeline)
        text = f"the server has too much to do, and does not answer this: send it again in {after:g} s"
        await audience.handle(Problem("busy", text, after))
        if request is not None:
            await audience.handle(InputDropped(request, refused=True))

    def cut(self, reason: str) -> None:
        """Cancel it; the first reason is the one that is told. Its task is gone a little later."""
        if not self.gone.is_set() and self.timeline.cut is None:
            self.timeline.mark_cut(reason)
        self.scope.cancel(reason)

    def take_unsaved(self) -> list[StoredMessage]:
        """What is to be stored of it by now, oldest first. Whoever takes it stores it."""
        messages = [*self.input.unsaved, *self._unsaved]
        self.input.unsaved, self._unsaved = [], []
        return messages

    def ended(self) -> TurnEnded:
        """The event that says so."""
        return TurnEnded(self.id, self.outcome, self.heard, self.timeline, self.input.given.request)

    @property
    def _speaker(self) -> Speaker:
        config = self.input.character.config
        return Speaker(config.character_name, config.avatar, config.emotions)

    def said(self) -> str:
        """What memory would keep of the reply, if it ended now; nothing of one that has ended."""
        if self.state is State.ENDED:
            return ""
        if self.delivery.reported is not None:
            return self.delivery.reported
        return joined(sentence.source for sentence in self.handed_out.sentences() if not sentence.thought)

    # While somebody speaks, and it is not certain that they mean to interrupt.

    def hold(self) -> bool:
        """Hand out nothing more, and be ready to `go_on`; False if that cannot be: then it is to be cut."""
        running = self.announced and self.state in (State.LIVE, State.PLAYING)
        return running and self._uncut and self.delivery.hold()

    def go_on(self) -> bool:
        """Say again what was not heard, and the rest; False if it was not held, or has ended meanwhile."""
        return self._uncut and self.delivery.release()

    def report(self, heard: str) -> bool:
        """The client says what was ``heard`` of it before it was held; False where that is not asked for."""
        return self._uncut and self.delivery.report(heard)

    def report_late(self) -> bool:
        """As `report`, where it has gone on already; False where that is not asked for, or not any more."""
        return self._uncut and self.delivery.report_late()

    @property
    def _uncut(self) -> bool:
        return not self.gone.is_set() and self.timeline.cut is None

    # While it is provisional.

    def speculate(self, nursery: trio.Nursery) -> None:
        """Begin to work at the reply, in ``nursery``; its events are held back until `run`."""
        self._speculation = Speculation(self.context.limits.speculation)
        nursery.start_soon(self._speculation.run, self._reply(), name="turn/provisional")

    def answers(self, character: Character, user_input: UserInput) -> bool:
        """Whether ``character`` was asked just this. What was spoken here may come as text there."""
        return character is self.input.character and self.input.is_same(user_input)

    def commit(self) -> None:
        """It is wanted: `run` may begin."""
        self.state = State.LIVE
        self.timeline.commit()
        self.timeline.spoken(self.input.given.spoken)
        self.committed.set()

    def discard(self) -> None:
        """It is not wanted: end it at once, and leave nothing. Does nothing unless it is provisional."""
        if self.state is not State.PROVISIONAL:
            return
        self.state, self.outcome = State.ENDED, Outcome.DISCARDED
        self.timeline.mark_cut("discarded")
        self.scope.cancel("discarded")
        if self._speculation is not None:
            self.timeline.sound = self._speculation.sound
            self._speculation.close()
        self.input.release()
        self.place.leave()
        self.context.audience.turn_discarded(self.timeline)

    async def _flow(self) -> ReceiveChannel[Response] | None:
        """The reply that was begun, if it is what would be begun now. Otherwise it is dropped first."""
        speculation = self._speculation
        if speculation is not None and not self.input.was_guessed():
            await speculation.stop()
            self.input.forget_guess()
            self._speculation = speculation = None
            self.timeline = self.timeline.anew()
        self.input.provisional = False
        return None if speculation is None else speculation.flow()

    def _reply(self) -> AbstractAsyncContextManager[ReceiveChannel[Response]]:
        context = ResponseContext(
            self.id,
            self.input.hear,
            self.input.prompt,
            self.timeline,
            self.context.limits.ahead,
            wait_certain=self._wait_certain,
        )
        return self.responder.respond(self.input.given, context)

    async def _wait_certain(self) -> None:
        if self._speculation is None:
            await trio.lowlevel.checkpoint()
        else:
            await self._speculation.wait_released()

    # Its sound.

    def _take_out(self, chunk: AudioChunk, *, delivered: bool) -> None:
        sent = self.handed_out.take(chunk, self.context.audience.sentence_sent, delivered=delivered)
        if sent:
            self.timeline.audio(sent)

    async def _wait_played(self) -> None:
        self.state = State.PLAYING
        longest = self.timeline.sound + self.context.audience.gaps
        await self.delivery.wait_played(longest, self.context.limits.playback_grace)
