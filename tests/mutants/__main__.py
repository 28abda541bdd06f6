"""``python -m tests.mutants``: run mutants against the tests that execute their lines, and report.

Outcomes are kept as they come, so that a run that was stopped can be gone on with: ``--left``.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate
from pathlib import Path
from queue import SimpleQueue

import attrs
import coverage

from .contexts import SECONDS
from .listed import PACKAGE, Mutant, mutants

ROOT = PACKAGE.parent
KEPT = ROOT / ".mutants"
"""Which test executes which line, from one run of the tests; made anew with ``--fresh``. And the outcomes."""
OUTCOMES = KEPT / "outcomes.jsonl"
"""One line for each mutant that was run, the latest last."""
FIRST_TESTS = 200
"""How many of the tests are tried first: starting pytest with thousands costs more than most mutants need."""
MOST_SECONDS = 90.0
"""How long the tests for one mutant may take in all, as measured in the run of the tests."""
MOST_MEMORY = 4 * 2**30
"""Bytes of address space for the tests of one mutant; they need one GiB."""
WANTED = 0.95
_LEFT_OUT = shutil.ignore_patterns(
    ".git", ".venv", ".nox", ".mutants", "__pycache__", ".*_cache", ".hypothesis"
)


@attrs.frozen
class Tests:
    """Which tests execute the lines of the package, and how many seconds each takes."""

    data: coverage.CoverageData
    seconds: Mapping[str, float]

    @classmethod
    def known(cls, among: Sequence[str], *, fresh: bool) -> Tests:
        """From a run of the tests ``among`` (all, where that is empty).

        From the one before, where there is one, unless ``fresh`` is asked for.
        """
        KEPT.mkdir(exist_ok=True)
        if fresh or not (KEPT / "coverage").exists():
            print("running the tests once, to see which of them execute which line", flush=True)
            file = f"--data-file={KEPT / 'coverage'}"
            command = ["run", file, "--parallel-mode", "-m", "pytest", "-q"]
            command += ["-p", "tests.mutants.contexts", *among]
            environment = {**os.environ, SECONDS: str(KEPT / "seconds.json")}
            subprocess.run(
                [sys.executable, "-m", "coverage", *command], cwd=ROOT, env=environment, check=False
            )
            combine = [sys.executable, "-m", "coverage", "combine", "-q", file, str(KEPT)]
            subprocess.run(combine, cwd=ROOT, check=True)
        data = coverage.CoverageData(str(KEPT / "coverage"))
        data.read()
        return cls(data, json.loads((KEPT / "seconds.json").read_text("utf-8")))

    def of(self, mutant: Mutant) -> Sequence[str]:
        """The tests that execute the lines of ``mutant``, the quickest first.

        Of a line that only an import executes, those of its package and those that execute anything in a
        function of its file: a module is imported by whichever test happens to be the first.
        """
        by_line = self.data.contexts_by_lineno(str(PACKAGE / mutant.file))
        within = mutant.lines_of_functions()
        lines = within.intersection(mutant.lines()) or within
        names = {name for line in lines for name in by_line.get(line, ())} - {""}
        if lines is within:
            names |= {name for name in self.seconds if name.startswith(f"tests/{mutant.package}/")}
        known = sorted(names & self.seconds.keys(), key=lambda name: self.seconds[name])
        spent = accumulate(self.seconds[name] for name in known)
        chosen = [name for name, total in zip(known, spent, strict=True) if total <= MOST_SECONDS]
        return chosen or known[:1] or [f"tests/{mutant.package}"]


def noticed(mutant: Mutant, tests: Tests, copy: Path) -> str:
    """What fails in ``copy`` of the project with the mutant in it, or that it hangs; "" where all is well."""
    chosen = tests.of(mutant)
    return noticed_by(chosen[:FIRST_TESTS], mutant, tests, copy) or (
        noticed_by(chosen[FIRST_TESTS:], mutant, tests, copy) if chosen[FIRST_TESTS:] else ""
    )


def noticed_by(chosen: Sequence[str], mutant: Mutant, tests: Tests, copy: Path) -> str:
    """`noticed`, by these tests."""
    path = copy / PACKAGE.name / mutant.file
    path.write_text(mutant.mutated(), "utf-8")
    # In their order: the quickest first.
    plugins = ["-p", "no:cacheprovider", "-p", "no:randomly"]
    command = [sys.executable, "-m", "pytest", "-x", "-q", *plugins, *chosen]
    patience = 60 + 5 * sum(tests.seconds.get(name, 1.0) for name in chosen)
    try:
        done = subprocess.run(
            command,
            cwd=copy,
            # With CI, hypothesis draws the same each time, and has no deadline for a loaded machine to miss.
            env={**os.environ, "PYTHONPATH": str(copy), "CI": "true"},
            timeout=patience,
            capture_output=True,
            preexec_fn=_limit_memory if sys.platform == "linux" else None,
        )
    except subprocess.TimeoutExpired:
        return "a test that hangs"
    finally:
        path.write_text(mutant.source(), "utf-8")
    if done.returncode < 0:
        return "a test that kills Python"
    if done.returncode not in (0, 1):
        raise RuntimeError(f"pytest could not run for {mutant}:\n{done.stdout.decode()[-2000:]}")
    if done.returncode == 0:
        return ""
    failed = re.search(r"^(?:FAILED|ERROR) (\S+)", done.stdout.decode(), re.MULTILINE)
    return failed[1] if failed else "a test that fails"


def _limit_memory() -> None:
    """In the child: a mutant that takes memory without end fails, and the machine goes on."""
    import resource  # not on Windows

    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))


def keep(mutant: Mutant, found: str) -> None:
    """Write down what noticed ``mutant``, or that nothing did."""
    with OUTCOMES.open("a", encoding="utf-8") as file:
        file.write(json.dumps({"mutant": mutant.key, "noticed_by": found}) + "\n")


def noticed_before() -> set[str]:
    """The keys of the mutants that were noticed when they were run last."""
    if not OUTCOMES.exists():
        return set()
    entries = map(json.loads, OUTCOMES.read_text("utf-8").splitlines())
    latest = {entry["mutant"]: entry["noticed_by"] for entry in entries}
    return {key for key, found in latest.items() if found}


def run(chosen: Sequence[Mutant], tests: Tests, *, jobs: int) -> list[Mutant]:
    """Run the mutants; those that nothing noticed."""
    with tempfile.TemporaryDirectory() as folder:
        copies: SimpleQueue[Path] = SimpleQueue()
        for number in range(jobs):
            copies.put(Path(shutil.copytree(ROOT, Path(folder, str(number)), ignore=_LEFT_OUT)))

        def judge(mutant: Mutant) -> str:
            copy = copies.get()
            try:
                found = noticed(mutant, tests, copy)
            finally:
                copies.put(copy)
            print("noticed    " if found else "NOT NOTICED", mutant, flush=True)
            keep(mutant, found)
            return found

        with ThreadPoolExecutor(jobs) as pool:
            return [
                mutant for mutant, found in zip(chosen, pool.map(judge, chosen), strict=True) if not found
            ]


def main() -> int:
    """The exit status: 1 where fewer than `WANTED` were noticed."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument(
        "names", nargs="*", help="packages (conversation) or mutants (conversation-3); all without"
    )
    parser.add_argument(
        "--left",
        action="store_true",
        help="only mutants that were not noticed before, or not run; those noticed before count as noticed",
    )
    parser.add_argument("--fresh", action="store_true", help="look again which test executes which line")
    parser.add_argument(
        "--among",
        action="append",
        default=[],
        metavar="PATH",
        help="with --fresh: choose among the tests of this path only, such as tests/rooms; may be repeated",
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many at once")
    options = parser.parse_args()
    wanted = [
        mutant
        for mutant in mutants()
        if not options.names or {mutant.package, f"{mutant.package}-{mutant.number}"} & set(options.names)
    ]
    alive = [mutant for mutant in wanted if not mutant.equivalent]
    before = noticed_before() if options.left else set()
    chosen = [mutant for mutant in alive if mutant.key not in before]
    missed = run(chosen, Tests.known(options.among, fresh=options.fresh), jobs=options.jobs)
    each, not_noticed = Counter(one.package for one in wanted), Counter(one.package for one in missed)
    argued = Counter(one.package for one in wanted if one.equivalent)
    for package, count in sorted(each.items()):
        print(
            f"{package:14} {count:4} mutants, {argued[package]:3} argued, "
            f"{not_noticed[package]:3} not noticed"
        )
    share = 1 - len(missed) / len(alive) if alive else 1.0
    print(f"{len(alive) - len(missed)} of {len(alive)} noticed ({share:.0%}), {sum(argued.values())} argued")
    return 0 if share >= WANTED else 1


if __name__ == "__main__":
    sys.exit(main())
