"""A run of the simulation: from a seed, or of a scripted scenario that is disturbed at one of its steps."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import trio
import trio._core._run as scheduler
from loguru import logger
from trio.testing import MockClock

from trio_backend import identity
from trio_backend.backend import Backend, BackendOptions, open_backend
from trio_backend.concurrency import names_of_tasks
from trio_backend.config.catalog import MemoryCatalog
from trio_backend.config.character import CharacterConfig, EngineChoice
from trio_backend.config.system import SystemConfig
from trio_backend.engines.settings import Environment
from trio_backend.errors import first_leaf
from trio_backend.session.session import Session

from . import checker
from .clients import SimulatedClient
from .engines import installed
from .provisional import SpeechCaller
from .world import Said, World, inhabited

if TYPE_CHECKING:
    import loguru

SETTLE = 400.0
"""Seconds of the virtual clock after which everything that was begun must have ended."""
SYSTEM = SystemConfig(
    preload=False,
    speculation="eager",
    speculation_waste=1.0,
    enable_proxy=True,
    turn_deadline=20,
    playback_grace=2,
    forwarders=2,
    max_rooms=3,
    room_queue=6,
    max_per_sender=4,
    messages_per_second=1000,
    message_burst=100_000,
)


@attrs.frozen
class Result:
    """What a run came to. Equal seeds have equal ``digest``s: of all that was said and heard, and when."""

    problems: tuple[str, ...]
    digest: str
    steps: int
    """Of Trio's scheduler."""
    messages: int


def character(name: str, *, load: float = 0.0, partial: bool = False) -> CharacterConfig:
    """A character with the world's engines, that takes ``load`` seconds to load. ``partial``: see the ASR."""
    return CharacterConfig(
        file=f"{name}.yaml",
        conf_name=name,
        conf_uid=f"{name}_001",
        character_name=name.title(),
        llm=EngineChoice("llm", "simulated_llm", {"who": name, "load": load}),
        tts=EngineChoice("tts", "simulated_tts"),
        asr=EngineChoice("asr", "simulated_asr", {"partial": partial}),
        vad=EngineChoice("vad", "loudness_vad", {"required_misses": 10}),
        model_info={"name": name},
        emotions={"joy": 3},
        system_prompt=f"You are {name}.",
        nudge_prompt="Say something.",
    )


def options_of(world: World) -> BackendOptions:
    """A backend in ``world``: mao is there at once, ann takes 2 s to load, slow takes 30 s."""

    async def backgrounds() -> Sequence[str]:
        await world.wait(0.0, 0.1)
        return ["beach.jpg"]

    base = attrs.evolve(character("mao", partial=world.seed % 2 == 1), file="conf.yaml")
    if world.has_lists:
        # Of each kind a list: what fails at random falls back to what fails at random.
        assert base.asr is not None
        base = attrs.evolve(
            base,
            llm=attrs.evolve(base.llm, then=(EngineChoice("llm", "simulated_llm", {"who": "other"}),)),
            tts=attrs.evolve(base.tts, then=(base.tts,)),
            asr=attrs.evolve(base.asr, then=(base.asr,)),
        )
    others = [character("ann", load=2), character("slow", load=30)]
    catalog = MemoryCatalog(base, {other.file: other for other in others})
    return BackendOptions(SYSTEM, catalog, world.store, Environment(Path(), {}), backgrounds)


@attrs.define(eq=False)
class Steps(trio.abc.Instrument):
    """Counts the steps of Trio's scheduler, and calls ``disturb`` at the ``at``-th of the marked stretch."""

    at: int = -1
    disturb: Callable[[], None] = attrs.field(default=lambda: None)
    counting: bool = False
    count: int = 0
    all: int = 0

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        del task
        self.all += 1
        if self.counting:
            if self.count == self.at:
                self.disturb()
            self.count += 1


@contextmanager
def _decided_by(seed: int) -> Iterator[None]:
    """Trio's scheduler takes tasks in an order that ``seed`` decides."""
    before = scheduler._ALLOW_DETERMINISTIC_SCHEDULING
    state = scheduler._r.getstate()
    scheduler._ALLOW_DETERMINISTIC_SCHEDULING = True  # type: ignore[misc]
    scheduler._r.seed(seed)
    try:
        yield
    finally:
        scheduler._ALLOW_DETERMINISTIC_SCHEDULING = before  # type: ignore[misc]
        scheduler._r.setstate(state)


