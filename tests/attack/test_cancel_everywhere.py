"""A dialogue that is disturbed at each step of the scheduler in turn keeps all its promises.

A few steps of each disturbance by default; all of them with ``EVERY_STEP=1`` in the environment.
"""

from __future__ import annotations

import json
import math
import os
import random
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
import trio
from trio.testing import MockClock

from tests.client import Heard
from tests.conftest import character
from tests.memory_wire import MemoryWire, memory_wire_pair
from tests.session.sessions import END, START
from trio_backend.backend import Backend, BackendOptions, open_backend
from trio_backend.config.catalog import MemoryCatalog
from trio_backend.config.character import EngineChoice
from trio_backend.config.system import SystemConfig
from trio_backend.engines.settings import Environment
from trio_backend.errors import WireClosed
from trio_backend.history.memory import MemoryHistory
from trio_backend.history.store import HistoryUid, Owner, StoredMessage
from trio_backend.quota import MemoryQuota

FIRST, SECOND = "One two three. Four five six.", "Seven eight nine."
ACK = {"type": "heartbeat-ack"}
# So many steps apart; each mode begins with another one.
STRIDE = 1 if os.environ.get("EVERY_STEP") else 3
LOUD = [0.5, -0.5] * 8_000

SENT: dict[str, list[Heard]] = {
    "text": [{"type": "text-input", "text": "Ten eleven."}],
    "switch": [{"type": "switch-config", "file": "ann.yaml"}],
    "new": [{"type": "create-new-history"}],
    "speech": [{"type": "raw-audio-data", "audio": LOUD}],
    "nudge": [{"type": "ai-speak-signal"}],
}
MODES = ["barge-in", *SENT, "leave", "cancel", "cancel all"]
ENDING = ("leave", "cancel", "cancel all")


@attrs.define(eq=False)
class Disk(MemoryHistory):
    """A disk that takes a while, and remembers in which order it was written."""

    written: list[tuple[str, str]] = attrs.field(factory=list)

    async def append(
        self, conf_uid: Owner, uid: HistoryUid, *messages: StoredMessage, continues: bool = False
    ) -> None:
        """Before and after it has stored, others have their turn."""
        await trio.sleep(0.003)
        await super().append(conf_uid, uid, *messages, continues=continues)
        self.written += [(message.role, message.content) for message in messages]
        await trio.sleep(0.003)


@attrs.define(eq=False)
class Countdown(trio.abc.Instrument):
    """Sets ``moment`` at the ``step``-th step of any task after it was ``armed``."""

    step: float
    moment: trio.Event = attrs.field(factory=trio.Event)
    armed: bool = False
    steps: int = 0

    def before_task_step(self, _task: trio.lowlevel.Task) -> None:
        self.steps += self.armed
        if self.armed and self.steps == self.step:
            self.moment.set()


@attrs.define(eq=False)
class Person:
    """A client that answers what it is asked, and whose sends hold up nothing that it hears."""

    wire: MemoryWire
    heard: list[Heard] = attrs.field(factory=list)
    said: list[str] = attrs.field(factory=list)
    played: set[int] = attrs.field(factory=set)
    """How many turns had begun when it said that it had played everything."""
    claims: dict[int, str] = attrs.field(factory=dict)
    """What it said that it had heard, by turn."""
    _mail: trio.MemorySendChannel[Heard] = attrs.field(init=False)
    _changed: trio.lowlevel.ParkingLot = attrs.field(factory=trio.lowlevel.ParkingLot)

    @property
    def turns(self) -> list[list[str]]:
        """The sentences of each turn that began."""
        found: list[list[str]] = []
        for message in self.heard:
            if message == START:
                found.append([])
            elif message["type"] == "audio":
                found[-1].append(message["display_text"]["text"])
        return found

    def say(self, *messages: Heard) -> None:
        for message in messages:
            self._mail.send_nowait(message)

    def barge_in(self) -> None:
        """What it says that it heard lacks the last word."""
        words = " ".join(self.turns[-1] if self.turns else []).split()
        if self.turns and len(self.turns) not in self.claims:
            self.claims[len(self.turns)] = " ".join(words[:-1])
        self.say({"type": "interrupt-signal", "text": " ".join(words[:-1])}, {"type": "heartbeat"})

    async def live(self) -> None:
        self._mail, mail = trio.open_memory_channel[Heard](math.inf)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._send, mail)
            try:
                while True:
                    self.heard.append(json.loads(await self.wire.receive()))
                    if self.heard[-1]["type"] == "backend-synth-complete":
                        self.say({"type": "frontend-playback-complete"})
                    self._changed.unpark_all()
            except WireClosed:
                nursery.cancel_scope.cancel("the server has closed")

    async def _send(self, mail: trio.MemoryReceiveChannel[Heard]) -> None:
        try:
            async for message in mail:
                if message["type"] == "frontend-playback-complete":
                    self.played.add(len(self.turns))
                await self.wire.send(json.dumps(message).encode())
                if message["type"] == "text-input":
                    self.said.append(message["text"])
        except WireClosed:
            pass

    async def wait_heard(self, message: Heard, count: int) -> None:
        """Until ``message`` was heard so often; a minute is long enough."""
        with trio.move_on_after(60):
            while self.heard.count(message) < count:
                await self._changed.park()


