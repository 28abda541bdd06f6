"""The command: a server that leaks is found out, one that does not is not, and ours leaves nothing behind."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import attrs
import pytest
import trio
import trio_websocket

from tests.prove.leaking_server import open_leaking_server, open_socket
from tests.server_process import open_process
from trio_backend.errors import ConfigError, NoConnection, first_leaf
from trio_backend.prove.client import server_address
from trio_backend.prove.options import MeasuredServer, RunSize
from trio_backend.prove.outcome import ScenarioOutcome, all_well
from trio_backend.prove.own_server import ServerProgram
from trio_backend.prove.plan import Plan, small
from trio_backend.prove.runner import ProgressListener, ProofRun, ProveOptions, prove, run_scenarios

# The TTS takes 20 ms for a sentence; a client asks for ten and stays for 50 ms.
SECONDS, SCALE = 0.02, "0.02"
SMALL = small(float(SCALE))
STARTUP, ROOT = Path(__file__).with_name("startup"), Path(__file__).parents[2]


@pytest.fixture
def short_idle_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """In processes that a test starts, idle worker threads end soon; see `startup/sitecustomize.py`."""
    paths = [str(STARTUP), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))


async def run(*arguments: str) -> tuple[int, str]:
    """The command in a process of its own, as a user runs it: its exit code, and what it said."""
    with trio.fail_after(120):
        done = await trio.run_process(
            [sys.executable, "-m", "trio_backend", "prove", *arguments],
            capture_stdout=True, capture_stderr=True, check=False,
        )  # fmt: skip
    return done.returncode, done.stdout.decode() + done.stderr.decode()


async def outcomes(
    url: str, *scenarios: str, plan: Plan, pid: int | None = None
) -> Sequence[ScenarioOutcome]:
    """What the scenarios find out about the server at ``url``, each with a load generator of its own."""
    ignore = ProgressListener(lambda _scenario, _progress: None, lambda _outcome: None)
    with trio.fail_after(120):
        return await run_scenarios(ProofRun(scenarios, plan, server_address(url), pid), ignore)


async def test_a_server_that_leaks_is_found_out(tmp_path: Path) -> None:
    """Work for clients that have left is queued before the TTS: the verdict says so, with exit code 1."""
    kept = tmp_path / "found.json"
    async with open_leaking_server(SECONDS, leaks=True) as url:
        code, said = await run("reload", "--url", url, "--scale", SCALE, "--json", str(kept))
    found = json.loads(kept.read_text())
    (outcome,) = found["outcomes"]
    later = next(check for check in outcome["checks"] if check["what"] == "first sound later by")
    assert code == 1
    assert "reload: missed: first sound later by" in said
    assert later["value"] > 500
    assert found["verdicts"] == {"reload": "missed"}


async def test_the_same_server_without_the_leak_is_not(tmp_path: Path) -> None:
    """So it is the leak that is found; the time is the machine's, so only its order is held against it."""
    kept = tmp_path / "found.json"
    async with open_leaking_server(SECONDS, leaks=False) as url:
        await run("reload", "--url", url, "--scale", SCALE, "--json", str(kept))
    (outcome,) = json.loads(kept.read_text())["outcomes"]
    assert not outcome["problem"]
    assert outcome["checks"][0]["value"] < 100


@pytest.mark.parametrize("leaks", [True, False])
async def test_loads_that_were_given_up_are_found_out(*, leaks: bool) -> None:
    """A client that chooses ten characters waits for all of them, or for the last alone, as it should."""
    plan = attrs.evolve(SMALL, switch_rounds=1)
    async with open_leaking_server(SECONDS, leaks=leaks, characters="abc") as url:
        (outcome,) = await outcomes(url, "switch", plan=plan)
    assert not outcome.problem
    assert outcome.checks[0].what == "the last of ten quick switches takes longer by"
    assert (outcome.checks[0].value > 500) == leaks


