"""The load generator: a process of its own, so that its work is not taken for the server's.

``python -m trio_backend.prove.load`` reads a `Job` on standard input and writes `Line`s on standard output.
"""

from __future__ import annotations

import sys
from contextlib import suppress

import attrs
import httpx2
import msgspec
import psutil
import trio

from ..errors import NoConnection, WireClosed, first_leaf
from .job import Job, Line, only_known, read_job, write
from .outcome import Outcome
from .probe import open_probe
from .scenarios import SCENARIOS
from .stage import Stage

# Whoever shows the progress needs no more.
TELL_EVERY = 0.2
ENOUGH_FILES = 10_240

_EXPECTED = (
    NoConnection, WireClosed, httpx2.HTTPError, msgspec.MsgspecError, psutil.Error, trio.TooSlowError,
)  # fmt: skip


def main() -> None:
    """Play the scenario that standard input asks for."""
    raise_file_limit()
    trio.run(run, read_job(sys.stdin.buffer.readline()))


async def run(job: Job) -> None:
    """Play ``job``; a server that lets nobody in, or hangs up, is an outcome too."""
    outcome = Outcome(job.scenario)
    began = trio.current_time()
    try:
        async with open_probe(job.target, job.pid) as probe:
            stage = Stage(job.target, job.plan, probe, job.own, _Progress())
            outcome = await SCENARIOS[job.scenario](stage)
    except* _EXPECTED as group:
        outcome = attrs.evolve(outcome, problem=_in_words(first_leaf(group)))
    outcome = attrs.evolve(only_known(outcome), seconds=trio.current_time() - began)
    _say(Line(outcome=outcome))


def _in_words(error: BaseException) -> str:
    if isinstance(error, WireClosed):
        return f"the server hung up ({error})"
    if isinstance(error, psutil.Error):
        return f"the process cannot be looked at: {error}"
    if isinstance(error, msgspec.MsgspecError):
        return f"the server said what is no message of the protocol: {error}"
    return str(error) or f"the server took too long ({type(error).__name__})"


@attrs.define
class _Progress:
    """Tells how far it got, now and then."""

    _told: float = 0.0

    def __call__(self, text: str) -> None:
        if trio.current_time() - self._told >= TELL_EVERY:
            self._told = trio.current_time()
            _say(Line(text))


def _say(line: Line) -> None:
    # A pipe takes 64 kB at once, and somebody reads it all the time.
    sys.stdout.buffer.write(write(line))
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
