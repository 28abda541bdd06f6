"""What is measured all the time: the longest pass and step, and the last warnings."""

from __future__ import annotations

import time

import trio
from loguru import logger

from trio_backend.observe.instrumentation import KEPT, open_instrumentation


async def hold_the_loop() -> None:
    """What no task of a server should do."""
    time.sleep(0.05)  # noqa: ASYNC251
    await trio.lowlevel.checkpoint()


async def test_the_longest_step_has_a_name() -> None:
    """Who holds the loop for 50 ms is found; looked at from outside, so is the pass."""
    async with open_instrumentation(time_steps=True) as measured:
        assert measured.steps is not None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(hold_the_loop, name="the slow one")
        await trio.sleep(0.001)
        seconds, name = measured.steps.longest.value
        assert seconds >= 0.05
        assert name == "the slow one"
        assert measured.passes.longest.value[0] >= 0.05
        assert measured.passes.busy >= 0.05


async def test_steps_are_timed_only_where_asked_for() -> None:
    """Timing each step has its price, which is paid only where it was asked for."""
    async with open_instrumentation(time_steps=False) as measured:
        assert measured.steps is None


async def test_the_last_warnings_are_kept_and_no_more() -> None:
    """What is below a warning is not kept; of the rest the newest, with their session."""
    async with open_instrumentation(time_steps=False) as measured:
        logger.info("all is well")
        with logger.contextualize(session="7f3a"):
            for number in range(KEPT + 5):
                logger.warning("warning {}", number)
        kept = measured.warnings.last()
    logger.warning("this comes too late")
    assert len(kept) == KEPT
    assert kept[-1].message == f"warning {KEPT + 4}"
    assert kept[-1].session == "7f3a"
    assert measured.warnings.last() == kept
