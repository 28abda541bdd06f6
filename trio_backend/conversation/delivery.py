"""`Delivery`: hands out what a turn says; it can be held, and go on at the sentence that was cut."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable

import attrs
import trio
from trio.abc import ReceiveChannel

from ..text.lines import joined
from .events import Audience, AudioChunk, Sentence, SpeechComplete, TurnId, TurnResumed
from .responder import Response

LONGEST_HOLD = 30.0
"""Seconds. Who speaks for so long, and is not understood, means it: the reply is over."""
# Seconds of sound that may be kept to be said again, 2.9 MB at 24 kHz. Of a reply that is further ahead of
# its playback nothing is kept: then an interruption is for good.
MOST_KEPT = 60.0
# Seconds for which a sentence that should have been played counts as not heard: clients begin to play a
# little after they were sent something.
LATENESS = 0.3
# Seconds for which what was played may come back through a microphone: a client's buffers, and the room.
ECHO = 2.0
# Seconds before the end of a question from which on "uh-huh" answers it.
ANSWERABLE = 1.0


@attrs.define(eq=False)
class _Handed:
    """A sentence, what was handed out of its sound, and when that is played, on Trio's clock."""

    sentence: Sentence
    chunks: list[AudioChunk] = attrs.field(factory=list)
    begins: float = math.inf
    ends: float = math.inf

    def heard(self, now: float) -> bool:
        """Whether all of it has been played. Of a slow voice, what there is may have been, and more comes."""
        return bool(self.chunks) and self.chunks[-1].last and self.ends <= now - LATENESS


