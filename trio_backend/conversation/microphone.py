"""`Microphone`: the sound of a client's microphone, with endpointing by the client or by us. No tasks."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import attrs

from ..audio.endpointing import WINDOW_SECONDS, Edge, Endpointer, Rules, Windows, power
from ..audio.pcm import Pcm
from ..audio.utterance import Utterance
from ..errors import ProtocolError, QuotaExceeded


@attrs.define(eq=False)
class Stream:
    """Continuous sound, in which we find the utterances. ``now`` is in seconds of any steady clock."""

    _endpointer: Endpointer
    _windows: Windows
    _utterance: Utterance
    _finished: Pcm | None = attrs.field(default=None, init=False)
    answered_until: float = attrs.field(default=float("-inf"), init=False)
    """When the last utterance that was taken from here had been said."""
    _ended_at: float = attrs.field(default=float("-inf"), init=False)

    @classmethod
    def of(cls, rules: Rules, *, limit: float) -> Stream:
        """A new stream; an utterance in it may last ``limit`` seconds."""
        return cls(Endpointer(rules), Windows.keeping(rules.pre_roll), Utterance(limit))

    def windows(self, samples: bytes) -> Iterator[bytes]:
        """The windows that ``samples`` complete, each to be told to `judge` before the next is taken."""
        return self._windows.feed(samples)

    def judge(self, window: bytes, probability: float, now: float) -> Edge | None:
        """The next window, and how likely it is speech; what that changed.

        Raises `ProtocolError` when the utterance has become too long, which drops it.
        """
        speaking = self._endpointer.speaking
        edge = self._endpointer.feed(probability, power(window))
        if edge is Edge.STARTED:
            self._utterance.clear()
            _append(self._utterance, self._windows.take_recent())
        elif speaking:
            _append(self._utterance, window)
        if edge is Edge.ENDED:
            return self._finish(now)
        return edge

    @property
    def size(self) -> int:
        """Bytes of sound that it keeps."""
        return self._utterance.size + (len(self._finished.samples) if self._finished is not None else 0)

    def take(self, now: float) -> Pcm | None:
        """The utterance that was found last, or what was said so far of the one that goes on."""
        if self._finished is not None:
            sound, self._finished = self._finished, None
            self.answered_until = self._ended_at
            return sound
        if self._endpointer.speaking:
            self.answered_until = now
            return self._cut().take()
        return None

    def forget(self) -> None:
        """What was said so far is answered already."""
        self._finished = None
        self._cut().clear()

    def _finish(self, now: float) -> Edge | None:
        """The utterance is over; None if it was too long, so that nothing of it is left."""
        if self._utterance.too_long:
            self._utterance.clear()
            return None
        self._finished = self._utterance.take()
        # The last word was said a hang-over ago.
        self._ended_at = now - self._endpointer.rules.required_misses * WINDOW_SECONDS
        return Edge.ENDED

    def _cut(self) -> Utterance:
        self._endpointer.reset()
        self._windows.take_recent()
        return self._utterance


@attrs.define(eq=False)
class Microphone:
    """Two ways in: utterances that the client found (``add``), and a `Stream` in which we find them.

    Both may bring one sentence, in either order; `end` gives each sentence once.
    """

    limit: float
    _hold: Callable[[int], None] = attrs.field(default=lambda _size: None)
    """Told how many bytes are kept. Raises `QuotaExceeded` where that is too much."""
    _spoken: Utterance = attrs.field(init=False)
    stream: Stream | None = attrs.field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self._spoken = Utterance(self.limit)

    def add(self, samples: bytes) -> None:
        """More of an utterance that the client found. Raises `ProtocolError` when it has become too long."""
        _append(self._spoken, samples)
        self.count()

    def count(self) -> None:
        """See that what is kept may be kept; where not, raise `ProtocolError` and drop all of it."""
        try:
            self._hold(self._spoken.size + (self.stream.size if self.stream else 0))
        except QuotaExceeded as error:
            self.clear()
            # All of the utterance is dropped: without its beginning it would be misunderstood.
            self._spoken.too_long = True
            raise ProtocolError("too-much-data", f"{error}: this utterance is dropped") from error

    def clear(self) -> None:
        """Keep nothing of what was heard so far."""
        self._spoken.clear()
        if self.stream:
            self.stream.forget()
        self._hold(0)

    def end(self, now: float) -> Pcm | None:
        """An utterance is complete; None if nothing was said, or if it was given already."""
        sound = self._take(now)
        self.count()
        return sound

    def _take(self, now: float) -> Pcm | None:
        spoken = self._spoken.take()
        if not spoken.samples:
            return self.stream.take(now) if self.stream else None
        if self.stream:
            # The client has sent the same utterance as a stream, too, and it would be answered twice.
            if now - spoken.seconds < self.stream.answered_until:
                return None
            self.stream.forget()
        return spoken


def _append(utterance: Utterance, samples: bytes) -> None:
    if not utterance.append(samples):
        raise ProtocolError(
            "utterance-too-long",
            f"this utterance is longer than {utterance.limit:g} s (max_utterance), and is dropped",
        )