Story = Callable[["SimulatedBackend"], Awaitable[None]]


@attrs.define(eq=False)
class SimulatedBackend:
    """A running backend, its world, and the clients that there have been."""

    backend: Backend
    world: World
    nursery: trio.Nursery
    steps: Steps
    clients: list[SimulatedClient] = attrs.field(factory=list)
    callers: dict[str, SpeechCaller] = attrs.field(factory=dict)
    """Those who begin turns provisionally, by the names of their clients."""

    def connect(self, room: str = "") -> SimulatedClient:
        """A new client, of a session of its own or of a room."""

        async def serve(wire: object) -> None:
            if room:
                await self.backend.serve_in_room(wire, room)  # type: ignore[arg-type]
            else:
                await self.backend.serve_client(wire)  # type: ignore[arg-type]

        client = SimulatedClient.connect(f"c{len(self.clients)}", self.world, serve, self.nursery, room=room)
        self.clients.append(client)
        self.callers[client.name] = SpeechCaller(client, lambda: self.session_of(client))
        return client

    def session_of(self, client: SimulatedClient) -> Session | None:
        """The session of a client who is here, and in no room."""
        uid = next(
            (note.message["client_uid"] for note in client.notes if note.type == "set-model-and-conf"), None
        )
        sessions = self.backend.services.sessions
        return None if client.room else next((one for one in sessions if one.client_uid == uid), None)

    async def settle(self) -> list[str]:
        """Let everything end that can; then judge, send all clients away, and judge again."""
        await trio.sleep(SETTLE)
        problems = [problem for client in self.clients for problem in checker.check_client(client)]
        problems += checker.check_rooms(self.clients, self.world)
        for caller in self.callers.values():
            problems += checker.check_provisional(caller, self.world, self._remembered())
        here = [client for client in self.clients if client.here]
        for client in here:
            problems += checker.check_settled(client)
            if not client.room:
                problems += await self._check_conversation(client)
        left = [client for client in self.clients if not client.here and not client.room]
        if not self.world.chances.store_slow and not self.world.chances.store_fails:
            problems += [
                wrong for client in left for wrong in checker.check_last_words(client, self.world.store)
            ]
        for client in here:
            await client.leave()
        for client in self.clients:
            with trio.move_on_after(60) as patience:
                await client.gone.wait()
            if patience.cancelled_caught:
                problems.append(f"{client.name} has left, and is still being served")
        await trio.sleep(60)
        problems += [problem for client in here for problem in checker.check_client(client)]
        return problems + self._left_over()

    async def _check_conversation(self, client: SimulatedClient) -> list[str]:
        session = self.session_of(client)
        if session is None:
            return [f"{client.name} is here, and has no session"]
        dialogue = session.conversation
        kept = self.world.store._conversations.get(dialogue.record.uid)
        stored = kept.messages if kept is not None else []
        # Where two sessions write one conversation, neither remembers the other's words.
        opened = any(
            note.type == "fetch-and-set-history" and note.message["history_uid"] == dialogue.record.uid
            for one in self.clients
            for note in one.notes
        )
        reliable = not self.world.chances.store_fails and not (opened and len(self.clients) > 1)
        remembered = dialogue.memory.so_far()
        problems = checker.check_conversation(client, remembered, stored, reliable=reliable)
        return problems + checker.check_prompts(client, remembered, self.world)

    def _remembered(self) -> list[str]:
        """What the memories of those who are here hold."""
        return [
            message.content
            for session in self.backend.services.sessions
            for message in session.conversation.memory.so_far()
        ]

    def _left_over(self) -> list[str]:
        backend, problems = self.backend, []
        if backend.services.sessions:
            problems.append(f"sessions are left: {backend.services.sessions}")
        if backend.leases.statistics().engines:
            problems.append(f"engines are left: {backend.leases.statistics().engines}")
        if backend.rooms.statistics().rooms:
            problems.append(f"rooms are left: {backend.rooms.each()}")
        if self.world.busy:
            problems.append(f"{self.world.busy} engines or calls of engines are left")
        names = names_of_tasks(self.nursery)
        if names:
            problems.append(f"tasks are left: {names}")
        return problems