@attrs.define(eq=False)
class Delivery:
    """The way of one turn's events to the client.

    With ``keeps``, sentences that the client may not have heard yet are kept, with their sound, and the
    turn can be held: `hold` stops all at once, the event that is being handed out too, and what comes next
    waits. After `release` the client is told `TurnResumed`, and then again what it had not heard, from the
    sentence on that was cut. What is held for `LONGEST_HOLD` calls ``give_up``, which has to cancel the turn.
    """

    _turn: TurnId
    _audience: Audience
    _resumed: Callable[[], TurnResumed]
    _give_up: Callable[[], None]
    keeps: bool = False
    patience: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    """Around the reply, whose time does not run while it is held."""
    reported: str | None = attrs.field(default=None, init=False, repr=False)
    """What the client says was heard before it was held, while it was not told that it goes on."""
    _answered: bool = attrs.field(default=True, init=False)
    """Whether the client has said so, or was not asked: it is, when it is silenced."""
    _silenced: bool = attrs.field(default=False, init=False)
    """Whether the client was silenced, and not told that it goes on."""
    _heard: list[str] = attrs.field(factory=list, init=False, repr=False)
    """Sentences that the client has heard, and which are not kept any more."""
    _heard_before: str = attrs.field(default="", init=False, repr=False)
    """What it had heard when it was last told that the turn goes on."""
    _held_at: float = attrs.field(default=0.0, init=False)
    _handed: deque[_Handed] = attrs.field(factory=deque, init=False, repr=False)
    _seconds: float = attrs.field(default=0.0, init=False)
    """Of the sound that is kept."""
    _plays_until: float = attrs.field(default=-math.inf, init=False)
    _unkept_until: float = attrs.field(default=-math.inf, init=False)
    """When the last of the sound is played that was not kept."""
    _too_much: bool = attrs.field(default=False, init=False)
    _held: trio.Event | None = attrs.field(default=None, init=False)
    _handing: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)

    @property
    def held(self) -> bool:
        """Whether nothing is handed out until `release`."""
        return self._held is not None and not self._held.is_set()

    def keep_from_now(self) -> None:
        """Somebody listens to a microphone now: let what comes be kept, if nothing was too much before."""
        self.keeps = not self._too_much

    def hold(self) -> bool:
        """Hand out nothing more until `release`; False where the turn could not go on after that."""
        now = trio.current_time()
        if not self.keeps or self.held or now - LATENESS < self._unkept_until:
            return False
        # What follows a sentence that was not heard was not heard either.
        while self._handed and self._handed[0].heard(now):
            self._drop_first()
        self._held, self._held_at = trio.Event(), now
        if not self._silenced:
            self._silenced, self._answered = True, False
        self.patience.deadline += LONGEST_HOLD
        self._handing.cancel("somebody speaks")
        return True

    def report(self, heard: str) -> bool:
        """The client says what was ``heard`` of it; False unless it is held, and nobody said so before."""
        if not self.held or self._answered:
            return False
        self._answered, self.reported = True, self.whole(heard)
        return True

    def report_late(self) -> bool:
        """As `report`, where it has gone on already; False unless the client was to say that, and did not."""
        late, self._answered = not self._answered, True
        return late

    def whole(self, heard: str) -> str:
        """All that was heard of it, by a client that ``heard`` this since it was told that it goes on."""
        return joined((self._heard_before, heard)) if self._heard_before else heard

    def release(self) -> bool:
        """Go on with what was not heard; False if it was not held."""
        if self._held is None or not self.held:
            return False
        self.patience.deadline -= LONGEST_HOLD - (trio.current_time() - self._held_at)
        self._held.set()
        return True

    async def receive(self, events: ReceiveChannel[Response]) -> Response | None:
        """The next of ``events``, None after the last. If it was held meanwhile, it has gone on first."""
        while True:
            await self._wait_released()
            with trio.CancelScope() as self._handing:
                try:
                    return await events.receive()
                except trio.EndOfChannel:
                    return None

    async def hand_out(self, event: Response) -> bool:
        """Let the client have ``event``, once that is not held; False if the client is gone."""
        if not self.keeps:  # it cannot be held
            self._unkept_until = math.inf
            delivered = await self._audience.handle(event)
            self._not_kept(event)
            return delivered
        while True:
            await self._wait_released()
            with trio.CancelScope() as self._handing:
                return await self._hand_out(event)

    async def wait_played(self, longest: float, grace: float) -> None:
        """Wait until the client has played everything, at most ``longest`` and ``grace`` seconds."""
        while True:
            if await self._wait_released():
                longest = max(self._plays_until - trio.current_time(), 0.0) + self._audience.gaps
            with trio.CancelScope() as self._handing:
                played = self._audience.expect_playback()  # before we ask, or the answer may slip by
                await self._audience.handle(SpeechComplete(self._turn, longest))
                with trio.move_on_after(longest + grace):
                    await played.wait()
                return

    def playing(self) -> str:
        """What is being played, or was a moment ago, as it is spoken. Nothing where nothing is kept."""
        now = trio.current_time()
        sounds = (one for one in self._handed if one.begins <= now <= one.ends + ECHO)
        return joined(one.sentence.spoken for one in sounds)

    def asks(self) -> bool:
        """Whether what is played now ends with a question, which somebody may be answering."""
        now = trio.current_time()
        begun = [one for one in self._handed if one.begins <= now]
        return (
            bool(begun)
            and begun[-1].ends - now <= ANSWERABLE
            and begun[-1].sentence.text.endswith(("?", "？"))
        )

    # What was handed out.

    async def _hand_out(self, event: Response) -> bool:
        delivered = await self._audience.handle(event)
        if self.keeps:
            self._keep(event)
        return delivered

    def _keep(self, event: Response) -> None:
        if isinstance(event, Sentence):
            self._forget_played()
            self._handed.append(_Handed(event))
        elif isinstance(event, AudioChunk) and not self._handed:
            self._not_kept(event)
        elif isinstance(event, AudioChunk):
            self._handed[-1].chunks.append(event)
            self._seconds += event.pcm.seconds
            self._time(self._handed[-1], event)
            if self._seconds > MOST_KEPT:
                self.keeps, self._too_much = False, True
                self._handed.clear()

    def _not_kept(self, event: Response) -> None:
        if isinstance(event, AudioChunk):
            self._plays_until = max(trio.current_time(), self._plays_until) + event.pcm.seconds
        self._unkept_until = self._plays_until

    def _time(self, handed: _Handed, chunk: AudioChunk) -> None:
        start = max(trio.current_time(), self._plays_until)
        if handed.begins == math.inf:
            handed.begins = start
        self._plays_until = handed.ends = start + chunk.pcm.seconds

    def _forget_played(self) -> None:
        now = trio.current_time()
        while len(self._handed) > 1 and self._handed[0].ends + ECHO < now:
            self._drop_first()

    def _drop_first(self) -> None:
        dropped = self._handed.popleft()
        self._seconds -= sum(chunk.pcm.seconds for chunk in dropped.chunks)
        self._heard.append(dropped.sentence.text)

    async def _wait_released(self) -> bool:
        """Wait while it is held, and say again what was not heard; whether it was held."""
        held = False
        while (released := self._held) is not None:
            held = True
            with trio.move_on_at(self._held_at + LONGEST_HOLD):
                await released.wait()
            if not released.is_set():
                self._give_up()
                await trio.sleep_forever()
            # Else it is held again, before it has gone on.
            if released is self._held:
                self._held = None
                with trio.CancelScope() as self._handing:
                    await self._say_again()
        return held

    async def _say_again(self) -> None:
        await self._audience.handle(self._resumed())
        self._silenced, self.reported, self._heard_before = False, None, joined(self._heard)
        self._plays_until = -math.inf
        for handed in self._handed:
            handed.begins = handed.ends = math.inf
        for handed in tuple(self._handed):
            await self._audience.handle(handed.sentence)
            for chunk in tuple(handed.chunks):
                await self._audience.handle(chunk)
                self._time(handed, chunk)
