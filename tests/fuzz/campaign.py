"""A campaign: so many cases against one target, judged; and the search for the case that is to blame."""

from __future__ import annotations

import tempfile
import time
import traceback
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

import attrs
import trio

from trio_backend.errors import first_leaf

from .attacks import Attack
from .case import Case, random_of
from .subject import Fault, Inventory, Subject, open_bystander, open_subject
from .targets import Target

CASE_TIME = 90.0
SUSPECTS = 64
"""Cases that had ended when a fault was seen, and may still be to blame for it."""
FOUND = Path("fuzz-findings")
REPEAT = "nox -s fuzz --"


@attrs.frozen
class Numbered:
    """A case and what it is called: its number, or the name of its file."""

    name: str
    data: bytes = attrs.field(repr=False)
    units: int = 1


@attrs.define(eq=False)
class Result:
    """What came of a campaign. ``fault`` is empty if all held; times are in seconds, ``bystander`` in ms."""

    target: Target
    cases: int = 0
    units: int = 0
    seconds: float = 0.0
    before: Inventory | None = None
    after: Inventory | None = None
    bystander: tuple[float, float, float] = (0.0, 0.0, 0.0)
    fault: str = ""
    culprit: Numbered | None = None
    suspects: list[Numbered] = attrs.field(factory=list)


def generated(target: Target, *, seed: int, units: int, first: int = 0) -> Iterator[Numbered]:
    """Case ``first`` of ``seed`` and those after it, until they hold so many units."""
    corpus = list(target.corpus().values())
    made = 0
    for number in count(first):
        if made >= units:
            return
        case: Case = target.generate(random_of(target.name, seed, number), corpus)
        made += case.units
        yield Numbered(str(number), case.data, case.units)


def replayed(target: Target) -> Iterator[Numbered]:
    """What was found once."""
    for name, data in target.corpus().items():
        yield Numbered(name, data)


@asynccontextmanager
async def _standing(target: Target) -> AsyncIterator[tuple[Subject, Attack]]:
    """A server that can be attacked."""
    with tempfile.TemporaryDirectory() as name:
        async with target.open(Path(name)) as ground, open_subject(ground.start, Path(name)) as subject:
            yield subject, ground.attack


async def run(
    target: Target, cases: Iterable[Numbered], *, progress: Callable[[Result], None] = lambda _: None
) -> Result:
    """Attack a new server with ``cases``; stops at the first fault. ``progress`` is called now and then."""
    result = Result(target)
    began = time.perf_counter()
    try:
        async with _standing(target) as (subject, attack), open_bystander(subject) as bystander:
            held = subject.inventory()
            # One of these is the other client's connection, which will have ended.
            result.before = attrs.evolve(held, files=held.files - 1)
            await _attack_all(subject, attack, cases, result, progress)
            await subject.check()
            await bystander.end()
            result.after = await subject.settle(result.before)
            result.bystander = (bystander.quantile(0.5), bystander.quantile(0.99), bystander.quantile(1))
            await subject.check()
    except* Fault as group:
        result.fault = "; ".join(str(leaf) for leaf in _leaves(group))
    except* trio.TooSlowError:
        result.fault = "the server, or the other client, said nothing for a minute"
    result.seconds = time.perf_counter() - began
    return result


async def _attack_all(
    subject: Subject,
    attack: Attack,
    cases: Iterable[Numbered],
    result: Result,
    progress: Callable[[Result], None],
) -> None:
    """All ``cases``, some at once. Raises `Fault` at the first that goes wrong."""
    source = iter(cases)
    recent: deque[Numbered] = deque(maxlen=SUSPECTS)
    running: dict[int, Numbered] = {}

    async def work(place: int) -> None:
        for case in source:
            running[place] = case
            await _attack(subject, attack, case, result)
            recent.append(running.pop(place))
            result.cases += 1
            result.units += case.units
            if result.cases % 100 == 0:
                progress(result)

    async def watch(scope: trio.CancelScope) -> None:
        await subject.failed.wait()
        scope.cancel()

    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch, nursery.cancel_scope)
            async with trio.open_nursery() as workers:
                for place in range(result.target.at_once):
                    workers.start_soon(work, place)
            # What the last ones have done may show a little later.
            await trio.sleep(0.2)
            nursery.cancel_scope.cancel()
    finally:
        result.suspects = [*recent, *running.values()]
    await subject.check()


async def _attack(subject: Subject, attack: Attack, case: Numbered, result: Result) -> None:
    """One case. Raises `Fault` where it is this one's, which ``result`` then names as the culprit."""
    try:
        with trio.fail_after(CASE_TIME):
            await attack(subject, case.data)
    except Exception as error:
        # It may have died, of this case or of another, which shows in a moment.
        await trio.sleep(0.5)
        if subject.failed.is_set():
            return
        result.culprit = case
        leaf = first_leaf(error) if isinstance(error, ExceptionGroup) else error
        if isinstance(leaf, Fault):
            raise leaf from None
        raise Fault("".join(traceback.format_exception(error))) from None


async def find_culprit(result: Result) -> Numbered | None:
    """Which of the suspects alone makes a new server fail; None if none does."""
    for case in reversed(result.suspects):
        again = await run(attrs.evolve(result.target, at_once=1), [case])
        if again.fault:
            return case
    return None


def keep(result: Result, seed: int) -> str:
    """Write the culprit, or else all suspects, to a file; how to repeat it, in words."""
    case, name = result.culprit, result.target.name
    if case is None:
        return "no single case of the last ones does it: run the same seed again"
    path = FOUND / name / (f"{seed}-{case.name}.bin" if case.name.isdecimal() else case.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(case.data)
    if case.name.isdecimal():
        return f"{REPEAT} --target {name} --seed {seed} --case {case.name}   (or --file {path})"
    return f"{REPEAT} --target {name} --file {path}"


def _leaves(group: BaseExceptionGroup[Fault]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


TABLE_HEAD = (
    "| target | cases | units | seconds | other client p50 / p99 / max ms "
    "| MiB before → after | files | children | result |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
)


def row(result: Result) -> str:
    """A row of the table."""
    before, after = result.before or Inventory(0, 0, 0), result.after or Inventory(0, 0, 0)
    cells = (
        result.target.name,
        f"{result.cases:,}".replace(",", " "),
        f"{result.units:,} {result.target.unit}".replace(",", " "),
        f"{result.seconds:.0f}",
        " / ".join(f"{each:.1f}" for each in result.bystander),
        f"{before.rss / 2**20:.0f} → {after.rss / 2**20:.0f}",
        f"{before.files} → {after.files}",
        f"{before.children} → {after.children}",
        "FAULT" if result.fault else "held",
    )
    return f"| {' | '.join(cells)} |"
