"""`Watch`: what has to be written down while a server runs, so that it can be asked about itself."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs
import trio

from .loop_watch import PassWatch, StepWatch
from .task_tree import Births
from .trouble import Troubles, keep_troubles


@attrs.frozen
class Watch:
    """Since when each task lives, how long the loop was busy, and what went wrong lately."""

    births: Births
    passes: PassWatch
    steps: StepWatch | None
    troubles: Troubles


@asynccontextmanager
async def open_watch(*, closely: bool) -> AsyncIterator[Watch]:
    """Watch the Trio run that we are in until the block is left; ``closely`` times every step of a task."""
    with keep_troubles() as troubles:
        watch = Watch(Births(), PassWatch(), StepWatch() if closely else None, troubles)
        instruments = [each for each in (watch.births, watch.passes, watch.steps) if each is not None]
        for instrument in instruments:
            trio.lowlevel.add_instrument(instrument)
        try:
            yield watch
        finally:
            for instrument in instruments:
                trio.lowlevel.remove_instrument(instrument)
