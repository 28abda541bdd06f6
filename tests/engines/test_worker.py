"""Engines in child processes: they answer in turn, and are gone when nobody wants them."""

from __future__ import annotations

import signal
import sys
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import trio
import trio.lowlevel
from loguru import logger

from tests.children import Children
from tests.promptness import promptly
from trio_backend.engines.worker import WorkerJob, open_worker
from trio_backend.errors import EngineError, RequestRefused


def job(*, timeout: float = 20, interruption: float = 0, **settings: object) -> WorkerJob:
    """The sleepy child."""
    module = "tests.engines.sleepy_process"
    return WorkerJob(module, "sleepy", settings, timeout, interruption=interruption)


async def test_it_answers_and_is_gone() -> None:
    """One process for all requests, and none after the block."""
    children = Children()
    async with open_worker(job()) as worker:
        assert await worker.ask(b"sleep 0") == "slept"
        (child,) = children.direct()
        assert await worker.ask(b"size " + bytes(2_000_000)) == "2000005"
        assert children.direct() == [child]
    assert children.all() == []


async def test_what_it_prints_tears_no_answer() -> None:
    """Libraries say what they like on standard output."""
    async with open_worker(job()) as worker:
        assert await worker.ask(b"print loading model, 100%") == "printed"
        assert await worker.ask(b"sleep 0") == "slept"


async def test_one_that_cannot_load_says_why() -> None:
    """In its own words, as a bare error, and it leaves nothing."""
    children = Children()
    with pytest.raises(EngineError, match="the model is on strike"):
        async with open_worker(job(problem="the model is on strike")):
            raise AssertionError("never ready")
    assert children.all() == []


async def test_a_refused_request_is_only_that() -> None:
    """The process lives on."""
    children = Children()
    async with open_worker(job()) as worker:
        (child,) = children.direct()
        with pytest.raises(RequestRefused, match="too quiet"):
            await worker.ask(b"refuse too quiet")
        assert await worker.ask(b"sleep 0") == "slept"
        assert children.direct() == [child]


async def test_one_that_dies_is_told_and_replaced() -> None:
    """The error says how it died; the next request is answered."""
    async with open_worker(job()) as worker:
        with pytest.raises(EngineError, match="exit code 7"):
            await worker.ask(b"die 7")
        assert await worker.ask(b"sleep 0") == "slept"


async def test_an_error_of_a_library_is_told_without_its_words(capfd: pytest.CaptureFixture[str]) -> None:
    """Which may be those of the request; where it was raised helps whoever reads the log."""
    async with open_worker(job()) as worker:
        with pytest.raises(EngineError, match=r"its process ended unexpectedly \(exit code 1\)"):
            await worker.ask(b"break my secret wish")
    _, told = capfd.readouterr()
    assert "secret" not in told
    assert "sleepy_process.py" in told
    assert told.endswith("LookupError\n")


async def test_one_that_takes_too_long_is_ended() -> None:
    """A library that hangs is not waited for for ever."""
    async with open_worker(job(timeout=0.5)) as worker:
        with pytest.raises(EngineError, match=r"no answer within 0\.5 s"):
            await worker.ask(b"sleep 60")
        assert await worker.ask(b"sleep 0") == "slept"


@pytest.mark.skipif(sys.platform == "win32", reason="there are no process groups to kill")
async def test_what_a_process_has_started_ends_with_it() -> None:
    """A program that a library runs would go on with nobody to read what it says."""
    children = Children()
    async with open_worker(job()) as worker:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(worker.ask, b"run 60")
            with trio.fail_after(20):
                while len(children.all()) < 2:
                    await trio.sleep(0.01)
            _, program = children.all()
            nursery.cancel_scope.cancel()
        with trio.fail_after(20), suppress(psutil.NoSuchProcess):
            # Nobody may be there to bury it.
            while program.is_running() and program.status() != psutil.STATUS_ZOMBIE:
                await trio.sleep(0.01)


async def test_a_cancelled_request_ends_its_process_at_once() -> None:
    """Back at once, the busy process is dead, and the next request is answered by another."""
    children = Children()
    async with open_worker(job()) as worker:

        async def attempt() -> float:
            (busy,) = children.direct()
            with trio.move_on_after(0.2) as scope:
                await worker.ask(b"sleep 60")
            took = trio.current_time() - scope.deadline
            assert not busy.is_running()
            assert await worker.ask(b"sleep 0") == "slept"
            assert len(children.direct()) == 1
            return took

        await promptly(attempt)


async def test_an_interrupted_request_ends_and_its_process_goes_on() -> None:
    """Back at once; the engine need not be loaded again, whose library runs Python code."""
    children = Children()
    async with open_worker(job(interruption=10)) as worker:
        child = children.direct()

        async def attempt() -> float:
            with trio.move_on_after(0.2) as scope:
                await worker.ask(b"sleep 60")
            assert scope.cancelled_caught
            return trio.current_time() - scope.deadline

        await promptly(attempt)
        assert await worker.ask(b"size") == "4"
        assert children.direct() == child