async def test_a_process_that_keeps_what_it_opened_is_found_out() -> None:
    """With its number, its open files are counted: each visit has left one."""
    command = [sys.executable, "-m", "tests.prove.leaking_server"]
    # What is never closed is waited for until the timeout; a second shows as much as the usual thirteen.
    plan = attrs.evolve(SMALL, settle_timeout=1.0)
    async with open_process(command, ROOT) as server:
        (outcome,) = await outcomes(server.address, "leave", plan=plan, pid=server.process.pid)
    assert outcome.verdict == "missed"
    (files,) = [check.value for check in outcome.checks if check.what == "files more than before"]
    assert files >= 25


async def test_what_a_server_does_not_have_is_skipped() -> None:
    """No rooms, no characters, no memory to read: that is said, and is no fault."""
    async with open_leaking_server(SECONDS, leaks=False) as url:
        # This server never lists its characters; the list is waited for a tenth of the timeout.
        plan = attrs.evolve(SMALL, sound_timeout=5.0)
        found = await outcomes(url, "start", "switch", "queue", "idle", "soak", plan=plan)
    assert all_well(found)
    start, switch, queue, idle, soak = (outcome.skipped for outcome in found)
    assert start.startswith("only a server that prove starts itself can be timed")
    assert switch.startswith("the server has fewer than three characters")
    assert queue.startswith("the server has no rooms: there is a server at 127.0.0.1:")
    assert idle.startswith("CPU and memory can only be seen with --pid")
    assert soak.startswith("memory can only be seen with --pid")


async def test_a_server_of_another_kind_is_a_failure() -> None:
    """What it says instead of the protocol is told as such."""

    async def serve(request: trio_websocket.WebSocketRequest) -> None:
        connection = await request.accept()
        await connection.send_message("Welcome!")
        with suppress(trio_websocket.ConnectionClosed):
            await connection.get_message()

    async with trio.open_nursery() as nursery:
        url = await open_socket(nursery, serve)
        code, said = await run("reload", "--url", url)
        nursery.cancel_scope.cancel()
    assert code == 1
    assert "reload: failed: the server sent what cannot be read" in said
    assert "Traceback" not in said


async def test_a_server_that_is_not_there_is_a_failure() -> None:
    """In words, without a traceback; for a scenario that would be skipped, too."""
    scenarios = ("reload", "queue", "start", "soak")
    code, said = await run(*scenarios, "--url", "http://127.0.0.1:9")
    assert code == 1
    for scenario in scenarios:
        assert f"{scenario}: failed: nothing answers at ws://127.0.0.1:9/client-ws" in said
    assert "Traceback" not in said


async def test_a_process_that_is_not_there_is_a_failure() -> None:
    """So is one that belongs to somebody else."""
    async with open_leaking_server(SECONDS, leaks=False) as url:
        code, said = await run("leave", "--url", url, "--pid", "999999999")
    assert code == 1
    assert "leave: failed: the process cannot be read" in said


@pytest.mark.parametrize(
    ("request_", "says"),
    [
        (ProveOptions(["sock"]), r"no scenario 'sock'.*soak"),
        (ProveOptions(size=RunSize(minutes=0)), "0 minutes"),
        (ProveOptions(server=MeasuredServer(program="A=b")), "names no program"),
        (ProveOptions(server=MeasuredServer("localhost", program="python")), "give one of them"),
        (ProveOptions(server=MeasuredServer("ftp://localhost")), "not the address of a server"),
        (ProveOptions(server=MeasuredServer("http://localhost:99999")), "not the address of a server"),
        (ProveOptions(server=MeasuredServer("http://localhost/elsewhere")), "give only the server's address"),
    ],
)
async def test_what_cannot_be_meant_is_an_error(request_: ProveOptions, says: str) -> None:
    """It says what may be."""
    with pytest.raises((ConfigError, NoConnection), match=says):
        await prove(request_)


