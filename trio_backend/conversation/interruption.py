"""`Interruption`: whether somebody who speaks while the character does means to stop it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from enum import Enum, auto
from typing import Protocol

import attrs
import trio

from ..audio.endpointing import WINDOW_SECONDS, Edge
from ..errors import ProtocolError
from ..text.backchannels import is_backchannel
from ..text.echo import EchoMatch, echo
from .events import Event, SpeechEnded, SpeechStarted
from .microphone import Stream
from .speech_engines import SpeechEngines

# Seconds after the end of what stopped the character within which it goes on, if that was nothing. Who needs
# longer to be understood has interrupted it.
GOES_ON_WITHIN = 1.0
# The same for what has not stopped it: the longest that recognition takes where it works.
UNDERSTOOD_WITHIN = 10.0
# Seconds by which speech is longer than what is found of it: its soft onset is some two windows, and it ends
# within the next one.
UNHEARD = 3 * WINDOW_SECONDS
# Seconds beyond ``min_interrupt`` that the first words of a recogniser that streams are waited for: they say
# what the length cannot, and a reply that stops after each "mm-hm" is worse than a tenth of a second.
WORDS_WITHIN = 0.1
# Seconds without sound after which who has held the character has finished: they have switched the microphone
# off. A mobile network may stand still for some seconds.
STREAM_ENDED = 12.0


class Interruptible(Protocol):
    """What speech may stop: see the methods of `OpenTurns`."""

    def expect_speech(self) -> None: ...
    @property
    def interruptible(self) -> bool: ...
    def playing(self) -> str: ...
    def asks(self) -> bool: ...
    async def hold(self) -> bool: ...
    def go_on(self) -> bool: ...
    def give_up(self) -> None: ...
    async def stop_for_speech(self) -> None: ...


class Meaning(Enum):
    """What speech over the character's means, by its words."""

    UNKNOWN = auto()
    """Nothing is understood yet, or it may be the character's own voice."""
    NOTHING = auto()
    """It asks for nothing: a cough, “uh-huh”, or the character's own words from a loudspeaker."""
    MEANT = auto()
    """It is for the character."""


class _State(Enum):
    NONE = auto()
    UNSURE = auto()
    """Somebody speaks; the character speaks on."""
    HELD = auto()
    """The character is silent, and can go on."""


