"""`ScenarioContext`: the server that a scenario measures, and how it measures."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager

import attrs
import psutil
import trio

from ..client.address import ServerAddress
from ..client.connection import open_wire
from ..client.messages import ListedCharacter
from ..engines.http import MOST_IDLE
from ..errors import WireClosed
from .client import ConnectWire, TimedClient, open_all, open_client
from .engines import Engines, EngineServerAddress
from .outcome import CLIENT_BOUND, LEFT_OVER, Check, ratio
from .plan import Plan
from .probe import Probe, Sample
from .stand_ins import SENTENCE

# Percent by which the wait of a new page for its first sound may grow.
STEADY = 5.0
POLL_INTERVAL = 0.25
# A server may keep that many for its next requests: to its model, and to its TTS.
KEPT_CONNECTIONS = 2 * MOST_IDLE


@attrs.define(eq=False)
class CpuShare:
    """How much of one core the load generator and the engine server used, from 0, in all measured blocks.

    They are counted together, since where there are two cores they share one of them.
    """

    _seconds: float = 0.0
    _cpu: float = 0.0

    def add(self, seconds: float, cpu: float) -> None:
        """They used so many seconds of CPU in so many ``seconds``."""
        self._seconds += seconds
        self._cpu += cpu

    @property
    def share(self) -> float:
        """0 before the first block has ended."""
        return self._cpu / max(self._seconds, 1e-9)

    @property
    def client_bound(self) -> bool:
        """Whether it was more than `CLIENT_BOUND`, so that the numbers may be their own."""
        return self.share > CLIENT_BOUND


def cpu_of_load(engines: EngineServerAddress | None) -> Callable[[], float]:
    """Reads the seconds of CPU that this process and ``engines`` have used. Raises `psutil.Error`.

    The system counts those of another process in steps of 10 ms, so that short blocks are measured often.
    """
    if engines is None:
        return time.process_time
    process = psutil.Process(engines.pid)

    def read() -> float:
        theirs = process.cpu_times()
        return time.process_time() + theirs.user + theirs.system

    return read


@attrs.frozen
class ScenarioContext:
    """The server at ``address``, the sizes, and ``progress``, which is told how far the scenario is.

    ``own``: the server is one that we have started, with the characters of `stand_ins` and ``engines``.
    ``load_cpu`` is what `cpu_of_load` returns.
    """

    address: ServerAddress
    plan: Plan
    probe: Probe
    own: bool
    progress: Callable[[str], None]
    open_wire: ConnectWire = open_wire
    engines: Engines | None = None
    load_cpu: Callable[[], float] = time.process_time

    @property
    def http_engines(self) -> Engines | None:
        """The engine server, if the server's characters have all their engines there."""
        return self.engines if self.own and self.plan.engines == "http" else None

    @asynccontextmanager
    async def connect(
        self, file: str = "", *, path: str = "", receive_buffer: int | None = None
    ) -> AsyncIterator[TimedClient]:
        """A client of the server, or at ``path`` of it; on our own server, with the character of ``file``.

        Raises `NoConnection`; what the block raises comes out in an `ExceptionGroup`.
        """
        address = attrs.evolve(self.address, target=path or self.address.target)
        async with open_client(self.open_wire, address, receive_buffer=receive_buffer) as client:
            if self.own and file:
                await client.switch_to(stand_in_file(file))
            yield client

    @asynccontextmanager
    async def open_page(self, file: str = "") -> AsyncIterator[TimedClient]:
        """`connect`, and with engines behind HTTP ask for all that a page shows when it opens."""
        async with self.connect() as client:
            if self.http_engines is not None:
                await client.open_page()
            if self.own and file:
                await client.switch_to(stand_in_file(file))
            yield client

    def open_pages(self, count: int, file: str = "") -> AbstractAsyncContextManager[Sequence[TimedClient]]:
        """`open_page` so many times, as `open_all` opens them."""

        def pages() -> Iterator[AbstractAsyncContextManager[TimedClient]]:
            for number in range(count):
                self.progress(f"page {number + 1} of {count}")
                yield self.open_page(file)

        return open_all(pages())

    async def sample(self) -> Sample:
        """The server at this moment, without the files that are its connections to the engines.

        It keeps those open on purpose; `left_over` holds their number against its own bound.
        """
        found = await self.probe.sample()
        if self.own and self.engines is not None:
            found = attrs.evolve(found, files=found.files - await self.engines.open_connections())
        return found

    async def first_sound(self) -> float:
        """Seconds from the question of a new page to its first sound.

        The turn runs to its end, so that measuring leaves nothing behind. A page that gets no sound within
        the plan's ``sound_timeout`` has waited that long.
        """
        waited = self.plan.sound_timeout
        self.progress("a new page asks")
        with trio.move_on_after(self.plan.sound_timeout):
            async with self.connect() as client:
                waited = await client.ask(SENTENCE)
                await client.finish_turn()
        return waited

    async def first_sounds(self) -> Sequence[float]:
        """`first_sound`, as often as the plan says."""
        return [await self.first_sound() for _ in range(self.plan.median_of)]

    async def left_over(self, before: Sample) -> Sequence[Check]:
        """A check of each resource: how much more there is than ``before``, which is a `sample`.

        Waits up to the plan's ``settle_timeout`` until there is nothing more.
        """
        more = (await self.sample()).more_than(before)
        with trio.move_on_after(self.plan.settle_timeout):
            while any(count > 0 for count in more.values()):
                await trio.sleep(POLL_INTERVAL)  # a server has no way to tell us that it has cleaned up
                more = (await self.sample()).more_than(before)
        checks = [Check(f"{name}{LEFT_OVER}", max(0, count), "", 0) for name, count in more.items()]
        if self.http_engines is not None:
            kept = await self.http_engines.open_connections()
            checks.append(Check("connections to the engines that are kept", kept, "", KEPT_CONNECTIONS))
        return checks

    @contextmanager
    def share(self) -> Iterator[CpuShare]:
        """Measure the share of a core that the load itself takes; the block is all that is measured."""
        result, began, cpu = CpuShare(), trio.current_time(), self.load_cpu()
        yield result
        result.add(trio.current_time() - began, self.load_cpu() - cpu)


def stand_in_file(file: str) -> ListedCharacter:
    """One of the stand-in characters, which are named like their files."""
    return ListedCharacter(file, file.removesuffix(".yaml"))


def steady_checks(
    context: ScenarioContext, before: Sequence[float], after: Sequence[float]
) -> Sequence[Check]:
    """That the first sound comes as soon as it did, and that it comes at all."""
    grown, timeout = 100 * (ratio(after, before) - 1), context.plan.sound_timeout
    silent = sum(waited >= timeout for waited in (*before, *after))
    return [
        Check("first sound later by", max(0.0, grown), "%", STEADY),
        *([Check(f"pages without a sound within {timeout:g} s", silent, "", 0)] if silent else []),
        Check("first sound before", 1000 * sorted(before)[len(before) // 2], "ms"),
        Check("first sound after", 1000 * sorted(after)[len(after) // 2], "ms"),
    ]


async def receive_for(client: TimedClient, seconds: float) -> None:
    """Receive for so long, or until the server closes the connection."""
    with trio.move_on_after(seconds):
        try:
            while True:
                await client.receive()
        except WireClosed:
            pass
