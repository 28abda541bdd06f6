"""`TurnAdmission`: how many turns are answered at once, and who waits, so that they do not all become slow.

The limit is an `AdaptiveLimit`. Turns beyond the limit wait. Of those who wait, next is who has fewest
turns running (max-min fairness); of these, who has been in conversation longest: so under lasting overload
some are answered as fast as ever and the others are told to come back, where otherwise each would be
stopped in the middle now and then. Where the queue is full, the newest turn of whoever has most in it is
refused, as FQ-CoDel does (RFC 8290, 4.1.2).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from enum import Enum, auto

import attrs
import trio

from .load import OVERLOADED_AFTER, OWN_PART, TICK, AdaptiveLimit, LoopWait, Overload, ReturnTimes

# Of the limit, what provisional turns may fill: one that is not wanted must not keep out one that is.
PROVISIONAL_PART = 0.75
# Seconds after the last answer in which somebody counts as in conversation: most think and read for less.
IN_CONVERSATION = 120.0


@attrs.frozen
class AdmissionLimits:
    """A turn waits ``max_wait`` seconds at most, and ``max_waiting`` turns at once."""

    max_wait: float = 1.0
    max_waiting: int = 500


@attrs.frozen
class AdmissionStatistics:
    """The turns at this moment. ``limit`` is how many may be answered at once; None where all may.

    ``own_wait`` is what the process adds to a turn until its first sound, in seconds; ``refused`` counts
    from the start.
    """

    answered: int
    limit: int | None
    waiting: int
    refused: int
    own_wait: float
    overloaded: bool


class PlaceState(Enum):
    """Where a turn is. It only moves on."""

    OUTSIDE = auto()
    WAITING = auto()
    ADMITTED = auto()
    REFUSED = auto()
    LEFT = auto()


@attrs.define(eq=False)
class TurnPlace:
    """A turn's place among those that are answered, which it asks for and gives back.

    Once it is refused, ``retry_after`` is in how many seconds another try has a chance.
    """

    _entrance: TurnEntrance
    state: PlaceState = attrs.field(default=PlaceState.OUTSIDE, init=False)
    retry_after: float = attrs.field(default=0.0, init=False)
    conversing_since: float = attrs.field(default=math.inf, init=False)
    """When the conversation began that its turn goes on with."""
    since: float = attrs.field(default=0.0, init=False)
    """When it began to wait."""
    give_up: Callable[[], None] | None = attrs.field(default=None, init=False)
    """Of a provisional turn: ends it, for another's sake."""
    settled: trio.Event = attrs.field(factory=trio.Event, init=False)
    """Set when a turn that waited was admitted or refused."""

    @property
    def share(self) -> str:
        """Whose turn it is."""
        return self._entrance.share

    async def enter(self) -> bool:
        """Wait for the place of a turn that is certain; False if it was refused. A cancel needs a `leave`.

        Returns without a checkpoint where nobody has to wait, and where a provisional turn has it already.
        """
        admission = self._entrance.admission
        if self.state is PlaceState.ADMITTED:
            admission.confirm(self)
        elif not admission.admit(self):
            await self.settled.wait()
        return self.state is PlaceState.ADMITTED

    def enter_provisional(self, give_up: Callable[[], None]) -> bool:
        """Take a place for a turn that may not be wanted; False if there is none to spare, at once.

        If it is needed for one that is certain, before `enter`, ``give_up`` is called, which calls `leave`.
        """
        return self._entrance.admission.admit_provisional(self, give_up)

    def leave(self) -> None:
        """The turn needs it no more: its last sound was sent, or it is over. Does nothing the second time."""
        if self.state is PlaceState.ADMITTED and self.give_up is None:
            self._entrance.answered = trio.current_time()
            self._entrance.conversing_since = min(self.conversing_since, self.since)
        self._entrance.admission.leave(self)

    def note_conversation(self, now: float) -> None:
        """It asks to enter ``now``."""
        self.since = now
        if now - self._entrance.answered < IN_CONVERSATION:
            self.conversing_since = self._entrance.conversing_since


@attrs.define(eq=False)
class TurnEntrance:
    """The way in for one session's turns, which belong to ``share``: a person, an address, or a room."""

    admission: TurnAdmission
    share: str = ""
    answered: float = attrs.field(default=-math.inf, init=False)
    """When the session was last answered."""
    conversing_since: float = attrs.field(default=math.inf, init=False)
    """And since when it is, without a break of `IN_CONVERSATION`."""

    def place(self) -> TurnPlace:
        """For one turn."""
        return TurnPlace(self)


