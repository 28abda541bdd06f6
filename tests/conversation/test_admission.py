"""`TurnAdmission`: who is answered, who waits and who is refused, by how late the event loop is."""

from __future__ import annotations

import attrs
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from tests.client import Client
from tests.conftest import Connect
from tests.rooms.test_requests import open_follower
from tests.session.sessions import START as TURN_STARTS
from tests.session.sessions import THREE, stored
from trio_backend.backend import Backend, BackendOptions
from trio_backend.conversation.admission import (
    PROVISIONAL_PART,
    AdmissionLimits,
    TurnAdmission,
    TurnEntrance,
    TurnPlace,
)
from trio_backend.conversation.load import (
    CALM,
    LATEST_RETURN,
    LEAST,
    OVERLOADED_AFTER,
    START,
    STEPS,
    TICK,
    LoopWait,
    Overload,
)
from trio_backend.protocol import InterruptSignal
from trio_backend.rooms.session import RequestDropped, TurnOver


@attrs.define
class Loop:
    """An event loop that is busy for a ``part`` of the time, in passes of ``seconds``."""

    seconds: float = 0.001
    part: float = 0.01
    _passes: float = 0.0
    _busy: float = 0.0
    _at: float = 0.0

    def read(self) -> LoopWait:
        """What it has made turns wait until now; to be asked before a change too."""
        passed, self._at = trio.current_time() - self._at, trio.current_time()
        self._busy += passed * self.part
        self._passes += passed * self.part / self.seconds
        return LoopWait(int(self._passes), self._busy)

    def become(self, seconds: float, part: float = 1.0) -> None:
        """From now on it is like that."""
        self.read()
        self.seconds, self.part = seconds, part


# A turn waits half a second in such passes, of which an eighth is allowed.
LATE = 0.5 / STEPS


@attrs.define
class Door:
    """Turns that ask to be answered, and what they were told."""

    admission: TurnAdmission
    nursery: trio.Nursery
    admitted: list[str] = attrs.field(factory=list)
    refused: list[TurnPlace] = attrs.field(factory=list)
    at: list[float] = attrs.field(factory=list)

    def ask(self, entrance: TurnEntrance | str, name: str = "") -> tuple[TurnPlace, trio.CancelScope]:
        """One more turn, which keeps its place until it is cancelled or its place is left."""
        if isinstance(entrance, str):
            entrance = TurnEntrance(self.admission, entrance)
        place, scope = entrance.place(), trio.CancelScope()

        async def turn() -> None:
            try:
                with scope:
                    if await place.enter():
                        self.admitted.append(name or entrance.share)
                        await trio.sleep_forever()
                    self.refused.append(place)
                    self.at.append(trio.current_time())
            finally:
                place.leave()

        self.nursery.start_soon(turn)
        return place, scope


@pytest.fixture
def loop() -> Loop:
    return Loop()


@pytest.fixture
def door(loop: Loop, nursery: trio.Nursery) -> Door:
    admission = TurnAdmission(AdmissionLimits(1.0, 500), loop.read)
    nursery.start_soon(admission.run)
    return Door(admission, nursery)


async def fill(door: Door, count: int = START, share: str = "crowd") -> list[TurnPlace]:
    """So many turns are being answered."""
    places = [door.ask(share)[0] for _ in range(count)]
    await wait_all_tasks_blocked()
    assert len(door.admitted) == count
    door.admitted.clear()
    return places


async def test_a_slow_model_is_no_load(autojump_clock: MockClock, door: Door) -> None:
    """Three hundred turns that wait for their models, and none that ends: all begin within `max_wait`."""
    for _ in range(300):
        door.ask("crowd")
    await trio.sleep(0.9)
    assert len(door.admitted) == 300
    assert not door.refused


async def test_a_late_loop_admits_fewer(autojump_clock: MockClock, door: Door, loop: Loop) -> None:
    """Down to `LEAST`; and as many as it can carry again, once it is no longer late."""
    loop.become(LATE)
    places = await fill(door)
    for _ in range(40):
        await trio.sleep(0.5)
        door.admission.statistics()
    assert door.admission.statistics().limit == LEAST
    for place in places:
        place.leave()
    for _ in range(100):
        door.ask("crowd")
    await wait_all_tasks_blocked()
    assert len(door.admitted) == LEAST
    loop.become(0.0001)
    await trio.sleep(0.9)
    assert len(door.admitted) == 100


async def test_a_burst_that_shows_does_not_wait_for_a_whole_window(
    autojump_clock: MockClock, door: Door, loop: Loop
) -> None:
    """The first few long passes are enough to lower the limit."""
    await fill(door)
    loop.become(10 * LATE)
    await trio.sleep(3 * 10 * LATE)
    assert (door.admission.statistics().limit or 0) < START


async def test_a_late_loop_with_few_turns_leaves_them_alone(
    autojump_clock: MockClock, door: Door, loop: Loop
) -> None:
    """Something else makes it late, and a burst of turns is admitted as before."""
    await fill(door, 5)
    loop.become(LATE)
    for _ in range(20):
        await trio.sleep(0.5)
        assert door.admission.statistics().limit == START