def options(history: MemoryHistory) -> BackendOptions:
    """Two characters that load at once, and a TTS that takes a moment."""

    async def backgrounds() -> list[str]:
        await trio.lowlevel.checkpoint()
        return []

    tts = EngineChoice("tts", "tone_tts", {"seconds_per_character": 0.01, "delay": 0.05})
    mao, ann = (attrs.evolve(character(name), tts=tts) for name in ("mao", "ann"))
    catalog = MemoryCatalog(attrs.evolve(mao, file="conf.yaml"), {ann.file: ann})
    return BackendOptions(SystemConfig(preload=False), catalog, history, Environment(Path(), {}), backgrounds)


async def dialogue(mode: str, countdown: Countdown) -> None:
    """Two turns, disturbed when it is time; then judge."""
    history, everybody = Disk(), MemoryQuota()
    ours, theirs = memory_wire_pair()
    theirs.quota = MemoryQuota(2**25, everybody)
    person, memory = Person(ours), list[tuple[str, str]]()
    before = trio.lowlevel.current_statistics().tasks_living
    with trio.CancelScope() as everything:
        async with open_backend(options(history)) as backend, trio.open_nursery() as nursery:
            session = trio.CancelScope()
            nursery.start_soon(serve, backend, theirs, session)
            nursery.start_soon(person.live)
            await trio.sleep(1)
            countdown.armed = True
            nursery.start_soon(disturb, mode, countdown, person, session, everything)
            person.say({"type": "text-input", "text": FIRST})
            await person.wait_heard(END, 1)
            person.say({"type": "text-input", "text": SECOND})
            await person.wait_heard(END, 2)
            countdown.armed = False
            await trio.sleep(60)
            if mode not in ENDING:
                memory = remembered(backend)
                assert memory == await on_disk(backend), "memory is not what is on disk"
            await ours.close()
            await trio.sleep(2)
            assert not backend.services.sessions, "a session is left"
            assert not backend.leases.statistics().engines, "a lease is left"
            nursery.cancel_scope.cancel("seen")
    assert trio.lowlevel.current_statistics().tasks_living == before, "a task is left"
    assert everybody.used == 0, "memory is claimed by nobody"
    judge(mode, person, history.written)


async def serve(backend: Backend, wire: MemoryWire, scope: trio.CancelScope) -> None:
    """A session that may be cancelled, as a room's is."""
    with scope:
        await backend.serve_client(wire)


async def disturb(
    mode: str, countdown: Countdown, person: Person, session: trio.CancelScope, everything: trio.CancelScope
) -> None:
    """Wait for the moment, then do it."""
    await countdown.moment.wait()
    match mode:
        case "barge-in":
            person.barge_in()
        case "leave":
            await person.wire.close()
        case "cancel":
            session.cancel("from outside")
        case "cancel all":
            everything.cancel("from outside")
        case _:
            person.say(*SENT[mode])


def remembered(backend: Backend) -> list[tuple[str, str]]:
    """What the model of the only session would read."""
    (session,) = backend.services.sessions
    roles = {"user": "human", "assistant": "ai"}
    return [(roles[message.role], message.content) for message in session.conversation.memory.so_far()]


