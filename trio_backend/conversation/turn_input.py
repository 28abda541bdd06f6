"""`TurnInput`: what the user said in a turn. What it means, what is kept of it, and what a model reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import attrs
import trio

from ..engines.base import Message, Nudge, Prompt
from ..history.store import StoredMessage
from .character import Character
from .events import Audience
from .memory import Memory
from .record import stored
from .user_input import UserInput
from .wake_word import Heard, WakeWord, WakeWordUsed

# Sound that a provisional turn holds back, seconds. It is a sentence of some twelve words: less would tear
# most first sentences, and more would bring no sound sooner, since the next one is made while this one plays.
# At 24 kHz it takes 192 kB for each user who may have finished speaking.
SPECULATION = 4.0


@attrs.frozen
class TurnLimits:
    """``ahead`` sentences in synthesis at once; the last audio comes within ``deadline`` seconds of the
    input; the end of playback is awaited ``playback_grace`` seconds longer than the sound lasts.

    A provisional turn holds back ``speculation`` seconds of sound, and is discarded ``deadline`` seconds
    after it was begun. A ``resumable`` one keeps what may not have been heard, and can go on after a pause.
    """

    ahead: int
    deadline: float
    playback_grace: float
    speculation: float = SPECULATION
    resumable: bool = False


class Saying(Protocol):
    """A turn, as far as another one has to know it."""

    def said(self) -> str:
        """What memory would keep of its reply, if it ended now; nothing of one that has ended."""
        ...


@attrs.frozen
class TurnContext:
    """What all turns of a conversation share."""

    memory: Memory
    audience: Audience
    limits: TurnLimits
    wake_word: WakeWord
    turns: Sequence[Saying] = ()
    """Those that have not ended, or whose end is not told yet; oldest first."""


@attrs.frozen
class _Guess:
    """What a provisional turn took the user's words for, and what its model was asked, if it was."""

    text: str
    heard: Heard
    used: WakeWordUsed | None
    prompt: Prompt | None = None


