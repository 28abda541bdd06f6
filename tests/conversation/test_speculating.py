"""When a turn is begun early, and when that is given up."""

from __future__ import annotations

import attrs
import pytest

from tests.conftest import character
from trio_backend.config.character import EngineChoice
from trio_backend.conversation.end_of_turn import Judgement
from trio_backend.conversation.speculating import (
    ENOUGH,
    LONGEST_REST,
    MOST_BUDGETS,
    RECENT,
    REST,
    SpeculationBudget,
    SpeculationBudgets,
    worth_beginning,
)


@pytest.mark.parametrize(
    ("words", "judgement", "off", "cautious", "eager"),
    [
        ("How are you?", None, False, True, True),
        ("I would like to", None, False, False, True),
        ("Robert", None, False, False, True),
        ("I would like to", "eager", False, True, True),
        ("I would like to", "final", False, True, True),
        ("How are you?", "resumed", False, False, False),
        (" ", "eager", False, False, False),
    ],
)
def test_what_is_worth_a_turn(
    words: str, judgement: Judgement | None, *, off: bool, cautious: bool, eager: bool
) -> None:
    """Nothing, what looks finished, or everything; an engine's word counts, and silence is no input."""
    modes = [("off", off), ("cautious", cautious), ("eager", eager)]
    assert [worth_beginning(words, judgement, how) for how, _ in modes] == [worth for _, worth in modes]


def occasions(budget: SpeculationBudget) -> int:
    """How many are let pass before the next is allowed."""
    passed = 0
    while not budget.allows():
        passed += 1
    return passed


def test_a_share_of_waste_is_allowed() -> None:
    """However long it goes on; the first few are not judged."""
    budget = SpeculationBudget(0.3)
    for number in range(200):
        assert budget.allows()
        budget.note(wanted=number % 10 >= 3 or number < 3)
    assert budget.share == pytest.approx(0.3)


def test_more_than_that_ends_it_for_a_while() -> None:
    """Longer each time; a trial ends with the first in vain, and counts as passed after enough that paid."""
    budget = SpeculationBudget(0.3)
    for _ in range(ENOUGH - 1):
        budget.note(wanted=False)
        assert budget.allows()
    budget.note(wanted=False)
    rests = []
    for _ in range(5):
        rests.append(occasions(budget))
        budget.note(wanted=True)
        assert budget.allows()
        budget.note(wanted=False)
    assert rests == [REST, 2 * REST, 4 * REST, LONGEST_REST, LONGEST_REST]
    assert occasions(budget) == LONGEST_REST
    for _ in range(ENOUGH):
        budget.note(wanted=True)
    budget.note(wanted=False)
    assert budget.allows()
    for _ in range(RECENT):
        budget.note(wanted=True)
    while not budget.resting:
        budget.note(wanted=False)
    assert occasions(budget) == REST


def test_no_waste_allowed_and_all_waste_allowed() -> None:
    """The ends of the range."""
    none, everything = SpeculationBudget(0), SpeculationBudget(1)
    for _ in range(RECENT):
        none.note(wanted=True)
        everything.note(wanted=False)
    assert none.allows()
    none.note(wanted=False)
    assert not none.allows()
    assert everything.allows()


def test_each_character_with_its_model_has_its_own() -> None:
    """And of endlessly many the latest are kept."""
    budgets = SpeculationBudgets(0.3)
    mao = character("mao")
    other = attrs.evolve(mao, llm=EngineChoice("llm", "scripted_llm"))
    first = budgets.of(mao)
    assert first is budgets.of(attrs.evolve(mao, persona_prompt="another"))
    assert first is not budgets.of(character("ann"))
    assert first is not budgets.of(other)
    for _ in range(ENOUGH):
        first.note(wanted=False)
    assert budgets.resting == 1
    for number in range(MOST_BUDGETS):
        budgets.of(character(str(number)))
    assert budgets.of(mao) is not first
    assert len(budgets._budgets) == MOST_BUDGETS
