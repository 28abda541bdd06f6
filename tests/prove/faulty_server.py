"""A server in memory, on the virtual clock, that keeps every promise; each of its fields can break one."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial

import attrs
import trio

from tests.memory_wire import MemoryWire, memory_wire_pair
from trio_backend.client.address import ServerAddress
from trio_backend.errors import WireClosed
from trio_backend.prove.context import ScenarioContext
from trio_backend.prove.engines import ModelTimes, RepliesWatch
from trio_backend.prove.plan import Plan
from trio_backend.prove.probe import Sample
from trio_backend.prove.scenarios.queue import ROOM
from trio_backend.prove.stand_ins import ENDLESS, LONG_WINDED, REAL
from trio_backend.quota import MemoryQuota

MB = 1_000_000
FIRST_CLAUSE, WHOLE = 0.065, 0.345
"""Seconds that its model takes for its first clause and for its whole reply."""


def always(value: float) -> Callable[[int], float]:
    """The same for every turn, switch or message."""
    return lambda _number: value


@attrs.define(eq=False)
class FaultyServer:
    """Times are in seconds. Turns, switches and messages are counted from 1, over all clients."""

    plan: Plan
    dispatch: Callable[[int], float] = attrs.field(default=always(0.0))
    """From a message to the start of its turn."""
    speech: Callable[[int], float] = attrs.field(default=always(0.2))
    """From the start of a turn to its first sentence, which has sound as all have."""
    sentences: int = 1
    """Of each turn, one each 10 ms."""
    silent_after: float = 0.0
    """From an interrupt to the last sentence of the turn."""
    only_real: bool = False
    """This and what follows is the fault of the character with a real model only."""
    only_with: int = 0
    """This and what follows is a fault only while at least so many are connected."""
    model_kept: float = 0.0
    """From an interrupt to the end of the connection to the model."""
    working_after: float = 0.0
    """From an interrupt to the end of the turn's last task."""
    child_after: float = 0.0
    """From an interrupt to the end of the turn's child process."""
    ends_turns: bool = True
    refuses: Callable[[int], float] = attrs.field(default=always(0.0))
    """Whether it is too busy for the turn of that number."""
    retry_after: float | None = 1.0
    unready_after: float = 1.0
    unready_for: float = 5.0
    """From the first refusal until it says that it is not ready, and from the last until it is again."""
    loses: Callable[[int], float] = attrs.field(default=always(0.0))
    """Whether the message of that number in the busy room is not answered."""
    capacity: int = 50
    """Of a room's queue; what is more is refused."""
    load: Callable[[int], float] = attrs.field(default=always(1.0))
    """From a switch to its character."""
    finishes_loads: bool = False
    """A switch waits for those before it."""
    slower_by_leaver: float = 0.0
    """Each client that leaves while its turn is being spoken delays the speech of all later turns."""
    cpu_of_turn: float = 0.0
    loop_cpu_of_turn: float = 0.0
    load_of_turn: float = 0.0
    """Seconds of CPU that the load generator uses for a turn until its first sound."""
    engine_connections: int = 0
    """How many connections to its engines it keeps."""
    cpu_of_connection: float = 0.0
    cpu_of_idling: float = 0.0
    """Cores."""
    memory_of_connection: float = 0.0
    memory_of_message: float = 0.0
    """Bytes of each message to the busy room, for good."""
    leaves: Mapping[str, int] = attrs.field(factory=dict)
    """How many tasks, threads, children, files and engines each connection leaves behind."""
    shows_tasks: bool = True
    """As the probe of a scenario: whether tasks can be seen, and so the work of turns."""

    turns: int = attrs.field(default=0, init=False)
    switches: int = attrs.field(default=0, init=False)
    connections: int = attrs.field(default=0, init=False)
    gone: int = attrs.field(default=0, init=False)
    leavers: int = attrs.field(default=0, init=False)
    working: int = attrs.field(default=0, init=False)
    children: int = attrs.field(default=0, init=False)
    messages: int = attrs.field(default=0, init=False)
    refusals: list[float] = attrs.field(factory=list, init=False)
    read: Counter[str] = attrs.field(factory=Counter, init=False)
    """How many sentences the clients of each character have read."""
    began: float = attrs.field(factory=trio.current_time, init=False)
    _replies: RepliesWatch = attrs.field(factory=RepliesWatch, init=False)
    _nursery: trio.Nursery = attrs.field(init=False)
    _loading: trio.Lock = attrs.field(factory=trio.Lock, init=False)

    # As the probe of a scenario.

    sees_process: bool = attrs.field(default=True, init=False)

    async def sample(self) -> Sample:
        """See `Probe.sample`."""
        await trio.lowlevel.checkpoint()
        connected = self.connections + self.gone
        held = self.connections * self.memory_of_connection + self.messages * self.memory_of_message
        return Sample(
            memory=50 * MB + held,
            cpu=self.turns * self.cpu_of_turn
            + connected * self.cpu_of_connection
            + (trio.current_time() - self.began) * self.cpu_of_idling,
            files=10 + self._left("files"),
            threads=1 + self._left("threads"),
            engines=1 + self._left("engines"),
            children=self.children + self._left("children"),
            tasks=20 + self.working + self._left("tasks"),
            turns=self.working if self.shows_tasks else math.nan,
            longest_pass=0.0,
            loop_cpu=self.turns * self.loop_cpu_of_turn,
        )  # fmt: skip

    def _left(self, what: str) -> int:
        return self.gone * self.leaves.get(what, 0)

    async def cpu(self) -> float:
        """See `Probe.cpu`."""
        return (await self.sample()).cpu

    async def loop_cpu(self) -> float:
        """See `Probe.loop_cpu`."""
        return (await self.sample()).loop_cpu

    async def ready(self) -> bool:
        """See `Probe.ready`."""
        await trio.lowlevel.checkpoint()
        if not self.refusals:
            return True
        late = trio.current_time() - self.refusals[0] >= self.unready_after
        return not late or trio.current_time() - self.refusals[-1] > self.unready_for

    # As the engines of a scenario, and as the load generator's own clock of CPU.

    async def alone(self) -> ModelTimes:
        """See `Engines.alone`."""
        await trio.lowlevel.checkpoint()
        return ModelTimes(FIRST_CLAUSE, WHOLE)

    async def open_connections(self) -> int:
        """See `Engines.open_connections`."""
        await trio.lowlevel.checkpoint()
        return self.engine_connections

    @asynccontextmanager
    async def watch(self, model: str) -> AsyncIterator[RepliesWatch]:
        """See `Engines.watch`."""
        assert model == ENDLESS
        await trio.lowlevel.checkpoint()
        yield self._replies

    def load_cpu(self) -> float:
        """See `ScenarioContext`."""
        return self.turns * self.load_of_turn

    # As the server of a scenario.

    @asynccontextmanager
    async def open_wire(
        self, address: ServerAddress, *, receive_buffer: int | None = None
    ) -> AsyncIterator[ResettableMemoryWire]:
        """See `prove.client.ConnectWire`."""
        del receive_buffer
        ours, theirs = memory_wire_pair()
        session = _FaultySession(self, theirs, in_room=address.target == ROOM)
        self._nursery.start_soon(session.serve)
        wire = ResettableMemoryWire(ours)
        try:
            yield wire
        finally:
            with trio.CancelScope(shield=True):
                await wire.close()
                await session.over.wait()