async def _run(story: Story, world: World, steps: Steps) -> tuple[list[str], list[SimulatedClient]]:
    async with open_backend(options_of(world)) as backend, trio.open_nursery() as nursery:
        simulated = SimulatedBackend(backend, world, nursery, steps)
        await story(simulated)
        steps.counting = False
        problems = await simulated.settle()
        nursery.cancel_scope.cancel()
    if world.busy:
        problems.append(f"{world.busy} engines or calls of engines outlived the backend")
    return problems, simulated.clients


def run(story: Story, world: World, steps: Steps | None = None) -> Result:
    """Run ``story`` to its end in ``world``, and judge it."""
    steps = steps or Steps()
    faults: list[str] = []
    threads = threading.enumerate()

    def note(message: loguru.Message) -> None:
        error = message.record["exception"]
        leaf = first_leaf(error.value) if error is not None and error.value is not None else None
        faults.append(f"{message.record['message']}: {leaf!r}" if leaf else message.record["message"])

    sink = logger.add(note, level="ERROR", format="{message}")
    try:
        with _decided_by(world.seed), inhabited(world), identity.source(world), installed():
            problems, clients = trio.run(
                _run, story, world, steps, clock=MockClock(autojump_threshold=0), instruments=[steps]
            )
    finally:
        logger.remove(sink)
    expected = ("the base character cannot be loaded", "broke down")
    problems += [fault.strip() for fault in faults if not any(words in fault for words in expected)]
    begun = [thread.name for thread in threading.enumerate() if thread not in threads]
    if begun:
        problems.append(f"threads are left: {begun}")
    notes = [(client.name, *attrs.astuple(note)) for client in clients for note in client.notes]
    digest = hashlib.blake2b(json.dumps(notes, sort_keys=True).encode(), digest_size=16).hexdigest()
    return Result(tuple(problems), digest, steps.all, len(notes))


async def at_random(simulated: SimulatedBackend, actions: int = 60) -> None:
    """Several clients come, do things, and leave, as the seed decides."""
    world, done = simulated.world, 0

    async def behave(client: SimulatedClient) -> None:
        nonlocal done
        while client.here and done < actions:
            done += 1
            await world.wait(0.0, 0.0, 0.01, 0.1, 0.5, 3.0, 10.0)
            if world.chance(0.04):
                await client.leave()
            elif client.here and world.chance(0.2):
                await _speak(simulated.callers[client.name])
            elif client.here:
                await client.act()

    async with trio.open_nursery() as nursery:
        while done < actions:
            if sum(client.here for client in simulated.clients) < 4:
                room = world.random.choice(["", "", "", "red", "blue"])
                nursery.start_soon(behave, simulated.connect(room))
            await world.wait(0.0, 0.2, 1.0, 5.0)


async def _talk(caller: SpeechCaller, said: Said, windows: int) -> None:
    """Mostly into a reply."""
    client = caller.client
    if client.world.chance(0.8):
        await caller.listen()
        since = len(client.notes)
        await client.ask()
        with trio.move_on_after(2):
            await client.until(lambda note: note.type == "audio", since=since)
    await caller.talk(said, windows)


async def _speak(caller: SpeechCaller) -> None:
    """Somebody may have finished a sentence, or has."""
    random = caller.client.world.random
    match random.choice([*["begin", "commit", "speak"] * 2, "other", "discard", *["talk"] * 3]):
        case "begin":
            await caller.begin(spoken=random.random() < 0.3)
        case "commit":
            await caller.commit()
        case "other":
            await caller.commit(other=True)
        case "discard":
            caller.discard()
        case "speak":
            await caller.speak(random.randint(3, 10), random.choice([0, 8, 8, 30]))
        case "talk":
            await _talk(caller, random.choice(list(Said)), random.choice([3, 12, 12, 40]))