@attrs.define(eq=False)
class Interruption:
    """Speech stops the character when it is words, or lasts ``min_interrupt`` seconds and is not understood.

    What was stopped by the length alone is held until its words are known, and goes on if they are none that
    are meant. With a ``min_interrupt`` of 0 all speech stops it at once, for good.
    """

    _turns: Interruptible
    _emit: Callable[[Event], Awaitable[object]]
    _nursery: trio.Nursery
    _discard: Callable[[], None]
    """Called where nobody answers what was said."""
    min_interrupt: float
    _settling: trio.CancelScope | None = attrs.field(default=None, init=False)
    """Around the wait for the meaning of an utterance that is over."""
    _state: _State = attrs.field(default=_State.NONE, init=False)
    _patience: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    """Around the wait for the end of the stream."""
    _watched: bool = attrs.field(default=False, init=False)
    """Whether that is waited for."""
    _said: str = attrs.field(default="", init=False, repr=False)
    """What the character was saying when the speech began, and since."""
    _asked: bool = attrs.field(default=False, init=False)
    _judged: tuple[str | None, bool, Meaning] = attrs.field(
        default=(None, False, Meaning.UNKNOWN), init=False, repr=False
    )
    """The words that were looked at last: a stream has a window each 32 ms, and new words twice a second."""

    @property
    def undecided(self) -> bool:
        """Whether it is not known yet if the speech is meant."""
        return self._state is not _State.NONE

    @property
    def held(self) -> bool:
        """Whether the character was stopped, and waits."""
        return self._state is _State.HELD

    async def begin(self) -> None:
        """Somebody begins to speak."""
        if self.min_interrupt and self._turns.interruptible:
            self._state, self._said = _State.UNSURE, self._turns.playing()
            self._asked = self._turns.asks()
            self._judged = (None, False, Meaning.UNKNOWN)
        else:
            self._state = _State.NONE
            # First: a client that takes nothing must not keep the reply going.
            await self._turns.stop_for_speech()
            await self._emit(SpeechStarted())

    async def weigh(self, stream: Stream, engines: SpeechEngines, decided: Callable[[Stream], None]) -> None:
        """Somebody has spoken on, in ``stream``, or is silent: see whether it is meant.

        ``decided`` is called with the stream once it is. Does nothing where that was decided before.
        """
        if self.undecided and stream.endpointer.speaking and await self._follow(stream, engines):
            decided(stream)

    def weigh_soon(self, stream: Stream, engines: SpeechEngines, decided: Callable[[Stream], None]) -> None:
        """`weigh`, as there are new words; the next window of sound may be a tenth of a second away."""
        if self.undecided:
            self._nursery.start_soon(self.weigh, stream, engines, decided, name="session/interruption")

    async def _follow(self, stream: Stream, engines: SpeechEngines) -> bool:
        """True once it is decided."""
        self._patience.deadline = trio.current_time() + STREAM_ENDED
        meaning = self._judge(stream)
        if meaning is Meaning.MEANT:
            await self.confirm()
        elif meaning is Meaning.NOTHING and stream.endpointer.paused:
            # Who speaks on says something else. So the character goes on before the end of the hang-over.
            if stream.finish(trio.current_time()) is Edge.ENDED:
                self.settle(stream, engines)
        elif self._state is _State.UNSURE and meaning is Meaning.UNKNOWN and self._is_long(stream):
            # First: its words may become known while something is waited for here.
            self._state = _State.HELD
            if not await self._turns.hold() and self.held:
                self._state = _State.NONE
            elif not self._watched:
                self._watched = True
                self._patience = trio.CancelScope(deadline=self._patience.deadline)
                self._nursery.start_soon(self._watch, stream, engines, name="session/held turn")
            await self._emit(SpeechStarted())
        return not self.undecided

    def _judge(self, stream: Stream) -> Meaning:
        recognition, words = stream.utterance.recognition, stream.utterance.words
        final = recognition is not None and recognition.final
        if (words, final) != self._judged[:2]:
            self._judged = (words, final, self.meaning(words, final=final))
        return self._judged[2]

    async def _watch(self, stream: Stream, engines: SpeechEngines) -> None:
        """Settle what is held where the stream ends in the middle of an utterance."""
        with self._patience:
            await trio.sleep_forever()
        self._watched = False
        if self.held and stream.finish(trio.current_time()) is Edge.ENDED:
            self.settle(stream, engines)

    def _is_long(self, stream: Stream) -> bool:
        """Whether the speech has lasted ``min_interrupt`` seconds, as far as one can hear that."""
        recognition = stream.utterance.recognition
        if recognition is not None and recognition.streams and not recognition.failed:
            return stream.endpointer.spoken >= self.min_interrupt + WORDS_WITHIN
        return stream.endpointer.spoken + UNHEARD > self.min_interrupt

    def meaning(self, words: str | None, *, final: bool = False) -> Meaning:
        """What ``words`` mean; where they are the ``final`` ones, no words are nothing."""
        if not words or not words.strip():
            return Meaning.NOTHING if final and words is not None else Meaning.UNKNOWN
        if is_backchannel(words, asked=self._asked):
            return Meaning.NOTHING
        if not self.held:
            self._said = self._turns.playing() or self._said
        match echo(words, self._said):
            case EchoMatch.CERTAIN:
                return Meaning.NOTHING
            case EchoMatch.POSSIBLE:
                return Meaning.MEANT if final else Meaning.NOTHING
            case _:
                return Meaning.MEANT

    async def confirm(self) -> None:
        """It is meant: what the character was saying is over. Does nothing where that is decided."""
        state, self._state = self._state, _State.NONE
        if state is _State.NONE:
            return
        # What was held may have been superseded meanwhile, by a reply to something typed.
        audible = state is _State.UNSURE or self._turns.interruptible
        await self._turns.stop_for_speech()
        if audible:
            await self._emit(SpeechStarted())

    def dismiss(self) -> None:
        """It is not meant: the character goes on, or was never stopped."""
        state = self._state
        self.forget()
        if state is _State.HELD:
            self._turns.go_on()

    def give_up(self) -> None:
        """As `confirm`, at once, and nothing is told: what is held is over, whatever becomes of the words.

        The client says that its user has finished, or what was said is lost.
        """
        if self.held:
            self._turns.give_up()
        self.forget()

    @contextmanager
    def over_if_dropped(self) -> Iterator[None]:
        """`give_up` where the block raises `ProtocolError`, having dropped what is being said."""
        try:
            yield
        except ProtocolError:
            self.give_up()
            raise

    def forget(self) -> None:
        """Nothing is decided any more: the session is over."""
        self._state = _State.NONE
        self._stop_settling()

    # What is over, and may have been no interruption.

    def settle(self, stream: Stream, engines: SpeechEngines) -> None:
        """The utterance has ended: find out what it means, and let the character go on, or be answered.

        What is not meant is dropped, and ``discard`` called.
        """
        self._stop_settling()
        self._settling = trio.CancelScope()
        self._nursery.start_soon(self._settle, self._settling, stream, engines, name="session/interruption")

    async def answer_finished(self) -> None:
        """Somebody speaks on before it is known what the last utterance meant: then it was meant."""
        if self._stop_settling():
            await self._answer()

    def _stop_settling(self) -> bool:
        scope, self._settling = self._settling, None
        if scope is not None:
            scope.cancel("it is decided what was said")
        return scope is not None

    async def _settle(self, scope: trio.CancelScope, stream: Stream, engines: SpeechEngines) -> None:
        with scope:
            words = await self._words(stream, engines)
            self._settling = None
            if self.meaning(words, final=True) is Meaning.NOTHING:
                stream.drop_finished()
                self._discard()
                self.dismiss()
            else:
                await self._answer()

    async def _words(self, stream: Stream, engines: SpeechEngines) -> str | None:
        """What was said last in ``stream``; None where that cannot be made out in time."""
        finished = stream.finished
        recognition = finished.recognition if finished is not None else None
        if finished is not None and (recognition is None or recognition.failed):
            recognition = engines.recognise(lambda _recognition: None)
            if recognition is not None:
                stream.recognise_finished(recognition)
        if recognition is None:
            await trio.lowlevel.checkpoint()
            return None
        with trio.move_on_after(GOES_ON_WITHIN if self.held else UNDERSTOOD_WITHIN):
            return await recognition.result()
        return None

    async def _answer(self) -> None:
        await self.confirm()
        await self._emit(SpeechEnded())
