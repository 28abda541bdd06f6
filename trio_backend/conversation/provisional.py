"""`ProvisionalSlot`: the turn that is begun before it is certain that the user has finished."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import attrs
import trio

from .speculating import SpeculationBudget
from .turn import State, Turn


@attrs.define(eq=False)
class ProvisionalSlot:
    """Room for one provisional turn, and those whose tasks have been told to end."""

    turn: Turn | None = attrs.field(default=None, init=False)
    _budget: SpeculationBudget | None = attrs.field(default=None, init=False)
    _discarded: list[Turn] = attrs.field(factory=list, init=False)

    def fill(self, turn: Turn, budget: SpeculationBudget | None = None) -> None:
        """Let ``turn`` be the one; an earlier one is discarded. ``budget`` is told what becomes of it."""
        self.discard()
        self.turn, self._budget = turn, budget

    def commit(self) -> None:
        """The one that is in here is wanted, and leaves."""
        turn, self.turn = self.turn, None
        assert turn is not None
        self._judge(turn, wanted=True)
        turn.commit()

    def discard(self) -> None:
        """End the one that is in here, if any, at once."""
        turn, self.turn = self.turn, None
        if turn is not None:
            self._judge(turn, wanted=False)
            turn.discard()
            self._discarded.append(turn)

    def _judge(self, turn: Turn, *, wanted: bool) -> None:
        # One that has not asked its model yet has cost nothing.
        if self._budget is not None and turn.input.asked:
            self._budget.note(wanted=wanted)

    def left(self, turn: Turn) -> None:
        """The task of ``turn`` has ended. If that is in here still, its scene has left."""
        turn.gone.set()
        turn.place.leave()
        if turn is self.turn:
            self.discard()
        if turn in self._discarded:
            self._discarded.remove(turn)

    async def wait_discarded(self) -> None:
        """Wait until the engines of discarded turns are free, which takes as long as to cancel them."""
        for turn in tuple(self._discarded):
            await turn.gone.wait()

    async def speculate(self, turn: Turn, deadline: float, answer: Callable[[Turn], Awaitable[None]]) -> None:
        """Work at the reply until it is wanted, then ``answer``; nobody waits for that for ever."""
        await self.wait_discarded()
        async with trio.open_nursery() as nursery:
            turn.speculate(nursery)
            with trio.move_on_after(deadline):
                await turn.committed.wait()
            if turn.state is State.LIVE:
                await answer(turn)
            nursery.cancel_scope.cancel("the turn is over")
