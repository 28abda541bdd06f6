"""Answers in parts from a child process: stopped without losing the process, which has loaded for long."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import aclosing

import psutil
import pytest
import trio
import trio.testing

from tests.children import Children
from tests.promptness import PROMPTLY, promptly
from trio_backend.engines import worker as worker_module
from trio_backend.engines.worker import Patience, Worker, WorkerJob, open_worker
from trio_backend.errors import EngineError

PATIENCE = Patience(first=20, each=20)


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What stops a request is what is tried here; how long that may take on this machine is not."""
    monkeypatch.setattr(worker_module, "STOPPING", 10)


def job(**settings: object) -> WorkerJob:
    """The sleepy child that answers in parts."""
    return WorkerJob("tests.engines.sleepy_parts_process", "sleepy", settings, 20)


async def read(worker: Worker, request: str, patience: Patience = PATIENCE) -> list[str]:
    """All parts of an answer."""
    async with aclosing(worker.stream(request.encode(), patience)) as parts:
        return [part.decode() async for part in parts]


async def pid(worker: Worker) -> str:
    """Which process answers."""
    (found,) = await read(worker, "pid")
    return found


async def test_the_parts_come_as_they_are_made() -> None:
    """Not with the last one; then the next request is answered by the same process."""
    async with open_worker(job()) as worker:
        first = await pid(worker)
        async with aclosing(worker.stream(b"count 2 0;listen 60", PATIENCE)) as parts:
            with trio.fail_after(10):
                assert [await anext(parts), await anext(parts)] == [b"0", b"1"]
        assert await read(worker, "count 3 0") == ["0", "1", "2"]
        assert await pid(worker) == first


async def test_an_error_of_a_library_is_told_without_its_words(capfd: pytest.CaptureFixture[str]) -> None:
    """Which may be those of the request; the one that ends this process repeats it."""
    async with open_worker(job()) as worker:
        with pytest.raises(EngineError, match="its process ended unexpectedly"):
            await read(worker, "my secret wish")
    _, told = capfd.readouterr()
    assert "secret" not in told
    assert told.endswith("AssertionError\n")


@pytest.mark.parametrize("after", [0.0, 0.02, 0.1])
@pytest.mark.parametrize("request_", ["listen 60;count 1 0", "count 100000 0.001", "count 1000000 0"])
async def test_a_cancelled_request_stops_and_its_process_stays(request_: str, after: float) -> None:
    """Before the first part, between parts, and while it is far ahead of who reads. The next one is whole."""
    async with open_worker(job()) as worker:
        first = await pid(worker)

        async def attempt() -> float:
            with trio.move_on_after(after) as scope:
                async with aclosing(worker.stream(request_.encode(), PATIENCE)) as parts:
                    async for _ in parts:
                        await trio.sleep(0.01)
            assert scope.cancelled_caught
            took = trio.current_time() - scope.deadline
            assert await read(worker, "count 3 0") == ["0", "1", "2"]
            return took

        await promptly(attempt)
        assert await pid(worker) == first


async def test_one_that_does_not_stop_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for a library that hears nothing."""
    monkeypatch.setattr(worker_module, "STOPPING", 0.2)
    async with open_worker(job()) as worker:
        first = await pid(worker)
        with trio.move_on_after(0.1) as scope:
            await read(worker, "deaf 60")
        assert trio.current_time() - scope.deadline < PROMPTLY
        second = await pid(worker)
        assert second != first
        assert not psutil.pid_exists(int(first))


async def test_a_request_that_was_cut_costs_its_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes behind half a frame would be read as the rest of it: nobody waits for an answer to that."""
    monkeypatch.setattr(worker_module, "STOPPING", 30)
    async with open_worker(job()) as worker:
        first = await pid(worker)
        os.kill(int(first), signal.SIGSTOP)
        with trio.move_on_after(0.1) as scope:
            await read(worker, "count 1 0;" * 100_000)
        assert trio.current_time() - scope.deadline < PROMPTLY
        assert await pid(worker) != first


