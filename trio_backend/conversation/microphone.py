"""`Microphone`: the sound of a client's microphone, with endpointing by the client or by us. No tasks.

What an engine understands of an utterance goes with its sound: whatever drops the one ends the other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import attrs

from ..audio.endpointing import Edge, Endpointer, Rules, Windows, power
from ..audio.pcm import Pcm
from ..audio.utterance import Utterance
from ..errors import ProtocolError, QuotaExceeded
from .recognition import Recognition


@attrs.frozen
class SpokenUtterance:
    """What was said: its sound, and the recognition that was begun, if one was.

    ``guess`` is what a turn was begun with before it was over; `words` says whether that holds. ``ended`` is
    when the last word of it was said, and ``decided`` when that was taken for its end, in seconds of the
    clock that its stream was told; None where the client found it.
    """

    sound: Pcm
    recognition: Recognition | None = None
    guess: str | None = attrs.field(default=None, repr=False)
    ended: float | None = None
    decided: float | None = None

    @property
    def words(self) -> str | None:
        """What was said, if a turn was begun with it, and nothing else has been understood since."""
        if self.guess is None or self.recognition is None or self.recognition.failed:
            return None
        return self.guess if self.recognition.says(self.guess) else None

    def drop(self) -> None:
        """Nobody wants to know what was said."""
        if self.recognition is not None:
            self.recognition.abandon()


@attrs.define(eq=False)
class OpenUtterance:
    """What is being said: its sound so far, and what is understood of it."""

    _sound: Utterance
    recognition: Recognition | None = attrs.field(default=None, init=False)
    guess: str | None = attrs.field(default=None, init=False, repr=False)
    """What a turn was begun with before it is over."""
    _in_vain: Recognition | None = attrs.field(default=None, init=False)
    """One that was begun too early; the next waits for its end."""

    @classmethod
    def within(cls, limit: float) -> OpenUtterance:
        """It may last ``limit`` seconds."""
        return cls(Utterance(limit))

    @property
    def empty(self) -> bool:
        """Whether nothing was said."""
        return not self._sound.size

    @property
    def seconds(self) -> float:
        """How long it is so far."""
        return self._sound.seconds

    @property
    def words(self) -> str | None:
        """What is understood of it so far; None before anything is, and where nothing will be."""
        recognition = self.recognition
        known = recognition is not None and recognition.known and not recognition.failed
        return recognition.text if recognition is not None and known else None

    @property
    def size(self) -> int:
        """Bytes of sound that are kept for it."""
        return self._sound.size + (self.recognition.size if self.recognition is not None else 0)

    def so_far(self) -> bytes:
        """What was said of it until now."""
        return self._sound.so_far()

    def append(self, samples: bytes) -> None:
        """More of it. Raises `ProtocolError` when it has become too long, which drops it."""
        if not self._sound.append(samples):
            self.recognise_no_more()
            raise ProtocolError(
                "utterance-too-long",
                f"this utterance is longer than {self._sound.limit:g} s (max_utterance), and is dropped",
            )
        if self.recognition is not None and self.recognition.streams:
            self.recognition.feed(samples)

    def recognise(self, recognition: Recognition) -> None:
        """Let ``recognition`` have what was said so far, and what follows, unless it wants it whole."""
        self.recognise_no_more()
        self.recognition, recognition.after, self._in_vain = recognition, self._in_vain, None
        recognition.feed(self._sound.so_far())
        if not recognition.streams:
            recognition.complete()

    def recognise_no_more(self) -> None:
        """Nobody wants to know what was understood so far: more was said, or another has it."""
        recognition, self.recognition, self.guess = self.recognition, None, None
        if recognition is not None:
            self._in_vain = recognition if recognition.abandon() else recognition.after

    def take(self) -> SpokenUtterance:
        """The whole of it, perhaps empty; then another one begins."""
        recognition, guess = self.recognition, self.guess
        if recognition is not None:
            recognition.complete()
        self.recognition = self.guess = None
        return SpokenUtterance(self._sound.take(), recognition, guess)

    def clear(self, *, too_long: bool = False) -> None:
        """Begin anew; or drop what follows, too, until that: it was ``too_long``."""
        self.recognise_no_more()
        self._sound.clear()
        self._sound.too_long = too_long

    @property
    def too_long(self) -> bool:
        """Whether it was dropped, and what follows of it is."""
        return self._sound.too_long


@attrs.define(eq=False)
class Stream:
    """Continuous sound, in which we find the utterances. ``now`` is in seconds of any steady clock."""

    endpointer: Endpointer
    _windows: Windows
    utterance: OpenUtterance
    _finished: SpokenUtterance | None = attrs.field(default=None, init=False)
    answered_until: float = attrs.field(default=float("-inf"), init=False)
    """When the last utterance that was taken from here had been said."""

    @classmethod
    def of(cls, rules: Rules, *, limit: float, pause: float = math.inf) -> Stream:
        """A new stream; an utterance in it may last ``limit`` seconds, and is paused after ``pause``."""
        return cls(Endpointer(rules, pause), Windows.keeping(rules.pre_roll), OpenUtterance.within(limit))

    def windows(self, samples: bytes) -> Iterator[bytes]:
        """The windows that ``samples`` complete, each to be told to `judge` before the next is taken."""
        return self._windows.feed(samples)

    def judge(self, window: bytes, probability: float, now: float) -> Edge | None:
        """The next window, and how likely it is speech; what that changed.

        Raises `ProtocolError` when the utterance has become too long, which drops it.
        """
        speaking = self.endpointer.speaking
        edge = self.endpointer.feed(probability, power(window))
        if edge is Edge.STARTED:
            self.utterance.clear()
            self.utterance.append(self._windows.take_recent())
        elif speaking:
            self.utterance.append(window)
        if edge is Edge.ENDED:
            return self._finish(now)
        return edge

    def finish(self, now: float) -> Edge | None:
        """Let the utterance that goes on be over, if there is one: `Edge.ENDED`, or None."""
        if not self.endpointer.speaking:
            return None
        self.endpointer.reset()
        return self._finish(now)

    @property
    def size(self) -> int:
        """Bytes of sound that it keeps."""
        return self.utterance.size + (len(self._finished.sound.samples) if self._finished is not None else 0)

    def take(self, now: float) -> SpokenUtterance | None:
        """The utterance that was found last, or what was said so far of the one that goes on."""
        if self._finished is not None:
            spoken, self._finished = self._finished, None
            assert spoken.ended is not None
            self.answered_until = spoken.ended
            return spoken
        if self.endpointer.speaking:
            self.answered_until = now
            ended = now - self.endpointer.silence
            return attrs.evolve(self._cut().take(), ended=ended, decided=now)
        return None

    @property
    def finished(self) -> SpokenUtterance | None:
        """The utterance that was found last, until it is taken."""
        return self._finished

    def recognise_finished(self, recognition: Recognition) -> None:
        """Let ``recognition`` have that utterance, which nobody has recognised."""
        assert self._finished is not None
        recognition.feed(self._finished.sound.samples)
        recognition.complete()
        self._finished = attrs.evolve(self._finished, recognition=recognition)

    def forget(self) -> None:
        """What was said so far is answered already."""
        self.drop_finished()
        self._cut().clear()

    def _finish(self, now: float) -> Edge | None:
        """The utterance is over; None if it was too long, so that nothing of it is left."""
        if self.utterance.too_long:
            self.utterance.clear()
            return None
        self.drop_finished()
        # The last word was said before the silence that has ended it.
        ended = now - self.endpointer.silence
        self._finished = attrs.evolve(self.utterance.take(), ended=ended, decided=now)
        return Edge.ENDED

    def drop_finished(self) -> None:
        """Nobody answers the utterance that was found last."""
        finished, self._finished = self._finished, None
        if finished is not None:
            finished.drop()

    def _cut(self) -> OpenUtterance:
        self.endpointer.reset()
        self._windows.take_recent()
        return self.utterance


@attrs.define(eq=False)
class Microphone:
    """Two ways in: utterances that the client found (``add``), and a `Stream` in which we find them.

    Both may bring one sentence, in either order; `end` gives each sentence once.
    """

    limit: float
    _hold: Callable[[int], None] = attrs.field(default=lambda _size: None)
    """Told how many bytes are kept. Raises `QuotaExceeded` where that is too much."""
    utterance: OpenUtterance = attrs.field(init=False)
    """The one that the client has found."""
    stream: Stream | None = attrs.field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self.utterance = OpenUtterance.within(self.limit)

    def add(self, samples: bytes) -> None:
        """More of an utterance that the client found. Raises `ProtocolError` when it has become too long."""
        self.utterance.append(samples)
        self.count()

    def count(self) -> None:
        """See that what is kept may be kept; where not, raise `ProtocolError` and drop all of it."""
        try:
            self._hold(self.utterance.size + (self.stream.size if self.stream else 0))
        except QuotaExceeded as error:
            self.clear()
            # All of the utterance is dropped: without its beginning it would be misunderstood.
            self.utterance.clear(too_long=True)
            raise ProtocolError("too-much-data", f"{error}: this utterance is dropped") from error

    def clear(self) -> None:
        """Keep nothing of what was heard so far."""
        self.utterance.clear()
        if self.stream:
            self.stream.forget()
        self._hold(0)

    def end(self, now: float) -> SpokenUtterance | None:
        """An utterance is complete; None if nothing was said, or if it was given already."""
        spoken = self._take(now)
        self.count()
        return spoken

    def _take(self, now: float) -> SpokenUtterance | None:
        if self.utterance.empty:
            self.utterance.clear()
            return self.stream.take(now) if self.stream else None
        if self.stream:
            # The client has sent the same utterance as a stream, too, and it would be answered twice.
            if now - self.utterance.seconds < self.stream.answered_until:
                self.utterance.clear()
                return None
            self.stream.forget()
        return self.utterance.take()