@attrs.frozen
class ResettableMemoryWire:
    """A memory wire whose reset is a close."""

    _wire: MemoryWire

    @property
    def quota(self) -> MemoryQuota:
        """See `Wire.quota`."""
        return self._wire.quota

    async def receive(self) -> str | bytes:
        """See `Wire.receive`."""
        return await self._wire.receive()

    async def send_binary(self, message: bytes) -> None:
        """See `ResettableWire.send_binary`."""
        await self._wire.send_binary(message)

    async def send(self, message: bytes) -> None:
        """See `Wire.send`."""
        await self._wire.send(message)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """See `Wire.close`."""
        await self._wire.close(code, reason)

    async def reset(self) -> None:
        """See `ResettableWire.reset`."""
        await self._wire.close(1006)


@attrs.define(eq=False)
class _FaultySession:
    server: FaultyServer
    wire: MemoryWire
    in_room: bool
    file: str = "conf.yaml"
    over: trio.Event = attrs.field(factory=trio.Event, init=False)
    _session: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    _turn: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    _load: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)
    _speaking: bool = attrs.field(default=False, init=False)
    _played: trio.Event = attrs.field(factory=trio.Event, init=False)
    _interrupted: trio.Event = attrs.field(factory=trio.Event, init=False)

    async def serve(self) -> None:
        """Until the client leaves."""
        self.server.connections += 1
        queue, waiting = trio.open_memory_channel[int](self.server.capacity)
        try:
            async with trio.open_nursery() as nursery:
                self._session = nursery.cancel_scope
                nursery.start_soon(self._run_turns, waiting)
                await self._say("set-model-and-conf", conf_name="conf")
                with suppress(WireClosed):
                    while True:
                        await self._handle(json.loads(await self.wire.receive()), nursery, queue)
                nursery.cancel_scope.cancel()
        finally:
            self.server.leavers += self._speaking
            self.server.connections -= 1
            self.server.gone += 1
            self._interrupted.set()
            with trio.CancelScope(shield=True):
                await self.wire.close()
            self.over.set()

    async def _handle(
        self, message: object, nursery: trio.Nursery, queue: trio.MemorySendChannel[int]
    ) -> None:
        match message:
            case {"type": "text-input"}:
                if self.in_room:
                    self.server.messages += 1
                    if self.server.loses(self.server.messages):
                        return
                try:
                    queue.send_nowait(0)
                except trio.WouldBlock:
                    nursery.start_soon(self._say_code, "error", "queue-full")
            case {"type": "interrupt-signal"}:
                self._interrupted.set()
                self._turn.deadline = trio.current_time() + self._fault(self.server.silent_after)
            case {"type": "heartbeat"}:
                nursery.start_soon(self._say_code, "heartbeat-ack", "")
            case {"type": "frontend-playback-complete"}:
                self._played.set()
            case {"type": "fetch-configs"}:
                names = [{"filename": f"{name}.yaml", "name": name} for name in "abc"]
                nursery.start_soon(partial(self._say, "config-files", configs=names))
            case {"type": "fetch-history-list"}:
                nursery.start_soon(partial(self._say, "history-list", histories=[]))
            case {"type": "create-new-history"}:
                nursery.start_soon(partial(self._say, "new-history-created", history_uid="new"))
            case {"type": "switch-config", "file": str(file)}:
                self.file = file
                if not self.server.finishes_loads:
                    self._load.cancel()
                self._load = trio.CancelScope()
                nursery.start_soon(self._switch, file, self._load)

    def _fault(self, seconds: float) -> float:
        if self.server.only_real and self.file != REAL:
            return 0.0
        return seconds if self.server.connections >= self.server.only_with else 0.0

    async def _switch(self, file: str, load: trio.CancelScope) -> None:
        with load:
            self.server.switches += 1
            number = self.server.switches
            if self.server.finishes_loads:
                async with self.server._loading:
                    await trio.sleep(self.server.load(number))
            else:
                await trio.sleep(self.server.load(number))
            name = file.removesuffix(".yaml")
            await self._say("set-model-and-conf", conf_name=name)
            await self._say("config-switched")

    async def _run_turns(self, waiting: trio.MemoryReceiveChannel[int]) -> None:
        async for _ in waiting:
            self._turn, self._played, self._interrupted = trio.CancelScope(), trio.Event(), trio.Event()
            if self.file in (REAL, LONG_WINDED):
                self.server._nursery.start_soon(self._hold_model, self._interrupted)
            self.server._nursery.start_soon(self._work, self._interrupted)
            with self._turn:
                await self._run_turn()
            self._speaking = False
            self._interrupted.set()

    async def _run_turn(self) -> None:
        server = self.server
        server.turns += 1
        number = server.turns
        await trio.sleep(server.dispatch(number))
        if server.refuses(number):
            server.refusals.append(trio.current_time())
            after = {} if server.retry_after is None else {"retry_after": server.retry_after}
            await self._say("error", code="busy", **after)
            return
        await self._say("control", text="conversation-chain-start")
        delay = server.leavers * server.slower_by_leaver
        await trio.sleep(server.speech(number) + delay)
        self._speaking = True
        for _ in range(server.sentences):
            await self._say("audio", audio="UklGRg==", volumes=[1.0])
            server.read[self.file] += 1
            await trio.sleep(0.01)
        await self._say("backend-synth-complete")
        await self._played.wait()
        if not server.ends_turns:
            await trio.sleep_forever()
        await self._say("control", text="conversation-chain-end")

    async def _work(self, interrupted: trio.Event) -> None:
        """The turn's task and child process, as the probe sees them."""
        self.server.working += 1
        self.server.children += 1

        async def end_child() -> None:
            await trio.sleep(self._fault(self.server.child_after))
            self.server.children -= 1

        await interrupted.wait()
        self.server._nursery.start_soon(end_child)
        await trio.sleep(self._fault(self.server.working_after))
        self.server.working -= 1

    async def _hold_model(self, interrupted: trio.Event) -> None:
        replies = self.server._replies
        replies.take(replies.open + 1)
        await interrupted.wait()
        await trio.sleep(self._fault(self.server.model_kept))
        replies.take(replies.open - 1)

    async def _say_code(self, type: str, code: str) -> None:
        await self._say(type, code=code)

    async def _say(self, type: str, **fields: object) -> None:
        try:
            await self.wire.send(json.dumps({"type": type, **fields}).encode())
        except WireClosed:
            self._session.cancel()
            await trio.lowlevel.checkpoint()


@asynccontextmanager
async def open_faulty_server(server: FaultyServer, *, own: bool = True) -> AsyncIterator[ScenarioContext]:
    """A scenario's context whose server is ``server``."""
    async with trio.open_nursery() as nursery:
        server._nursery = nursery
        address = ServerAddress("server.test", 1, "/client-ws")
        yield ScenarioContext(
            address, server.plan, server, own, lambda _: None, server.open_wire,
            engines=server if own else None, load_cpu=server.load_cpu,
        )  # fmt: skip
        nursery.cancel_scope.cancel()
