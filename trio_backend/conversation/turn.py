"""The life of a turn: from the input to the end of playback, with one state."""

from __future__ import annotations

from enum import Enum, auto

import attrs
import trio

from ..engines.base import Message, Nudge, Prompt
from ..history.store import StoredMessage
from ..text.lines import joined
from .character import Character
from .events import (
    Audience,
    AudioChunk,
    Outcome,
    Problem,
    Sentence,
    Speaker,
    SpeechComplete,
    TurnEnded,
    TurnId,
    TurnStarted,
)
from .memory import Memory
from .record import stored
from .responder import Responder, ResponseContext
from .timeline import Timeline
from .user_input import UserInput
from .wake_word import Heard, WakeWord, WakeWordUsed

# Who plays a reply knows at most what was sent of it, give or take how it joins the sentences.
HEARD_LEEWAY = 1_000  # characters


class State(Enum):
    """Where a turn is. It only moves on."""

    LIVE = auto()
    """It answers."""
    PLAYING = auto()
    """All sound was handed out; its playback is awaited."""
    ENDED = auto()
    """What counts as said is decided and remembered; to be stored, and its end to be told, may be left."""


@attrs.frozen
class TurnLimits:
    """``ahead`` sentences in synthesis at once; the last audio comes within ``deadline`` seconds of the
    input; the end of playback is awaited ``playback_grace`` seconds longer than the sound lasts."""

    ahead: int
    deadline: float
    playback_grace: float


@attrs.frozen
class TurnContext:
    """What all turns of a conversation share."""

    memory: Memory
    audience: Audience
    limits: TurnLimits
    wake_word: WakeWord


@attrs.define(eq=False)
class Turn:
    """One exchange. `run` is its life; whoever cancels that calls `end`, so that memory holds what was heard.

    ``unsaved`` is what is to be stored of it; whoever stores it takes it away from here. ``scope`` is around
    the task that runs it, and ``gone`` is set when that has ended.
    """

    id: TurnId
    character: Character
    responder: Responder
    user_input: UserInput
    context: TurnContext
    state: State = attrs.field(default=State.LIVE, init=False)
    outcome: Outcome = attrs.field(default=Outcome.COMPLETED, init=False)
    timeline: Timeline = attrs.field(factory=Timeline, init=False)
    unsaved: list[StoredMessage] = attrs.field(factory=list, init=False)
    announced: bool = attrs.field(default=False, init=False)
    """Whether the client was told that it has begun."""
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    gone: trio.Event = attrs.field(factory=trio.Event, init=False)
    words_known: trio.Event = attrs.field(factory=trio.Event, init=False)
    """Set when what the user said is among ``unsaved``."""
    heard: str = attrs.field(default="", init=False, repr=False)
    """What counts as said, once it has ended."""
    _meaning: Heard | None = attrs.field(default=None, init=False)
    """What the user's words mean; None before they are known."""
    _said: list[Sentence] = attrs.field(factory=list, init=False)
    _pending: Sentence | None = attrs.field(default=None, init=False)
    """A sentence whose sound has not been handed out to its last piece."""

    async def run(self) -> None:
        """Answer, and wait until the answer was played; then it has ended.

        A cancel leaves nothing running; what was handed out until then can be kept by `end`.
        """
        audience, limits = self.context.audience, self.context.limits
        # What was typed is kept, however soon the turn is cut.
        self._take_in_typed()
        await audience.handle(TurnStarted(self.id, self._speaker, self.user_input.request))
        self.announced = True
        with trio.move_on_after(limits.deadline) as patience:
            needs = ResponseContext(self.id, self._hear, self._prompt, self.timeline, limits.ahead)
            async with self.responder.respond(self.user_input, needs) as events:
                async for event in events:
                    delivered = await audience.handle(event)
                    match event:
                        case Sentence():
                            self._pending = event
                        case AudioChunk():
                            self._take_out(event, delivered=delivered)
        outcome = Outcome.COMPLETED
        if patience.cancelled_caught:
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
        self._take_in_typed()
        self.state, self.outcome = State.ENDED, outcome
        shown = joined(sentence.text for sentence in self._said)
        remembered = joined(sentence.source for sentence in self._said if not sentence.thought)
        if heard is not None:
            shown = remembered = heard[: len(shown) + HEARD_LEEWAY]
        self.heard = shown
        self.context.memory.say(remembered)
        if shown:
            speaker = self._speaker
            self.unsaved.append(stored("ai", shown, name=speaker.name, avatar=speaker.avatar))
        if outcome in (Outcome.COMPLETED, Outcome.TIMED_OUT):
            self.timeline.end = self.timeline.now()
        self._release()
        self.context.audience.turn_over(self.timeline)

    def ended(self) -> TurnEnded:
        """The event that says so."""
        return TurnEnded(self.id, self.outcome, self.heard, self.timeline, self.user_input.request)

    @property
    def _speaker(self) -> Speaker:
        config = self.character.config
        return Speaker(config.character_name, config.avatar, config.emotions)

    def _release(self) -> None:
        """Hold no more of what was asked; what memory has taken over stays there."""
        self.user_input.release()
        self._meaning = self._meaning or Heard()
        self.user_input = attrs.evolve(self.user_input, images=(), sound=None, claim=None)

    # What the responder asks of the turn.

    def _take_in_typed(self) -> None:
        if self._meaning is None and self.user_input.sound is None:
            self._meaning = self._take_in(self.user_input.text)

    def _hear(self, text: str) -> tuple[Heard, WakeWordUsed | None]:
        if self._meaning is None:
            self._meaning = self._take_in(text)
        return self._meaning, self.context.wake_word.used(self._meaning)

    def _take_in(self, text: str) -> Heard:
        """What ``text`` means; it is remembered, if it was meant for the character."""
        given = self.user_input
        if given.nudge:
            return Heard(request=text)
        heard = self.context.wake_word.hear(text, trio.current_time())
        if heard.action != "ignored":
            said = heard.request or text
            called = given.name or self.character.config.human_name
            # Where several speak, the model knows them by what stands before their words.
            words = f"{given.name}: {said}" if given.name else said
            claim, size = given.claim, attrs.evolve(given, text=words, sound=None).size
            if claim is not None:
                claim.resize(min(claim.size, size))
            self.context.memory.hear(Message("user", words, called, given.images), claim)
            self.user_input = attrs.evolve(given, images=(), sound=None, claim=None)
            self.unsaved.append(stored("human", text, name=called))
            self.words_known.set()
        return heard

    def _prompt(self, request: str) -> Prompt:
        """What the model is to read."""
        config = self.character.config
        messages: list[Message | Nudge] = [*self.context.memory.so_far()]
        if self.user_input.nudge:
            messages.append(Nudge(request, self.user_input.images))
        return Prompt(config.system_prompt, messages, config.character_name, tuple(config.emotions))

    # Its sound.

    def _take_out(self, chunk: AudioChunk, *, delivered: bool) -> None:
        if chunk.pcm.samples:
            self.timeline.audio(chunk.pcm.seconds)
        if chunk.last and self._pending is not None:
            if delivered:
                self._said.append(self._pending)
            self._pending = None

    async def _wait_played(self) -> None:
        audience, grace = self.context.audience, self.context.limits.playback_grace
        self.state = State.PLAYING
        played = audience.expect_playback()  # before we ask, or the answer may slip by
        await audience.handle(SpeechComplete(self.id, self.timeline.sound))
        with trio.move_on_after(self.timeline.sound + grace):
            await played.wait()