@attrs.define(eq=False)
class TurnAdmission:
    """Admits turns up to a limit that follows the process's own wait, which ``read`` tells; all, without it.

    Its task is `run`. Nothing else in it waits. It costs nothing while no turn begins, and a few microseconds
    for each that need not wait.
    """

    limits: AdmissionLimits = attrs.field(factory=AdmissionLimits)
    _read: Callable[[], LoopWait] | None = None
    overload: Overload = attrs.field(factory=Overload, init=False)
    refused: int = attrs.field(default=0, init=False)
    _limit: AdaptiveLimit = attrs.field(init=False)
    _admitted: dict[TurnPlace, None] = attrs.field(factory=dict, init=False)
    _waiting: dict[TurnPlace, None] = attrs.field(factory=dict, init=False)
    """The longest first."""
    _provisional: list[TurnPlace] = attrs.field(factory=list, init=False)
    _shares: Counter[str] = attrs.field(factory=Counter, init=False)
    """How many turns of each are admitted."""
    _returns: ReturnTimes = attrs.field(factory=ReturnTimes, init=False)
    _changed: trio.lowlevel.ParkingLot = attrs.field(factory=trio.lowlevel.ParkingLot, init=False)

    def __attrs_post_init__(self) -> None:
        self._limit = AdaptiveLimit(self._read, self.limits.max_wait / OWN_PART)

    async def run(self) -> None:
        """Admit those who wait as the limit grows, and refuse those who waited too long; until cancelled."""
        while True:
            if not self._waiting:
                await self._changed.park()
            await trio.sleep(TICK)
            now = trio.current_time()
            if self._waiting:
                self.overload.note(now)
            self._refuse_late(now)
            self._look(now)
            self._admit_waiting(now)

    def statistics(self) -> AdmissionStatistics:
        """How it is now."""
        now = trio.current_time()
        self._look(now)
        limit = int(self._limit.turns) if self._limit.exists else None
        return AdmissionStatistics(
            len(self._admitted),
            limit,
            len(self._waiting),
            self.refused,
            self._limit.wait,
            self.overload.lasts(now),
        )

    @property
    def not_ready(self) -> str:
        """Why no more clients should be sent here; "" where they may come."""
        if not self.overload.lasts(trio.current_time()):
            return ""
        return f"overloaded: turns have had to wait for {OVERLOADED_AFTER:g} s and more"

    # What places call.

    def admit(self, place: TurnPlace) -> bool:
        """Let ``place`` in, or let it wait, or refuse it; whether it need not wait for the answer."""
        now = trio.current_time()
        self._look(now)
        place.note_conversation(now)
        if self._has_room() and not self._waiting:
            self._let_in(place, now)
            return True
        place.state = PlaceState.WAITING
        self._waiting[place] = None
        if self._provisional and not self._has_room():
            # The newest: the least was done for it.
            give_up = self._provisional[-1].give_up
            assert give_up is not None
            give_up()
        self._admit_waiting(now)
        if place.state is PlaceState.WAITING:
            self.overload.note(now)
            if len(self._waiting) > self.limits.max_waiting:
                self._refuse(self._one_of_most(), now)
            self._changed.unpark_all()
        return place.settled.is_set()

    def admit_provisional(self, place: TurnPlace, give_up: Callable[[], None]) -> bool:
        """See `TurnPlace.enter_provisional`."""
        now = trio.current_time()
        self._look(now)
        # Who waits goes first, if the limit has just been raised.
        self._admit_waiting(now)
        if not self._has_room(PROVISIONAL_PART):
            return False
        place.note_conversation(now)
        self._let_in(place, now)
        place.give_up = give_up
        self._provisional.append(place)
        return True

    def confirm(self, place: TurnPlace) -> None:
        """The turn of ``place`` is certain."""
        if place.give_up is not None:
            place.give_up = None
            self._provisional.remove(place)

    def leave(self, place: TurnPlace) -> None:
        """See `TurnPlace.leave`."""
        state, place.state = place.state, PlaceState.LEFT
        if state is PlaceState.WAITING:
            del self._waiting[place]
        elif state is PlaceState.ADMITTED:
            del self._admitted[place]
            self._shares[place.share] -= 1
            if not self._shares[place.share]:
                del self._shares[place.share]
            self.confirm(place)
            if self._waiting:
                now = trio.current_time()
                self._look(now)
                self._admit_waiting(now)

    # Who is next.

    def _has_room(self, part: float = 1.0) -> bool:
        return self._limit.has_room(len(self._admitted), part)

    def _look(self, now: float) -> None:
        self._limit.look(now, used=len(self._admitted), wanted=bool(self._waiting))

    def _admit_waiting(self, now: float) -> None:
        while self._waiting and self._has_room():
            # Looks at 500 in a tenth of a millisecond, at most, where a turn costs several.
            place = min(self._waiting, key=self._rank)
            del self._waiting[place]
            self._let_in(place, now)
            place.settled.set()

    def _rank(self, place: TurnPlace) -> tuple[int, float, float]:
        return self._shares[place.share], place.conversing_since, place.since

    def _let_in(self, place: TurnPlace, now: float) -> None:
        place.state = PlaceState.ADMITTED
        self._admitted[place] = None
        self._shares[place.share] += 1
        self._returns.admitted(now)

    def _one_of_most(self) -> TurnPlace:
        """The newest of whoever has most turns here, admitted or waiting."""
        waiting = Counter(place.share for place in self._waiting)
        most = max(waiting.values())
        return next(place for place in reversed(self._waiting) if waiting[place.share] == most)

    def _refuse_late(self, now: float) -> None:
        for place in list(self._waiting):
            if now - place.since < self.limits.max_wait:
                return
            self._refuse(place, now)

    def _refuse(self, place: TurnPlace, now: float) -> None:
        del self._waiting[place]
        self.refused += 1
        place.retry_after = self._returns.next(now, now + self.limits.max_wait)
        place.state = PlaceState.REFUSED
        place.settled.set()

    # How many there may be.
