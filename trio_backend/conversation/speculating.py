"""Whether turns are begun before it is certain that the user has finished, and whether that pays."""

from __future__ import annotations

from collections import OrderedDict, deque
from functools import partial

import attrs

from ..config.character import CharacterConfig
from ..text.completeness import Completeness, completeness
from .end_of_turn import Judgement

# Turns over which waste is measured: a speaker changes in minutes, and a share of fewer would be luck.
RECENT = 20
# Results before the first judgement. After a rest each counts at once.
ENOUGH = 5
# Pauses that are let pass before another trial; twice as many after each trial that failed, up to the most.
REST, LONGEST_REST = 8, 64
# Characters whose budgets are kept, the latest ones: a configuration may be edited for ever.
MOST_BUDGETS = 1_000


def worth_beginning(words: str, judgement: Judgement | None, speculation: str) -> bool:
    """Whether the user, who pauses after ``words``, may have finished. ``judgement`` is the engine's last.

    ``speculation`` is that of the settings: "off", never; "cautious", where the words or the engine say so;
    "eager", in every pause.
    """
    if speculation == "off" or not words.strip() or judgement == "resumed":
        return False
    if speculation == "eager" or judgement is not None:
        return True
    return completeness(words) is Completeness.FINISHED


@attrs.define(eq=False)
class SpeculationBudget:
    """Allows turns to be begun early while at most ``waste`` of the recent ones were in vain.

    When more were, it rests: it lets a number of occasions pass, and tries again. Then one more in vain
    ends the trial, for twice as long, until enough were wanted.
    """

    waste: float
    _wasted: deque[bool] = attrs.field(factory=partial(deque, maxlen=RECENT), init=False)
    _rests: int = attrs.field(default=0, init=False)
    """Occasions that are still let pass."""
    _next_rest: int = attrs.field(default=REST, init=False)
    _trial: bool = attrs.field(default=False, init=False)

    @property
    def share(self) -> float:
        """The share of the recent turns that was in vain, from 0 to 1."""
        return sum(self._wasted) / len(self._wasted) if self._wasted else 0.0

    @property
    def resting(self) -> bool:
        """Whether none is begun now."""
        return self._rests > 0

    def allows(self) -> bool:
        """Whether a turn may be begun early now. To be asked once for each occasion."""
        if self._rests:
            self._rests -= 1
            return False
        return True

    def note(self, *, wanted: bool) -> None:
        """A turn that was begun early, and has cost something, was ``wanted`` or in vain."""
        self._wasted.append(not wanted)
        if len(self._wasted) >= (1 if self._trial else ENOUGH) and self.share > self.waste:
            self._rests, self._next_rest = self._next_rest, min(2 * self._next_rest, LONGEST_REST)
            self._trial = True
            self._wasted.clear()
        elif len(self._wasted) >= ENOUGH:
            self._trial = False
            if len(self._wasted) == RECENT:
                self._next_rest = REST


@attrs.define(eq=False)
class SpeculationBudgets:
    """One for each character with its language model, for all sessions: what was learnt with one user helps
    the next, and a model that is paid for is paid for by the same person."""

    waste: float
    _budgets: OrderedDict[tuple[str, str], SpeculationBudget] = attrs.field(factory=OrderedDict, init=False)

    def of(self, config: CharacterConfig) -> SpeculationBudget:
        """That of a character."""
        key = (config.conf_uid, config.llm.name)
        budget = self._budgets.setdefault(key, SpeculationBudget(self.waste))
        self._budgets.move_to_end(key)
        if len(self._budgets) > MOST_BUDGETS:
            self._budgets.popitem(last=False)
        return budget

    @property
    def resting(self) -> int:
        """Characters for whom none is begun now."""
        return sum(budget.resting for budget in self._budgets.values())