async def test_who_waits_too_long_is_told_when_to_come_back(
    autojump_clock: MockClock, door: Door, loop: Loop
) -> None:
    """After `max_wait`, each a little later than the one before, and none later than anybody would wait."""
    loop.become(LATE)
    await fill(door)
    began = trio.current_time()
    for _ in range(200):
        door.ask("crowd")
    await trio.sleep(2)
    assert len(door.refused) == 200
    assert not door.admitted
    assert all(at - began == pytest.approx(1.0, abs=2 * TICK) for at in door.at)
    after = sorted(place.retry_after for place in door.refused)
    assert len(set(after)) > 20
    assert 1.0 <= after[0] < after[-1] <= LATEST_RETURN
    assert door.admission.statistics().refused == 200


async def test_next_is_who_has_fewest_turns(autojump_clock: MockClock, door: Door, loop: Loop) -> None:
    """However many somebody else has waiting, and for how long."""
    loop.become(LATE)
    places = await fill(door)
    for _ in range(50):
        door.ask("crowd")
    await trio.sleep(0.1)
    door.ask("one person")
    await wait_all_tasks_blocked()
    places[0].leave()
    await wait_all_tasks_blocked()
    assert door.admitted == ["one person"]
    places[1].leave()
    await wait_all_tasks_blocked()
    assert door.admitted == ["one person", "crowd"]


async def test_who_talks_goes_on_talking(autojump_clock: MockClock, door: Door, loop: Loop) -> None:
    """Among those with as many turns, the longest conversation is next; one that has rested is a new one."""
    entrances = {name: TurnEntrance(door.admission, name) for name in ("rested", "second", "first")}
    for name, pause in ("rested", 200), ("first", 1), ("second", 1):
        place, _ = door.ask(entrances[name])
        await wait_all_tasks_blocked()
        place.leave()
        await trio.sleep(pause)
    door.admitted.clear()
    loop.become(LATE)
    places = await fill(door)
    for name in "rested", "second", "first":
        door.ask(entrances[name], name)
        await trio.sleep(0.01)
    for place in places[:3]:
        place.leave()
        await wait_all_tasks_blocked()
    assert door.admitted == ["first", "second", "rested"]


async def test_a_full_queue_refuses_whoever_has_most_in_it(
    autojump_clock: MockClock, door: Door, loop: Loop
) -> None:
    """Its newest turn, at once; one person's turn is not pushed out by another's."""
    loop.become(LATE)
    await fill(door)
    alone, _ = door.ask("one person")
    for _ in range(500):
        door.ask("crowd")
    await wait_all_tasks_blocked()
    assert [place.share for place in door.refused] == ["crowd"]
    door.ask("another")
    await wait_all_tasks_blocked()
    assert [place.share for place in door.refused] == ["crowd", "crowd"]
    assert not alone.settled.is_set()


async def test_who_leaves_the_queue_has_left(autojump_clock: MockClock, door: Door, loop: Loop) -> None:
    """A barge-in, say: its place in the queue is free at once, and nothing is admitted or refused for it."""
    loop.become(LATE)
    places = await fill(door)
    _, scope = door.ask("crowd")
    await wait_all_tasks_blocked()
    assert door.admission.statistics().waiting == 1
    scope.cancel()
    await wait_all_tasks_blocked()
    assert door.admission.statistics().waiting == 0
    for place in places:
        place.leave()
        place.leave()
    found = door.admission.statistics()
    assert (found.answered, found.waiting, found.refused) == (0, 0, 0)


async def test_a_guess_has_no_place_that_another_needs(
    autojump_clock: MockClock, door: Door, loop: Loop
) -> None:
    """Provisional turns get what is to spare, and give it up for a turn that is certain."""
    loop.become(LATE)
    given_up: list[str] = []

    def guess(name: str) -> TurnPlace:
        place = TurnEntrance(door.admission, name).place()

        def give_up() -> None:
            given_up.append(name)
            place.leave()

        return place if place.enter_provisional(give_up) else None  # type: ignore[return-value]

    first, second, sure = guess("first"), guess("second"), guess("sure")
    assert await sure.enter()
    await fill(door, int(PROVISIONAL_PART * START) - 3)
    assert guess("too many") is None
    await fill(door, START - int(PROVISIONAL_PART * START))
    door.ask("certain")
    await wait_all_tasks_blocked()
    assert (given_up, door.admitted) == (["second"], ["certain"])
    door.ask("certain")
    await wait_all_tasks_blocked()
    assert (given_up, door.admitted) == (["second", "first"], ["certain", "certain"])
    door.ask("waits")
    await wait_all_tasks_blocked()
    assert len(given_up) == len(door.admitted) == 2
    assert first.settled is not second.settled


async def test_a_guess_waits_for_nobody(autojump_clock: MockClock, door: Door, loop: Loop) -> None:
    """While a certain turn waits, none is begun, even if there is room by now."""
    loop.become(LATE)
    places = await fill(door)
    door.ask("certain")
    await wait_all_tasks_blocked()
    del places[:]
    assert not TurnEntrance(door.admission).place().enter_provisional(lambda: None)