async def on_disk(backend: Backend) -> list[tuple[str, str]]:
    """The conversation of the only session."""
    (session,) = backend.services.sessions
    record = session.conversation.record
    if record.uid not in [conversation.uid for conversation in (await record.conversations()).conversations]:
        return []
    return [(message.role, message.content) for message in await record.messages(record.uid)]


def judge(mode: str, person: Person, written: list[tuple[str, str]]) -> None:
    """One end for each start, nothing of a turn after its barge-in, and history is what was heard, once."""
    running = False
    for message in person.heard:
        if message == START:
            assert not running, "a turn within a turn"
            running = True
        elif message == END:
            assert running, "an end without a start"
            running = False
        elif message == ACK or message == {"type": "control", "text": "interrupt"}:
            running = False  # a barge-in has no end
        elif message["type"] in ("audio", "backend-synth-complete", "force-new-message"):
            assert running, f"{message['type']} of no turn"
    assert not running or mode in ENDING, "a start without an end"
    stories = iter(written)
    pending = next(stories, None)
    said, nudged = iter(person.said), nudge_among(person)
    for number, sentences in enumerate(person.turns, 1):
        # A nudge leaves no words of the user's, only the reply.
        if number != nudged:
            assert pending == ("human", next(said)), f"the words of turn {number} are lost: {written}"
            pending = next(stories, None)
        last = number == len(person.turns)
        replies = set(possible_replies(mode, person, number, sentences, last=last))
        if pending is not None and pending[0] == "ai":
            assert pending[1] in replies, f"turn {number}: {pending[1]!r} is not what was heard: {replies}"
            pending = next(stories, None)
        else:
            assert "" in replies, f"turn {number}: the reply is lost: {replies}"
    if mode in (*ENDING, "barge-in") and pending is not None and pending[0] == "human":
        # It was said, and the session ended, or somebody barged in, before its turn began.
        pending = next(stories, None)
    assert pending is None, f"more is stored than was said: {written}"


def nudge_among(person: Person) -> int | None:
    """Which turn, from 1, answered no words; None if each did."""
    if len(person.turns) <= len(person.said):
        return None
    found = [number for number, turn in enumerate(person.turns, 1) if not turn or turn[0].startswith("Say")]
    return found[0] if found else None


def possible_replies(
    mode: str, person: Person, number: int, sentences: list[str], *, last: bool
) -> Iterator[str]:
    """What may count as heard of a turn."""
    heard = " ".join(sentences)
    claim = person.claims.get(number)
    if claim is None or number in person.played:
        yield heard
    if number - 1 in person.claims and not sentences:
        # The barge-in was meant for the turn before, and came after this one's text.
        yield person.claims[number - 1]
    if claim is not None:
        yield claim
        # It may have ended before the barge-in came.
        yield heard
    if mode in ENDING and last:
        # One more sentence may have been on its way.
        following = {"": ["One two three.", SECOND], "One two three.": ["Four five six."]}
        for sentence in following.get(heard, []):
            yield f"{heard} {sentence}".strip()


def run(mode: str, step: float) -> int:
    """One dialogue; how many steps it took."""
    countdown = Countdown(step)
    trio.run(dialogue, mode, countdown, clock=MockClock(autojump_threshold=0), instruments=[countdown])
    return countdown.steps


@pytest.mark.parametrize("mode", MODES)
def test_whatever_happens_whenever(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """At each step of the scheduler."""
    total, failed = run(mode, math.inf), dict[int, str]()
    steps = range(1 + MODES.index(mode), total, STRIDE)
    for step in steps:
        # The scheduler's order within a pass is random: a failing step is to fail again.
        monkeypatch.setattr("trio._core._run._r", random.Random(step))
        try:
            run(mode, step)
        except (AssertionError, ExceptionGroup) as error:
            failed[step] = next(leaves(error))
    assert not failed, f"{len(failed)} of {len(steps)} steps failed, such as {list(failed.items())[:3]}"


def leaves(error: BaseException) -> Iterator[str]:
    """What went wrong, however deep."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from leaves(inner)
    else:
        yield f"{type(error).__name__}: {error}"[:300]
