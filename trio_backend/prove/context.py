"""`ScenarioContext`: the server that a scenario measures, and how it measures."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

import attrs
import trio

from ..client.address import ServerAddress
from ..client.connection import open_wire
from ..client.messages import ListedCharacter
from ..errors import WireClosed
from .client import ConnectWire, TimedClient, open_client
from .outcome import CLIENT_BOUND, LEFT_OVER, Check, ratio
from .plan import Plan
from .probe import Probe, Sample
from .stand_ins import SENTENCE

# Percent by which the wait of a new page for its first sound may grow.
STEADY = 5.0
POLL_INTERVAL = 0.25


@attrs.define(eq=False)
class CpuShare:
    """How much of one core this process used, from 0; set when the measured block ends."""

    share: float = 0.0

    @property
    def client_bound(self) -> bool:
        """Whether this process used more than `CLIENT_BOUND`, so that the numbers may be its own."""
        return self.share > CLIENT_BOUND


@attrs.frozen
class ScenarioContext:
    """The server at ``address``, the sizes, and ``progress``, which is told how far the scenario is.

    ``own``: the server is one that we have started, with the characters of `stand_ins`.
    """

    address: ServerAddress
    plan: Plan
    probe: Probe
    own: bool
    progress: Callable[[str], None]
    open_wire: ConnectWire = open_wire

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
        """A check of each resource: how much more there is than ``before``.

        Waits up to the plan's ``settle_timeout`` until there is nothing more.
        """
        more = (await self.probe.sample()).more_than(before)
        with trio.move_on_after(self.plan.settle_timeout):
            while any(count > 0 for count in more.values()):
                await trio.sleep(POLL_INTERVAL)  # a server has no way to tell us that it has cleaned up
                more = (await self.probe.sample()).more_than(before)
        return [Check(f"{name}{LEFT_OVER}", max(0, count), "", 0) for name, count in more.items()]

    @contextmanager
    def share(self) -> Iterator[CpuShare]:
        """Measure the load generator's own share of a core."""
        result, wall, cpu = CpuShare(), time.perf_counter(), time.process_time()
        yield result
        result.share = (time.process_time() - cpu) / max(time.perf_counter() - wall, 1e-9)


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