async def test_without_a_measure_everybody_is_answered(nursery: trio.Nursery) -> None:
    """As in a backend that somebody else's program runs."""
    admission = TurnAdmission()
    places = [TurnEntrance(admission).place() for _ in range(10 * START)]
    for place in places:
        assert await place.enter()
    assert admission.statistics().limit is None


def test_a_burst_is_no_overload() -> None:
    """What has to wait for less than seconds on end; and one burst a minute is none either."""
    overload = Overload()
    for minute in range(10):
        for tick in range(100):
            overload.note(60 * minute + tick / 50)
            assert not overload.lasts(60 * minute + tick / 50)


def test_overload_is_over_after_a_while() -> None:
    """It begins once, and ends once: a wait now and then keeps it on."""
    overload = Overload()
    now = 0.0
    while not overload.lasts(now):
        now += 0.5
        overload.note(now)
    assert now - 0.5 == OVERLOADED_AFTER
    overload.note(now + CALM - 0.1)
    assert overload.lasts(now + 2 * CALM - 0.2)
    assert not overload.lasts(now + 2 * CALM)
    overload.note(now + 3 * CALM)
    assert not overload.lasts(now + 3 * CALM)


# In a backend.


@pytest.fixture
def options(options: BackendOptions, loop: Loop) -> BackendOptions:
    """A backend that measures ``loop``."""
    return attrs.evolve(options, loop_wait=loop.read)


async def crowd(backend: Backend, loop: Loop) -> list[TurnPlace]:
    """As many turns as there may be."""
    loop.become(LATE)
    places = [TurnEntrance(backend.services.admission, "crowd").place() for _ in range(START)]
    for place in places:
        assert await place.enter()
    return places


async def test_a_refused_text_leaves_nothing(
    autojump_clock: MockClock, backend: Backend, connect: Connect, loop: Loop
) -> None:
    """The client is told when to come back; neither memory nor history has it, and the next is answered."""
    client = await connect()
    places = await crowd(backend, loop)
    began = trio.current_time()
    await client.say("text-input", text="Hello?")
    error = await client.hear()
    assert (error["type"], error["code"]) == ("error", "busy")
    assert error["retry_after"] >= 1
    assert f"in {error['retry_after']:g} s" in error["message"]
    assert trio.current_time() - began == pytest.approx(1, abs=2 * TICK)
    for place in places:
        place.leave()
    assert await client.turn("Again.")
    assert await stored(backend) == [("human", "Again."), ("ai", "Again.")]


async def test_a_text_that_waits_is_answered_when_there_is_time(
    autojump_clock: MockClock, backend: Backend, connect: Connect, loop: Loop
) -> None:
    """Nothing is told before, and the loop of the session goes on."""
    client = await connect()
    places = await crowd(backend, loop)
    await client.say("text-input", text="Hello?")
    await client.say("heartbeat")
    assert (await client.hear())["type"] == "heartbeat-ack"
    await client.silence(0.5)
    for place in places:
        place.leave()
    assert await client.hear() == TURN_STARTS


async def test_a_barge_in_ends_the_wait(
    autojump_clock: MockClock, backend: Backend, connect: Connect, loop: Loop
) -> None:
    """At once, without a word."""
    client: Client = await connect()
    await crowd(backend, loop)
    await client.say("text-input", text="Hello?")
    await wait_all_tasks_blocked()
    assert backend.services.admission.statistics().waiting == 1
    await client.say("interrupt-signal", text="")
    await wait_all_tasks_blocked()
    assert backend.services.admission.statistics().waiting == 0
    await client.silence(10)


async def test_a_turn_that_is_being_played_keeps_no_place(
    autojump_clock: MockClock, backend: Backend, connect: Connect
) -> None:
    """It costs nothing any more."""
    client = await connect()
    await client.say("text-input", text=THREE)
    await client.until("audio")
    assert backend.services.admission.statistics().answered == 1
    await client.until("backend-synth-complete")
    assert backend.services.admission.statistics().answered == 0
    (session,) = backend.services.sessions
    assert session.turn_running


async def test_a_room_is_told_what_was_refused(
    autojump_clock: MockClock, backend: Backend, loop: Loop
) -> None:
    """Its request is dropped as refused; one that is interrupted before that is over."""
    async with open_follower(backend.services) as room:
        await wait_all_tasks_blocked()
        await crowd(backend, loop)
        request = await room.ask("Hello.")
        assert await room.settle() == ["busy", RequestDropped(request, refused=True)]
        request = await room.ask("Hello.")
        await wait_all_tasks_blocked()
        await room.say(InterruptSignal())
        assert await room.settle() == [TurnOver(2, request)]


async def test_the_addresses_of_users_count_as_their_own(
    autojump_clock: MockClock, backend: Backend, connect: Connect
) -> None:
    """Where nobody says whose a client is, each session has a share of its own."""
    await connect()
    await connect()
    shares = {session.conversation.entrance.share for session in backend.services.sessions}
    assert len(shares) == 2
