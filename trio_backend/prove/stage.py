"""`Stage`: what every scenario plays on, and how it measures itself."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

import attrs
import trio

from ..errors import WireClosed
from .outcome import CLIENT_BOUND, Check, ratio
from .plan import Plan
from .probe import Probe
from .stand_ins import SENTENCE
from .visitor import Choice, Target, Visitor, open_visitor

# What a fresh page waits for its first sound may grow by no more than this.
STEADY = 5.0  # %


@attrs.define(eq=False)
class Share:
    """How much of one core this process used, known once it was measured."""

    share: float = 0.0

    @property
    def client_bound(self) -> bool:
        """Whether it had no time left."""
        return self.share > CLIENT_BOUND


@attrs.frozen
class Stage:
    """The server, what is to be done, and who is told how far it got. ``own``: its characters are ours."""

    target: Target
    plan: Plan
    probe: Probe
    own: bool
    tell: Callable[[str], None]

    @asynccontextmanager
    async def visit(self, file: str = "", *, receive_buffer: int | None = None) -> AsyncIterator[Visitor]:
        """A page that somebody has opened; on a server of our own, with the character of ``file``."""
        async with open_visitor(self.target, receive_buffer=receive_buffer) as visitor:
            if self.own and file:
                await visitor.become(own_choice(file))
            yield visitor

    async def first_sound(self) -> float:
        """Seconds from the question of a fresh page to its first sound.

        The turn is let go to its end, so that measuring leaves nothing behind. Whoever hears nothing
        within the plan's patience has waited that long.
        """
        waited = self.plan.patience
        self.tell("a fresh page asks")
        with trio.move_on_after(self.plan.patience):
            async with self.visit() as visitor:
                waited = await visitor.ask(SENTENCE)
                await visitor.finish()
        return waited

    async def first_sounds(self) -> Sequence[float]:
        """As often as the plan says."""
        return [await self.first_sound() for _ in range(self.plan.median_of)]

    @contextmanager
    def share(self) -> Iterator[Share]:
        """Measure the load generator's own share of a core."""
        result, wall, cpu = Share(), time.perf_counter(), time.process_time()
        yield result
        result.share = (time.process_time() - cpu) / max(time.perf_counter() - wall, 1e-9)


def own_choice(file: str) -> Choice:
    """One of the stand-ins, who are named like their files."""
    return Choice(file, file.removesuffix(".yaml"))


def steady(stage: Stage, before: Sequence[float], after: Sequence[float]) -> Sequence[Check]:
    """That the first sound comes as soon as it did, and that it comes at all."""
    grown, patience = 100 * (ratio(after, before) - 1), stage.plan.patience
    silent = sum(waited >= patience for waited in (*before, *after))
    return [
        Check("first sound later by", max(0.0, grown), "%", STEADY),
        *([Check(f"pages that heard nothing for {patience:g} s", silent, "", 0)] if silent else []),
        Check("first sound before", 1000 * sorted(before)[len(before) // 2], "ms"),
        Check("first sound after", 1000 * sorted(after)[len(after) // 2], "ms"),
    ]


async def leave_quietly(visitor: Visitor, seconds: float) -> None:
    """Listen for so long, or until the server ends it."""
    with trio.move_on_after(seconds):
        try:
            while True:
                await visitor.hear()
        except WireClosed:
            pass
