"""`TextAudience`: who has the text of a reply alone, sentence by sentence, and has it spoken elsewhere."""

from __future__ import annotations

import attrs
import trio
from loguru import logger

from ...conversation.events import Event, InputDropped, Problem, Sentence, TurnEnded
from ...conversation.observer import Observer
from ...conversation.timeline import Timeline
from ...identity import RequestId


@attrs.define(eq=False)
class Question:
    """What a client said, and the sentences of the reply as they come; their channel ends with the reply.

    ``problem`` then says, for a person, what went wrong, if anything did.
    """

    text: str
    request: RequestId
    sentences: trio.MemoryReceiveChannel[str]
    _reply: trio.MemorySendChannel[str]
    problem: str = attrs.field(default="", init=False)
    answered: bool = attrs.field(default=False, init=False)
    over: trio.Event = attrs.field(factory=trio.Event, init=False)
    """Set when no more comes, or nobody wants to hear more."""

    async def say(self, sentence: str) -> bool:
        """Hand on ``sentence``; False if the client has left."""
        try:
            await self._reply.send(sentence)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            await trio.lowlevel.checkpoint()
            return False
        return True

    def end(self, problem: str = "") -> None:
        """No more comes. The first problem is the one that is told."""
        self.problem = self.problem or problem
        self.answered = True
        self.over.set()
        self._reply.close()

    def leave(self) -> None:
        """Nobody wants to hear more."""
        self.over.set()
        self.sentences.close()


@attrs.define(eq=False)
class TextAudience:
    """An `Audience` that wants the sentences which would be spoken, and hears them as soon as it has them."""

    _observer: Observer
    question: Question | None = attrs.field(default=None, init=False)
    sentence_sent: float = attrs.field(default=0.0, init=False)
    gaps: float = attrs.field(default=0.0, init=False)

    async def handle(self, event: Event) -> bool:
        """See `Audience.handle`."""
        question = self.question
        match event:
            case Sentence(spoken=spoken) if spoken.strip() and question is not None:
                return await question.say(spoken)
            case Problem(code, text):
                self._observer.error_told(code)
                if question is not None:
                    question.problem = question.problem or text
            case TurnEnded(request=request) | InputDropped(request=request):
                if question is not None and request == question.request:
                    question.end()
        await trio.lowlevel.checkpoint()
        return True

    def silence(self) -> None:
        """See `Audience.silence`: nobody barges in by text."""

    def expect_playback(self) -> trio.Event:
        """See `Audience.expect_playback`: there is no sound to be played."""
        played = trio.Event()
        played.set()
        return played

    def turn_over(self, timeline: Timeline) -> None:
        """See `Audience.turn_over`."""
        logger.info("turn: {}", timeline)
        self._observer.turn_over(timeline)

    def turn_discarded(self, timeline: Timeline) -> None:
        """See `Audience.turn_discarded`."""
        self._observer.turn_discarded(timeline)
