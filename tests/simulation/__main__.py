"""``python -m tests.simulation``: run many seeds, or disturb every scripted scenario at every step."""

from __future__ import annotations

import argparse
import sys
import time

from loguru import logger

from .runs import at_random, run
from .scenarios import DISCARDS, DISTURBANCES, PROVISIONAL, SCENARIOS, at_every_step, steps_of
from .world import World


def main() -> int:
    """The exit status: 1 where something was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=100, help="how many seeds to run")
    parser.add_argument("--from", dest="first", type=int, default=0, help="the first seed")
    parser.add_argument("--seed", type=int, help="run this seed only, with the server's log")
    parser.add_argument("--keep-going", action="store_true", help="do not stop at the first seed that fails")
    parser.add_argument("--scenarios", action="store_true", help="disturb the scripted scenarios instead")
    options = parser.parse_args()
    if options.seed is None:
        logger.remove()
    if options.scenarios:
        return scenarios()
    first, seeds = (options.first, options.seeds) if options.seed is None else (options.seed, 1)
    return random_seeds(first, seeds, keep_going=options.keep_going)


def random_seeds(first: int, seeds: int, *, keep_going: bool) -> int:
    """Run ``seeds`` seeds from ``first`` on. A seed that fails prints the command that repeats it."""
    began, steps, messages, failed, seed = time.perf_counter(), 0, 0, 0, first
    for seed in range(first, first + seeds):
        result = run(at_random, World(seed))
        steps, messages = steps + result.steps, messages + result.messages
        if result.problems:
            failed += 1
            print(f"seed {seed}:", *result.problems, sep="\n  ")
            print(f"repeat it with: python -m tests.simulation --seed {seed}", flush=True)
            if not keep_going:
                break
    seconds = time.perf_counter() - began
    print(f"{seed - first + 1} seeds, {steps} steps, {messages} messages in {seconds:.0f} s: {failed} failed")
    return 1 if failed else 0


def scenarios() -> int:
    """Disturb each scenario at each of its steps, and count."""
    tried = failed = 0
    print(f"{'scenario':24} {'steps':>6}  " + " ".join(f"{how:>10}" for how in DISCARDS))
    for scenario in (*SCENARIOS, *PROVISIONAL):
        steps, found = steps_of(scenario), []
        for how in DISTURBANCES if scenario in SCENARIOS else DISCARDS:
            problems = at_every_step(scenario, how)
            found.append(problems)
            tried, failed = tried + steps, failed + len(problems)
        cells = " ".join(f"{f'{len(problems)} wrong' if problems else 'ok':>10}" for problems in found)
        print(f"{scenario:24} {steps:>6}  {cells}", flush=True)
        for problems in found:
            print(*(f"  {problem}" for problem in problems[:3]), sep="\n", end="\n" if problems else "")
    print(f"{tried} runs: {failed} problems")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
