"""`RealTimeMicrophone`: sends the sound of a room in real time, and what is said in it."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable

import attrs
import trio

from ..audio.utterance import RATE
from .voice_corpus import QUIET, CorpusUtterance, room

FRAME = 512
"""Samples of one message: 32 ms, as a browser's audio worklet sends them."""
ROOM_SECONDS = 8.0
"""Of the sound of an empty room, which then begins again."""

_rooms: dict[float, bytes] = {}


@attrs.define(eq=False)
class Spoken:
    """An utterance that is being said. ``began`` is when its first sample was recorded, on Trio's clock."""

    utterance: CorpusUtterance
    began: float = 0.0
    started: trio.Event = attrs.field(factory=trio.Event)
    over: trio.Event = attrs.field(factory=trio.Event)
    """Set when its last sample was sent."""

    @property
    def speech_begins(self) -> float:
        """When the first sample of speech was recorded."""
        return self.began + self.utterance.begin

    @property
    def speech_ends(self) -> float:
        """When the last sample of speech was recorded."""
        return self.began + self.utterance.end


@attrs.define(eq=False)
class RealTimeMicrophone:
    """Sends messages of ``frame`` samples, each as soon as its last sample was recorded.

    ``lateness`` has the seconds by which each came later than that: the load generator's own fault, or that
    of a server that reads slowly.
    """

    _send: Callable[[bytes], Awaitable[None]]
    frame: int = FRAME
    lateness: list[float] = attrs.field(factory=list)
    _waiting: deque[Spoken] = attrs.field(factory=deque, init=False)
    _speaking: Spoken | None = attrs.field(default=None, init=False)
    _said: int = attrs.field(default=0, init=False)
    """Bytes of the utterance that were sent."""
    _room: float = attrs.field(default=QUIET, init=False)
    _room_at: int = attrs.field(default=0, init=False)

    def say(self, utterance: CorpusUtterance) -> Spoken:
        """Say ``utterance`` with the next message, or after what is being said."""
        spoken = Spoken(utterance)
        self._waiting.append(spoken)
        return spoken

    async def run(self) -> None:
        """Send until cancelled. Raises what the sending raises."""
        began = trio.current_time()
        number = 0
        while True:
            recorded = began + number * self.frame / RATE
            data, ended = self._record(recorded)
            number += 1
            due = began + number * self.frame / RATE
            await trio.sleep_until(due)
            await self._send(data)
            self.lateness.append(trio.current_time() - due)
            if ended is not None:
                ended.over.set()

    def _record(self, now: float) -> tuple[bytes, Spoken | None]:
        """The next frame, whose first sample is recorded ``now``; and the utterance that ends in it."""
        if self._speaking is None and self._waiting:
            self._speaking, self._said = self._waiting.popleft(), 0
            self._speaking.began, self._room = now, self._speaking.utterance.room
            self._speaking.started.set()
        size = 2 * self.frame
        if self._speaking is None:
            return self._empty(size), None
        spoken = self._speaking
        data = spoken.utterance.samples[self._said : self._said + size]
        self._said += len(data)
        if self._said < len(spoken.utterance.samples):
            return data, None
        self._speaking = None
        return data + self._empty(size - len(data)), spoken

    def _empty(self, size: int) -> bytes:
        if self._room not in _rooms:
            _rooms[self._room] = room(ROOM_SECONDS, self._room)
        tone, begin = _rooms[self._room], self._room_at
        self._room_at = (begin + size) % len(tone)
        return (tone[begin : begin + size] + tone)[:size] if size else b""