@attrs.define(eq=False)
class TurnInput:
    """The input ``given`` to ``character``: its meaning, and what memory and history keep of it.

    While it is ``provisional``, it answers as it would if the turn were certain, and changes nothing.
    """

    given: UserInput
    character: Character
    context: TurnContext
    provisional: bool = attrs.field(default=False, kw_only=True)
    unsaved: list[StoredMessage] = attrs.field(factory=list, init=False)
    """The user's words, until `Turn.take_unsaved` hands them to the store."""
    known: trio.Event = attrs.field(factory=trio.Event, init=False)
    """Set when what the user said was kept."""
    _meaning: Heard | None = attrs.field(default=None, init=False)
    """What the user's words mean; None before they are known, and while nothing may change."""
    _guess: _Guess | None = attrs.field(default=None, init=False, repr=False)

    def hear(self, text: str) -> tuple[Heard, WakeWordUsed | None]:
        """See `ResponseContext.hear`."""
        if self.provisional:
            self._guess = guess = self._guess_of(text)
            return guess.heard, guess.used
        if self._meaning is None:
            self._meaning = self._take_in(text)
        return self._meaning, self.context.wake_word.used(self._meaning)

    def prompt(self, request: str) -> Prompt:
        """See `ResponseContext.prompt`."""
        if self.provisional and self._guess is not None:
            prompt = self._prompt_after(self._guess)
            self._guess = attrs.evolve(self._guess, prompt=prompt)
            return prompt
        return self._prompt_of(request, self.context.memory.so_far())

    def take_in_known(self) -> None:
        """Keep what the user said, unless that is still sound."""
        if self._meaning is not None:
            return
        if self.given.sound is None:
            self._meaning = self._take_in(self.given.text)
        elif self._guess is not None:
            self._meaning = self._take_in(self._guess.text)

    def confirm(self, given: UserInput) -> None:
        """It is certain: ``given``, of which only request and moments are new, and nothing is held."""
        claim = self.given.claim
        if claim is None:  # it was begun by the sound of a microphone, which has a claim of its own
            claim = given.claim
        elif given.claim is not None and given.claim is not claim:
            given.claim.release()
        spoken = given.spoken or self.given.spoken
        self.given = attrs.evolve(self.given, request=given.request, spoken=spoken, claim=claim)

    def release(self) -> None:
        """Hold no more of what was asked; what memory has taken over stays there."""
        # The words of what was begun provisionally may be wanted all the same, by the next turn.
        given = attrs.evolve(self.given, recognition=None) if self.provisional else self.given
        given.release()
        self._meaning = self._meaning or Heard()
        self.given = attrs.evolve(self.given, images=(), sound=None, recognition=None, claim=None)

    # What a provisional turn takes it for.

    def is_same(self, given: UserInput) -> bool:
        """Whether ``given`` is what was said here. What is sound here may be its text there."""
        mine = self.given
        if (given.nudge, given.name, given.images) != (mine.nudge, mine.name, mine.images):
            return False
        if mine.recognition is not None:
            return (given.recognition, given.text) == (mine.recognition, mine.text)
        if given.sound is not None or mine.sound is None:
            return (given.text, given.sound) == (mine.text, mine.sound)
        return self._guess is not None and self._guess.text == given.text

    @property
    def asked(self) -> bool:
        """Whether a model was asked for a reply, while it was provisional."""
        return self._guess is not None and self._guess.prompt is not None

    def was_guessed(self) -> bool:
        """Whether the responder was told, as far as it has asked, what it would be told now."""
        if self._guess is None:
            return True
        guess = self._guess_of(self._guess.text)
        if self._guess.prompt is not None:
            guess = attrs.evolve(guess, prompt=self._prompt_after(guess))
        return guess == self._guess

    def forget_guess(self) -> None:
        """What was guessed is wrong; nothing is known of what the user said but what was given."""
        self._guess = None

    def _guess_of(self, text: str) -> _Guess:
        if self.given.nudge:
            return _Guess(text, Heard(request=text), None)
        wake_word = self.context.wake_word.trial()
        heard = wake_word.hear(text, trio.current_time())
        return _Guess(text, heard, wake_word.used(heard))

    def _prompt_after(self, guess: _Guess) -> Prompt:
        """What the model has to read once the turns before have ended, and these words were taken in."""
        messages = [Message("assistant", said) for turn in self.context.turns if (said := turn.said())]
        if not self.given.nudge:
            messages.append(self._message(guess.heard, guess.text))
        return self._prompt_of(guess.heard.request or "", self.context.memory.with_more(*messages))

    # What it is.

    def _take_in(self, text: str) -> Heard:
        """What ``text`` means; it is remembered, if it was meant for the character."""
        given = self.given
        if given.nudge:
            return Heard(request=text)
        heard = self.context.wake_word.hear(text, trio.current_time())
        if heard.action != "ignored":
            message = self._message(heard, text)
            claim, size = given.claim, attrs.evolve(given, text=message.content, sound=None).size
            if claim is not None:
                claim.resize(min(claim.size, size))
            self.context.memory.hear(message, claim)
            self.given = attrs.evolve(given, images=(), sound=None, claim=None)
            self.unsaved.append(stored("human", text, name=message.name))
            self.known.set()
        return heard

    def _message(self, heard: Heard, text: str) -> Message:
        """What memory keeps of the user's words ``text``."""
        given = self.given
        said = heard.request or text
        # In a room of several users the model tells them apart by the name before the words.
        words = f"{given.name}: {said}" if given.name else said
        return Message("user", words, given.name or self.character.config.human_name, given.images)

    def _prompt_of(self, request: str, remembered: Sequence[Message]) -> Prompt:
        config = self.character.config
        messages: list[Message | Nudge] = [*remembered]
        if self.given.nudge:
            messages.append(Nudge(request, self.given.images))
        return Prompt(config.system_prompt, messages, config.character_name, tuple(config.emotions))
