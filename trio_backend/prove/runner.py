"""`prove`: from the command line's options to the verdict; each scenario has its own load generator."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from subprocess import PIPE

import attrs
import trio
from rich.console import Console

from ..client.address import ServerAddress
from ..errors import ConfigError
from .client import server_address
from .cores import CorePlacement, placement
from .engines import EngineServerAddress
from .load import LoadJob, raise_file_limit, read_output, write
from .options import MeasuredServer, ReportFiles, RunSize
from .outcome import ScenarioOutcome, all_well
from .own_server import ServerProgram, open_engine_server, open_own_server
from .plan import PLACES, SCENARIOS, WITH_HTTP_ENGINES, EnginePlace, Plan, full, small
from .report import ProofReport, render
from .table import ProgressTable

# A load generator that writes nothing for so long is stuck: its longest wait is a fraction of this.
SILENCE_TIMEOUT = 300.0


@attrs.frozen
class ProveOptions:
    """What was asked for on the command line; without ``scenarios``, all of them."""

    scenarios: Sequence[str] = ()
    server: MeasuredServer = attrs.field(factory=MeasuredServer)
    size: RunSize = attrs.field(factory=RunSize)
    files: ReportFiles = attrs.field(factory=ReportFiles)


@attrs.frozen
class ProofRun:
    """The scenarios to run, in ``plan``'s sizes: against ``address``, or servers of ``program``.

    ``cores`` say which process runs where; with an ``address`` they mean nothing.
    """

    scenarios: Sequence[str]
    plan: Plan
    address: ServerAddress | None = None
    pid: int | None = None
    program: ServerProgram = attrs.field(factory=ServerProgram)
    cores: CorePlacement = attrs.field(factory=placement)


@attrs.frozen
class ProgressListener:
    """``progress`` gets a scenario and how far it is, ``outcome`` what came of one."""

    progress: Callable[[str, str], None]
    outcome: Callable[[ScenarioOutcome], None]


async def prove(options: ProveOptions) -> bool:
    """Run the scenarios, show and keep what was found; whether all bounds were met.

    Raises `ConfigError` for a scenario that does not exist, `NoConnection` for what is no address.
    """
    run = _proof_run(options)
    raise_file_limit()  # the server that we start inherits it
    console = Console(stderr=False)
    where = "" if run.address is not None else str(run.cores)
    if where:
        console.print(where, highlight=False, markup=False)
    with ProgressTable(console, run.scenarios) as table:
        outcomes = await run_scenarios(run, ProgressListener(table.progress, table.outcome))
    report = ProofReport.of(
        run.plan, outcomes, server=options.server.url or options.server.program, placement=where
    )
    files = options.files
    for path, text in ((files.json, report.to_json()), (files.report, render(report).encode())):
        if path is not None:
            await trio.Path(path).parent.mkdir(parents=True, exist_ok=True)
            await trio.Path(path).write_bytes(text)
    return all_well(outcomes)


def _proof_run(options: ProveOptions) -> ProofRun:
    unknown = [name for name in options.scenarios if name not in SCENARIOS]
    if unknown:
        raise ConfigError(f"there is no scenario {unknown[0]!r}: there are {', '.join(SCENARIOS)}")
    server, size = options.server, options.size
    address = server_address(server.url, server.token) if server.url else None
    # The engines of a server that is not ours have the speed that they have.
    scale = 1.0 if size.scale is None and address is not None else size.scale
    plan = full(scale) if size.full else small(scale)
    if size.minutes is not None:
        if size.minutes <= 0:
            raise ConfigError(f"a soak of {size.minutes:g} minutes shows nothing: give more than 0")
        plan = attrs.evolve(plan, soak_minutes=size.minutes)
    plan = attrs.evolve(plan, engines=server.engines)
    if server.program and address is not None:
        raise ConfigError("--url measures a server that runs, --program starts one: give one of them")
    program = ServerProgram.parse(server.program)
    return ProofRun(options.scenarios or SCENARIOS, plan, address, server.pid, program)


async def run_scenarios(run: ProofRun, listener: ProgressListener) -> Sequence[ScenarioOutcome]:
    """Run all scenarios of ``run``. Raises `NoConnection` if our own server does not start."""
    outcomes = []
    async with AsyncExitStack() as stack:
        servers = _Servers(run, stack)
        for scenario in run.scenarios:
            listener.progress(scenario, "starts")
            if scenario == "start" and run.program != ServerProgram():
                outcome = ScenarioOutcome(scenario, skipped="only the start of this program is measured")
            else:
                outcome = await _run_scenario(await servers.job(scenario), listener)
            listener.outcome(outcome)
            outcomes.append(outcome)
    return outcomes


@attrs.define(eq=False)
class _Servers:
    """The server of each scenario, started when the first needs it and ended with ``stack``.

    There are up to four of our own, one for each place of the engines: with those behind HTTP, it has a store
    of many conversations.
    """

    _run: ProofRun
    _stack: AsyncExitStack
    _engines: dict[bool, EngineServerAddress] = attrs.field(factory=dict)
    """Those that hear and speak, and the others."""
    _own: dict[EnginePlace, LoadJob] = attrs.field(factory=dict)

    async def job(self, scenario: str) -> LoadJob:
        """The job of ``scenario``."""
        run = self._run
        if run.address is not None:
            return LoadJob(scenario, run.address, run.plan, pid=run.pid)
        place = run.plan.engines if scenario in WITH_HTTP_ENGINES else PLACES.get(scenario, "inside")
        if place not in self._own:
            self._own[place] = await self._start(place)
        # How fast a program starts is measured as a user starts it: on any core.
        cores = () if scenario == "start" else run.cores.load
        return attrs.evolve(self._own[place], scenario=scenario, cores=cores)

    async def _start(self, place: EnginePlace) -> LoadJob:
        run, enter = self._run, self._stack.enter_async_context
        voice = place in PLACES.values()
        if voice not in self._engines:
            self._engines[voice] = await enter(open_engine_server(run.cores.load, voice=voice))
        served = self._engines[voice]
        plan = attrs.evolve(run.plan, engines=place, engine_port=served.port)
        server = await enter(open_own_server(plan, program=run.program, cores=run.cores.server))
        engines = attrs.evolve(served, client_pid=server.pid)
        return LoadJob("", server.address, plan, own=True, pid=server.pid, engines=engines)


async def _run_scenario(job: LoadJob, listener: ProgressListener) -> ScenarioOutcome:
    outcome: ScenarioOutcome | None = None
    async with trio.open_nursery() as nursery:
        load: trio.Process = await nursery.start(_generate_load, job)
        assert load.stdout is not None
        with trio.move_on_after(SILENCE_TIMEOUT) as timeout:
            rest = b""
            async for data in load.stdout:
                timeout.deadline = trio.current_time() + SILENCE_TIMEOUT
                *lines, rest = (rest + data).split(b"\n")
                for output in map(read_output, lines):
                    outcome = output.outcome or outcome
                    if output.progress:
                        listener.progress(job.scenario, output.progress)
        nursery.cancel_scope.cancel("the scenario is over")
    if timeout.cancelled_caught:
        return ScenarioOutcome(job.scenario, problem=f"nothing happened for {SILENCE_TIMEOUT:.0f} s")
    return outcome or ScenarioOutcome(
        job.scenario, problem="the load generator failed; its error message is above"
    )


async def _generate_load(job: LoadJob, *, task_status: trio.TaskStatus[trio.Process]) -> None:
    await trio.run_process(
        [sys.executable, "-m", "trio_backend.prove.load"],
        stdin=write(job), stdout=PIPE, capture_stdout=False, check=False, task_status=task_status,
    )  # fmt: skip
