"""``python -m tests.fuzz``, which is ``nox -s fuzz``: as many cases as one likes, and a table at the end."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import attrs
import trio

from .campaign import TABLE_HEAD, Numbered, Result, find_culprit, generated, keep, replayed, row, run
from .targets import TARGETS, Target, can_run, target_named

FEW = 3
"""How often the number of the default test run is tried where nobody says how many."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="nox -s fuzz --", description=__doc__)
    names = [target.name for target in TARGETS]
    parser.add_argument("--target", action="append", choices=names, help="may be given several times")
    parser.add_argument("--cases", type=int, help="heads, frames, messages, requests … for each target")
    parser.add_argument("--full", action="store_true", help="as many as before a release")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--case", type=int, help="only this case of the seed")
    parser.add_argument("--file", type=Path, help="only what is in this file")
    parser.add_argument("--at-once", type=int, help="cases under way together")
    parser.add_argument("--p99", type=float, default=20.0, help="ms that the other client may wait")
    sys.exit(trio.run(_run_all, parser.parse_args()))


async def _run_all(wanted: argparse.Namespace) -> int:
    results: list[Result] = []
    for target in map(target_named, wanted.target) if wanted.target else TARGETS:
        if can_run(target):
            busy = attrs.evolve(target, at_once=wanted.at_once or target.at_once)
            results.append(await _run(busy, wanted))
    print("", TABLE_HEAD, *map(row, results), sep="\n")
    return 1 if any(result.fault for result in results) else 0


async def _run(target: Target, wanted: argparse.Namespace) -> Result:
    units = wanted.cases or (target.full if wanted.full else FEW * target.cases)

    def progress(result: Result) -> None:
        if sys.stderr.isatty():
            _say(f"\r{target.name}: {result.units:,} of {units:,} {target.unit}", end="")

    result = await run(target, _cases(target, wanted, units), progress=progress)
    _say(f"\r{target.name}: {result.units:,} {target.unit} in {result.seconds:.0f} s")
    if result.fault:
        result.culprit = result.culprit or await find_culprit(result)
        _say(f"{target.name}: {result.fault}\n{keep(result, wanted.seed)}")
    elif result.bystander[1] > wanted.p99:
        result.fault = f"the other client's p99 is {result.bystander[1]:.1f} ms; {wanted.p99:g} are allowed"
        _say(f"{target.name}: {result.fault}")
    return result


def _cases(target: Target, wanted: argparse.Namespace, units: int) -> Iterator[Numbered]:
    if wanted.file:
        yield Numbered(wanted.file.name, wanted.file.read_bytes())
    elif wanted.case is not None:
        yield from generated(target, seed=wanted.seed, units=1, first=wanted.case)
    else:
        yield from replayed(target)
        yield from generated(target, seed=wanted.seed, units=units)


def _say(text: str, end: str = "\n") -> None:
    print(text, end=end, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
