"""A few thousand steps of the simulation; `nox -s simulate` runs as many as one likes."""

from __future__ import annotations

import pytest

from .runs import at_random, run
from .scenarios import DISCARDS, DISTURBANCES, PROVISIONAL, SCENARIOS, at_every_step
from .world import World

EVERY = 12


@pytest.mark.parametrize("seed", range(12))
def test_whatever_happens_the_invariants_hold(seed: int) -> None:
    """Clients, rooms, switches, wrong messages; engines that fail, hang and die; a slow store."""
    result = run(at_random, World(seed))
    assert not result.problems, f"repeat it with: python -m tests.simulation --seed {seed}"


def test_a_seed_decides_everything() -> None:
    """The same seed makes the same story, to the last message; another makes another."""
    digests = [run(at_random, World(seed)).digest for seed in (3, 4, 3)]
    assert digests[0] == digests[2] != digests[1]


@pytest.mark.parametrize("how", DISTURBANCES)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_scenario_is_disturbed_at_its_steps(scenario: str, how: str) -> None:
    """At each twelfth step here, beginning at another one for each; `nox -s simulate` tries all."""
    first = DISTURBANCES.index(how) + list(SCENARIOS).index(scenario)
    assert at_every_step(scenario, how, every=EVERY, first=first) == []


@pytest.mark.parametrize("how", DISCARDS)
@pytest.mark.parametrize("scenario", PROVISIONAL)
def test_a_provisional_turn_is_disturbed_at_its_steps(scenario: str, how: str) -> None:
    """One that is discarded leaves nothing, one that is committed is like any other."""
    first = DISCARDS.index(how) + list(PROVISIONAL).index(scenario)
    assert at_every_step(scenario, how, every=EVERY, first=first) == []
