"""The watch: the longest pass and step, and the last warnings."""

from __future__ import annotations

import time

import trio
from loguru import logger

from trio_backend.observe.trouble import KEPT
from trio_backend.observe.watch import open_watch


async def hold_the_loop() -> None:
    """What no task of a server should do."""
    time.sleep(0.05)  # noqa: ASYNC251
    await trio.lowlevel.checkpoint()


async def test_the_longest_step_has_a_name() -> None:
    """Who holds the loop for 50 ms is found; looked at from outside, so is the pass."""
    async with open_watch(closely=True) as watch:
        assert watch.steps is not None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(hold_the_loop, name="the culprit")
        await trio.sleep(0.001)
        seconds, name = watch.steps.longest.value
        assert seconds >= 0.05
        assert name == "the culprit"
        assert watch.passes.longest.value[0] >= 0.05
        assert watch.passes.busy >= 0.05


async def test_only_a_close_look_times_steps() -> None:
    """Timing each step has its price, which nobody pays who did not ask."""
    async with open_watch(closely=False) as watch:
        assert watch.steps is None


async def test_the_last_warnings_are_kept_and_no_more() -> None:
    """What is below a warning is not kept; of the rest the newest, with their session."""
    async with open_watch(closely=False) as watch:
        logger.info("all is well")
        with logger.contextualize(session="7f3a"):
            for number in range(KEPT + 5):
                logger.warning("trouble {}", number)
        kept = watch.troubles.last()
    logger.warning("nobody looks any more")
    assert len(kept) == KEPT
    assert kept[-1].message == f"trouble {KEPT + 4}"
    assert kept[-1].session == "7f3a"
    assert watch.troubles.last() == kept
