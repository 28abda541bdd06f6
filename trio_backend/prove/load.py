"""The load generator: a process of its own, so that its work is not taken for the server's.

``python -m trio_backend.prove.load`` reads a `LoadJob` on standard input and writes
`LoadOutput`s on standard output, one JSON object a line.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Sequence
from contextlib import suppress

import attrs
import httpx2
import msgspec
import psutil
import trio

from ..client.address import ServerAddress
from ..errors import NoConnection, ProtocolError, WireClosed, first_leaf
from .context import ScenarioContext, cpu_of_load
from .cores import pin
from .engines import EngineServerAddress
from .outcome import ScenarioOutcome, Series
from .plan import Plan
from .probe import open_probe
from .scenarios import SCENARIOS

# More often than a person can read it need not be.
PROGRESS_INTERVAL = 0.2
ENOUGH_FILES = 10_240

_EXPECTED = (
    NoConnection, ProtocolError, WireClosed, httpx2.HTTPError, msgspec.MsgspecError, psutil.Error,
    trio.TooSlowError,
)  # fmt: skip


@attrs.frozen
class LoadJob:
    """One scenario against one server. ``own``: prove has started it. ``pid`` as far as it is known.

    ``engines`` are those of our own server, ``cores`` those on which the load generator may run.
    """

    scenario: str
    address: ServerAddress
    plan: Plan
    own: bool = False
    pid: int | None = None
    engines: EngineServerAddress | None = None
    cores: Sequence[int] = ()


@attrs.frozen
class LoadOutput:
    """The progress of a scenario, and at the end its outcome."""

    progress: str = ""
    outcome: ScenarioOutcome | None = None


def write(message: LoadJob | LoadOutput) -> bytes:
    """``message`` as one line of JSON."""
    return msgspec.json.encode(message) + b"\n"


def read_job(line: bytes) -> LoadJob:
    """The job of a line. Raises `msgspec.DecodeError`."""
    return msgspec.json.decode(line, type=LoadJob)


def read_output(line: bytes) -> LoadOutput:
    """The output of a line. Raises `msgspec.DecodeError`."""
    return msgspec.json.decode(line, type=LoadOutput)


def only_known(outcome: ScenarioOutcome) -> ScenarioOutcome:
    """Without the numbers that could not be seen: JSON has no word for them."""
    curves = [_finite(curve) for curve in outcome.series]
    checks = [check for check in outcome.checks if not math.isnan(check.value)]
    return attrs.evolve(outcome, checks=checks, series=[curve for curve in curves if curve.points])


def _finite(curve: Series) -> Series:
    points = [point for point in curve.points if all(map(math.isfinite, point))]
    also = [more for more in map(_finite, curve.also) if more.points]
    return attrs.evolve(curve, points=points, also=also)


def main() -> None:
    """Run the scenario that standard input asks for."""
    raise_file_limit()
    job = read_job(sys.stdin.buffer.readline())
    pin(os.getpid(), job.cores)
    trio.run(run, job)


async def run(job: LoadJob) -> None:
    """Run ``job``; a server that cannot be reached, or closes the connection, is an outcome too."""
    outcome = ScenarioOutcome(job.scenario)
    began = trio.current_time()
    try:
        async with open_probe(job.address, job.pid) as probe:
            context = ScenarioContext(
                job.address, job.plan, probe, job.own, _ProgressWriter(),
                engines=job.engines, load_cpu=cpu_of_load(job.engines),
            )  # fmt: skip
            if not job.own:
                # A scenario that has nothing to measure here is skipped; but is there a server at all?
                async with context.connect():
                    pass
            outcome = await SCENARIOS[job.scenario](context)
    except* _EXPECTED as group:
        outcome = attrs.evolve(outcome, problem=_explain(first_leaf(group)))
    outcome = attrs.evolve(only_known(outcome), seconds=trio.current_time() - began)
    _write(LoadOutput(outcome=outcome))


def _explain(error: BaseException) -> str:
    if isinstance(error, WireClosed):
        return f"the server closed the connection ({error})"
    if isinstance(error, psutil.Error):
        return f"the process cannot be read: {error}"
    if isinstance(error, msgspec.MsgspecError):
        return f"/debug/tasks of the server cannot be read: {error}"
    return str(error) or f"the server took too long ({type(error).__name__})"


@attrs.define
class _ProgressWriter:
    """Writes how far the scenario is, now and then."""

    _written: float = -math.inf

    def __call__(self, text: str) -> None:
        if trio.current_time() - self._written >= PROGRESS_INTERVAL:
            self._written = trio.current_time()
            _write(LoadOutput(text))


def _write(output: LoadOutput) -> None:
    # A pipe takes 64 kB at once, and the runner reads it all the time.
    sys.stdout.buffer.write(write(output))
    sys.stdout.buffer.flush()


def raise_file_limit() -> None:
    """Allow as many open connections as the system lets us have."""
    if sys.platform != "win32":
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        # Where there is no limit, macOS still knows one that it does not tell.
        many = ENOUGH_FILES if most == resource.RLIM_INFINITY else most
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (many, most))


if __name__ == "__main__":
    main()