async def test_a_library_that_cannot_be_interrupted_is_ended() -> None:
    """When its time for that is over; another process answers."""
    children = Children()
    async with open_worker(job(interruption=0.05)) as worker:
        child = children.direct()

        async def attempt() -> float:
            with trio.move_on_after(0.1) as scope:
                await worker.ask(b"stubborn 60")
            assert scope.cancelled_caught
            return trio.current_time() - scope.deadline

        await promptly(attempt)
        assert await worker.ask(b"size") == "4"
        assert children.direct() != child


async def test_a_request_may_be_interrupted_at_any_moment() -> None:
    """Before it begins, amid it, amid its answer, and behind it; the next answer is that of its question."""
    async with open_worker(job(interruption=10)) as worker:
        for step in range(200):
            with trio.move_on_after(step * 0.00002):
                await worker.ask(b"sleep 0.001")
            assert await worker.ask(b"size " + bytes(step)) == f"{5 + step}"


async def test_an_interrupt_that_comes_too_early_is_followed_by_another() -> None:
    """So that a request which has not begun when it is cancelled ends all the same."""
    children = Children()
    async with open_worker(job(interruption=10)) as worker, trio.open_nursery() as nursery:
        (child,) = children.direct()

        async def go_on() -> None:
            await trio.sleep(0.3)
            child.resume()

        child.suspend()
        nursery.start_soon(go_on)
        with trio.move_on_after(0.1):
            await worker.ask(b"sleep 60")
        assert await worker.ask(b"size") == "4"
        assert children.direct() == [child]


async def test_an_interrupt_that_comes_too_late_is_none() -> None:
    """The process waits for its next request, and answers that."""
    children = Children()
    async with open_worker(job(interruption=10)) as worker:
        (child,) = children.direct()
        for _ in range(5):
            child.send_signal(signal.SIGINT)
            assert await worker.ask(b"size") == "4"
        assert children.direct() == [child]


async def test_who_is_cancelled_in_the_queue_disturbs_nobody() -> None:
    """The one whose turn it is gets its answer, and so does the one behind."""
    answers: list[str] = []
    children = Children()
    async with open_worker(job()) as worker, trio.open_nursery() as nursery:
        (child,) = children.direct()

        async def ask(request: bytes) -> None:
            answers.append(await worker.ask(request))

        # It is busy for as long as the test wants.
        child.suspend()
        nursery.start_soon(ask, b"sleep 0")
        await trio.sleep(0.1)
        nursery.start_soon(ask, b"size")
        await trio.lowlevel.checkpoint()

        async def attempt() -> float:
            with trio.move_on_after(0.05) as scope:
                await worker.ask(b"sleep 60")
            assert scope.cancelled_caught
            return trio.current_time() - scope.deadline

        await promptly(attempt)
        child.resume()
        nursery.start_soon(ask, b"size")
        await worker.ask(b"size")
        assert children.direct() == [child]
    assert sorted(answers) == ["4", "4", "slept"]


@pytest.mark.parametrize("after", [0.0, 0.01, 0.05, 0.3])
async def test_loading_may_be_cancelled_at_any_moment(after: float) -> None:
    """Back at once after the start of the process, and no process is left."""
    children = Children()

    async def attempt() -> float:
        with trio.move_on_after(after) as scope:
            async with open_worker(job(load=60)):
                raise AssertionError("never ready")
        assert children.all() == []
        return trio.current_time() - scope.deadline

    await promptly(attempt)


async def test_a_replacement_that_still_loads_is_waited_for() -> None:
    """A cancelled wait for it loses nothing."""
    async with open_worker(job(load=2)) as worker:
        with trio.move_on_after(0.05):
            await worker.ask(b"sleep 60")
        with trio.move_on_after(0.2) as scope:
            await worker.ask(b"sleep 0")
        assert scope.cancelled_caught
        assert await worker.ask(b"sleep 0") == "slept"


async def test_leaving_ends_a_request_of_somebody_else() -> None:
    """The block's end is the end: who still waits gets an error, and nothing is started any more."""
    children = Children()
    problems: list[str] = []

    async def ask() -> None:
        with pytest.raises(EngineError) as caught:
            await worker.ask(b"sleep 60")
        problems.append(str(caught.value))

    async with trio.open_nursery() as nursery, open_worker(job()) as worker:
        nursery.start_soon(ask)
        nursery.start_soon(ask)
        await trio.sleep(0.1)
    assert len(problems) == 2
    assert children.all() == []


async def test_a_replacement_is_nobodys_in_the_log(tmp_path: Path) -> None:
    """Who asked for what ended the process is told; what becomes of the next process is not their doing."""
    told: list[tuple[str, object]] = []
    sink = logger.add(lambda line: told.append((line.record["message"], line.record["extra"])))
    broken = tmp_path / "broken"
    async with open_worker(job(broken_by=str(broken))) as worker:
        broken.touch()
        with logger.contextualize(session="7f3a"), pytest.raises(EngineError, match="exit code 7"):
            await worker.ask(b"die 7")
        with trio.fail_after(10):
            while not told:
                await trio.sleep(0.01)
    logger.remove(sink)
    assert told == [("no replacement: it was broken", {})]