@pytest.mark.parametrize(
    ("request_", "patience", "received"),
    [("listen 60", Patience(0.2, 20), 0), ("count 1 0;listen 60", Patience(20, 0.2), 1)],
)
async def test_one_that_takes_too_long_is_stopped(request_: str, patience: Patience, received: int) -> None:
    """For the first part, or between two; its process stays where it hears that."""
    async with open_worker(job()) as worker:
        first = await pid(worker)
        async with aclosing(worker.stream(request_.encode(), patience)) as parts:
            assert [await anext(parts) for _ in range(received)] == [b"0"][:received]
            with pytest.raises(EngineError, match=r"sleepy: no answer within 0\.2 s"):
                await anext(parts)
        assert await pid(worker) == first


async def test_a_refused_request_is_only_that() -> None:
    """What came before stands, and the process lives on."""
    async with open_worker(job()) as worker:
        first = await pid(worker)
        async with aclosing(worker.stream(b"count 1 0;refuse no", PATIENCE)) as parts:
            assert await anext(parts) == b"0"
            with pytest.raises(EngineError, match=r"^no$"):
                await anext(parts)
        assert await pid(worker) == first


async def test_one_that_dies_is_told_and_replaced() -> None:
    """Amid an answer it costs that; killed while it was idle, it costs nobody anything."""
    async with open_worker(job()) as worker:
        with pytest.raises(EngineError, match="exit code 7"):
            await read(worker, "count 2 0;die 7")
        process = psutil.Process(int(await pid(worker)))
        process.kill()
        with trio.fail_after(10):
            while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                await trio.sleep(0.01)
        assert await read(worker, "count 1 0") == ["0"]


async def test_others_wait_for_their_turn() -> None:
    """One at a time, first come, first served; who gives up in the queue disturbs nobody."""
    told: list[str] = []

    async def ask(worker: Worker, request: str) -> None:
        told.append("".join(await read(worker, request)))

    async with open_worker(job()) as worker, trio.open_nursery() as nursery:
        await pid(worker)
        nursery.start_soon(ask, worker, "count 3 0.5")
        await trio.testing.wait_all_tasks_blocked()
        with trio.move_on_after(0.05) as scope:
            await ask(worker, "count 1 0")
        assert scope.cancelled_caught
        nursery.start_soon(ask, worker, "count 2 0")
    assert told == ["012", "01"]


async def test_an_answer_that_nobody_reads_holds_the_process_up() -> None:
    """What it is ahead waits in the pipe, and not in our memory."""
    async with open_worker(job()) as worker:
        process = psutil.Process(int(await pid(worker)))
        async with aclosing(worker.stream(b"count 1000000 0", PATIENCE)) as parts:
            await anext(parts)
            with trio.fail_after(10):
                before = -1.0
                while (now := process.cpu_times().user) != before:
                    before = now
                    await trio.sleep(0.2)
            # All that there is would be 12 MB.
            assert await anext(parts) == b"1"
            assert worker._child is not None
            assert len(worker._child._received) < 100_000


async def test_one_that_cannot_load_says_why() -> None:
    """In its own words."""
    with pytest.raises(EngineError, match="the model is on strike"):
        async with open_worker(job(problem="the model is on strike")):
            raise AssertionError("never ready")


async def test_parts_are_no_answer_to_who_wants_the_whole() -> None:
    """Such a process does not keep to what was agreed, and is replaced."""
    async with open_worker(job()) as worker:
        with pytest.raises(EngineError, match="sent a part where the whole was asked for"):
            await worker.fetch(b"count 1 0")
        assert await worker.fetch(b"count 0 0") == b""


async def test_leaving_ends_an_answer_of_somebody_else() -> None:
    """The block's end is the end, and no process is left."""
    children = Children()
    problems: list[str] = []

    async def ask(worker: Worker, nudge: Callable[[], object]) -> None:
        async with aclosing(worker.stream(b"count 1 0;listen 60", PATIENCE)) as parts:
            await anext(parts)
            nudge()
            with pytest.raises(EngineError) as caught:
                await anext(parts)
        problems.append(str(caught.value))

    async with trio.open_nursery() as nursery:
        begun = trio.Event()
        async with open_worker(job()) as worker:
            nursery.start_soon(ask, worker, begun.set)
            await begun.wait()
    assert len(problems) == 1
    assert children.all() == []