def test_an_address_may_be_that_of_the_websocket() -> None:
    """Or just host and port; IPv6 too."""
    for url in ("localhost:12393", "ws://localhost:12393/client-ws", "http://localhost:12393/", "localhost"):
        assert server_address(url).url == "http://localhost:12393"
    assert server_address("wss://[::1]/client-ws").url == "https://[::1]:443"


TINY = Plan(
    scale=0.02, visits=(0, 3), median_of=1, leave_rounds=1, switch_rounds=1, interrupts=5, crowd=(1, 5),
    crowd_turns=1, talkers=2, overload=3, overload_seconds=0.5,
    conversations=5, long_turns=6, idle=10, idle_settling=0.0, idle_seconds=0.1,
    room_messages=5, room_flood=40, soak_minutes=0.01, starts=1,
)  # fmt: skip
ALL = ("reload", "leave", "switch", "interrupt", "crowd", "overload", "queue", "long", "idle", "soak")


@pytest.mark.usefixtures("short_idle_threads")
async def test_our_server_leaves_nothing_behind() -> None:
    """Every scenario in a tiny size: no task, thread, file, child process or engine more than before."""
    told: list[str] = []
    shown: list[ScenarioOutcome] = []
    with trio.fail_after(120):
        found = await run_scenarios(
            ProofRun(ALL, TINY), ProgressListener(lambda name, _: told.append(name), shown.append)
        )
    assert list(found) == shown
    assert [outcome.scenario for outcome in found] == list(ALL)
    assert set(told) == set(ALL)
    for outcome in found:
        assert not outcome.problem
        assert not outcome.skipped
        left = {c.what: c.value for c in outcome.checks if c.what.endswith("more than before")}
        assert left == {
            f"{n} more than before": 0 for n in ("tasks", "threads", "children", "files", "engines")
        }
        assert outcome.client_share > 0
    # With engines behind HTTP, as it is unless somebody asks for the others.
    told_by = {outcome.scenario: {check.what for check in outcome.checks} for outcome in found}
    assert "added until first sound with 5 (p50)" in told_by["crowd"]
    assert "the model's connection closed after while 2 others talk (p99)" in told_by["interrupt"]
    assert "CPU of an opened page" in told_by["idle"]
    assert "CPU of the companion's last turns on the event loop" in told_by["long"]


async def test_engines_may_be_inside_the_server() -> None:
    """As they were before there were others, with the same figures; the server may be another program."""
    ignore = ProgressListener(lambda _scenario, _progress: None, lambda _outcome: None)
    plan = attrs.evolve(TINY, engines="inside", settle_timeout=0.0)
    program = ServerProgram((*ServerProgram().command, "--help"))
    with trio.fail_after(120):
        crowd, idle = await run_scenarios(ProofRun(("crowd", "idle"), plan), ignore)
        with pytest.raises(ExceptionGroup) as failure:
            await run_scenarios(ProofRun(("crowd",), plan, program=program), ignore)
        program = ServerProgram((sys.executable, "-c", "import sys; sys.exit('it is too old')"))
        plan = attrs.evolve(plan, engines="http")
        with pytest.raises(ExceptionGroup) as no_import:
            await run_scenarios(ProofRun(("crowd",), plan, program=program), ignore)
    assert "could not be imported:\nit is too old" in str(first_leaf(no_import.value))
    assert "added with 5 (p50)" in {check.what for check in crowd.checks}
    assert "CPU of a connection" in {check.what for check in idle.checks}
    assert "did not start" in str(first_leaf(failure.value))


async def test_only_the_start_of_this_program_is_measured() -> None:
    """Another one would be started in another way."""
    ignore = ProgressListener(lambda _scenario, _progress: None, lambda _outcome: None)
    run = ProofRun(("start",), TINY, program=ServerProgram(("other",)))
    (outcome,) = await run_scenarios(run, ignore)
    assert outcome.skipped == "only the start of this program is measured"
